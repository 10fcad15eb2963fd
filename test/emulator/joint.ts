/**
 * Connects gateway and emulator in one isolate, instead of a socket.
 *
 * Promises: behaves like the network: the answer and its body end when the request's signal aborts.
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

/** Rejects when the signal aborts. */
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
