/**
 * The joint between gateway and emulator in one isolate, in place of a socket.
 *
 * Promises: refuses what the network would: the answer and its body end with the request's signal.
 */

type Answering = (request: Request) => Promise<Response>;

export function joint(answer: Answering): Answering {
  return async (request) => {
    const aborted = endOf(request.signal);
    const response = await Promise.race([aborted, answer(request)]);
    if (response.body === null) return response;
    const { status, headers } = response;
    return new Response(endingWith(aborted, response.body), { status, headers });
  };
}

/** Rejects when the signal is given. */
function endOf(signal: AbortSignal): Promise<never> {
  const end = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  end.catch(() => undefined);
  return end;
}

function endingWith(end: Promise<never>, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await Promise.race([end, reader.read()]);
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
