/**
 * One request to the gateway, and its answer.
 *
 * Promises: calls only its own origin, follows no redirect, reads at most a megabyte, ends within the given time and with the given
 * signal, and leaves no timer behind. Whatever is thrown says whether anything was sent: `NotSentError` if nothing was, else
 * `LostAnswerError`. Never: repeats a request, or lets the token into a message.
 *
 * Source: RFC 6750 §2.1 (Bearer), RFC 9110 §10.2.3 (Retry-After).
 */
import { parseJson, readText } from '../worker/json.ts';
import { keptBeside } from '../worker/kept-text.ts';
import { LostAnswerError, NotSentError } from './errors.ts';
import { neverSent } from './never-sent.ts';

/** What `fetch` is given besides the address. */
export interface OutgoingRequest {
  readonly method: 'DELETE' | 'GET';
  readonly headers: Readonly<Record<string, string>>;
  readonly redirect: 'manual';
  /** Bun would send a deletion again if a connection breaks that it has used before. */
  readonly keepalive: false;
  readonly signal: AbortSignal;
}

/** How a request is sent. The platform's own `fetch` fits, and so does that of a service binding. */
export type SendRequest = (input: string, init: OutgoingRequest) => Promise<Response>;

/** The bearer token, or a function that returns it. */
export type Token = string | (() => Promise<string>);

/** Where requests go, and how. */
export interface Connection {
  /** Without a slash at its end. */
  readonly origin: string;
  readonly send: SendRequest;
  /** Whether that is the platform's own `fetch`. */
  readonly isPlatform: boolean;
  /** Without a token no `Authorization` is sent. */
  readonly token: Token | undefined;
}

/** Calls `ring` after `ms`. Returns a function that cancels it. */
export type StartTimer = (ms: number, ring: () => void) => () => void;

export interface Outgoing {
  readonly method: OutgoingRequest['method'];
  /** Path and query. */
  readonly target: string;
  readonly requestId: string;
  readonly signal?: AbortSignal | undefined;
}

/** How long a part of an exchange may take. */
export interface Limit {
  readonly timeoutMs: number;
  readonly startTimer: StartTimer;
}

export interface Answer {
  readonly status: number;
  /** The id under which the gateway knows the request. It is not ours if a proxy has put another in its place. */
  readonly requestId: string;
  readonly headers: Headers;
  readonly text: string;
  /** Its JSON value, or `undefined` if the body is not JSON. */
  readonly body: unknown;
}

/** A page of 500 rows, each with a name and a subject of 256 characters, is 2 MB at most. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** The form of a bearer token. RFC 6750 §2.1. */
export const TOKEN = /^[\w.~+/-]+=*$/;

/** Sends once. @throws NotSentError; LostAnswerError if no complete answer that names a request comes back */
export async function exchange(
  { origin, send, isPlatform, token }: Connection,
  outgoing: Outgoing,
  limit: Limit,
): Promise<Answer> {
  const { method, target, requestId, signal } = outgoing;
  const authorization = token === undefined ? undefined : await authorize(token, signal, limit);
  // The gateway would replace such an id, and nothing could be found under it.
  if (!keptBeside(['authorization'], () => authorization)(requestId)) {
    throw new NotSentError('the request id repeats part of the token');
  }
  if (signal?.aborted) throw new NotSentError('the signal had been given', signal.reason);
  const headers = { 'X-Request-Id': requestId, ...(authorization && { Authorization: authorization }) };
  let status: number | null = null;
  try {
    return await within(limit, signal, async (ending) => {
      const init = { method, headers, redirect: 'manual', keepalive: false, signal: ending } as const;
      const response = await send(origin + target, init);
      status = response.status;
      const text = response.body === null ? '' : await readText(response.body, MAX_BODY_BYTES);
      if (text === null) throw new Error('The body is too long, or is not UTF-8.');
      if (response.redirected) throw new Error('A redirect was followed.');
      const { headers: answered } = response;
      const answeredId = answered.get('x-request-id');
      if (answeredId === null) throw new Error('The response names no request.');
      return { status, requestId: answeredId, headers: answered, text, body: parseJson(text) };
    });
  } catch (cause) {
    // Another `fetch` may have sent the request before it failed for such a reason.
    const reason = isPlatform && status === null ? neverSent(cause) : null;
    if (reason !== null) throw new NotSentError(`there is no connection to the gateway (${reason})`, cause);
    throw new LostAnswerError(requestId, status, cause);
  }
}

async function authorize(source: Token, signal: AbortSignal | undefined, limit: Limit): Promise<string> {
  let token: unknown = source;
  try {
    if (typeof source === 'function') token = await within(limit, signal, source);
  } catch (cause) {
    throw new NotSentError('the token could not be had', cause);
  }
  if (typeof token === 'string' && TOKEN.test(token)) return `Bearer ${token}`;
  throw new NotSentError('the token is not a bearer token: it is blank, or has a space or a newline in it');
}

/** Seconds to wait, or `null` if the answer does not say. A date is compared with the answer's own, or else with our clock. */
export function retryAfterS(headers: Headers, nowMs: number): number | null {
  const text = headers.get('retry-after') ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const untilMs = / GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(untilMs) ? null : Math.max(0, Math.ceil((untilMs - timeOf(headers, nowMs)) / 1000));
}

/** When the answer was made, by the clock on the other side if it tells; milliseconds since the epoch. */
export function timeOf(headers: Headers, nowMs: number): number {
  const dateMs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(dateMs) ? nowMs : dateMs;
}

/** Ends with `act`, or rejects as soon as the time is over or the caller's signal is given, even if `act` does not listen. */
async function within<T>(
  { timeoutMs, startTimer }: Limit,
  signal: AbortSignal | undefined,
  act: (ending: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const ending = new AbortController();
  const ended = new Promise<never>((_, reject) => {
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason));
  });
  const stopTimer = startTimer(timeoutMs, () => ending.abort(new Error(`It took longer than ${timeoutMs} ms.`)));
  const stop = () => ending.abort(signal?.reason);
  signal?.addEventListener('abort', stop);
  try {
    return await Promise.race([ended, act(ending.signal)]);
  } finally {
    stopTimer();
    signal?.removeEventListener('abort', stop);
  }
}
