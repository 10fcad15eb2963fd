/**
 * One request to the gateway, and its response.
 *
 * Promises: calls only its own origin, follows no redirect, reads at most 4 MiB, ends in time or when the signal is aborted, and leaves
 * no timer behind. Throws `NotSentError` if nothing was sent, otherwise `LostAnswerError`. Never: repeats a request, or puts the token
 * into a message.
 *
 * Source: RFC 6750 §2.1 (Bearer), RFC 9110 §10.2.3 (Retry-After).
 */
import { parseJson, readText } from '../worker/json.ts';
import { keptBeside } from '../worker/kept-text.ts';
import { LostAnswerError, NotSentError } from './errors.ts';
import { neverSent } from './never-sent.ts';

/** The options passed to `fetch`. */
export interface OutgoingRequest {
  readonly method: 'DELETE' | 'GET';
  readonly headers: Readonly<Record<string, string>>;
  readonly redirect: 'manual';
  /** Otherwise Bun resends a deletion if a reused connection breaks. */
  readonly keepalive: false;
  readonly signal: AbortSignal;
}

/** Sends a request. The platform's `fetch` fits, and so does a service binding's. */
export type SendRequest = (input: string, init: OutgoingRequest) => Promise<Response>;

/** The bearer token, or a function that returns it. */
export type Token = string | (() => Promise<string>);

/** Where requests go, and how. */
export interface Connection {
  /** Without a trailing slash. */
  readonly origin: string;
  readonly send: SendRequest;
  /** Whether `send` is the platform's own `fetch`. */
  readonly isPlatform: boolean;
  /** Without a token, no `Authorization` is sent. */
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

/** The time limit of a step. */
export interface Limit {
  readonly timeoutMs: number;
  readonly startTimer: StartTimer;
}

export interface Answer {
  readonly status: number;
  /** The request id that the gateway received. It differs from ours if a proxy replaced it. */
  readonly requestId: string;
  readonly headers: Headers;
  readonly text: string;
  /** The body as a JSON value, or `undefined` if it is not JSON. */
  readonly body: unknown;
}

/** A page of 500 rows, each with a name and a subject of 256 characters, takes 2 MB at most. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** The form of a bearer token. RFC 6750 §2.1. */
export const TOKEN = /^[\w.~+/-]+=*$/;

/** Sends once. @throws NotSentError; LostAnswerError if no complete response with a request id arrives */
export async function exchange(
  { origin, send, isPlatform, token }: Connection,
  outgoing: Outgoing,
  limit: Limit,
): Promise<Answer> {
  const { method, target, requestId, signal } = outgoing;
  const authorization = token === undefined ? undefined : await authorize(token, signal, limit);
  // The gateway would replace such an id, so the deletion could not be found by it.
  if (!keptBeside(['authorization'], () => authorization)(requestId)) {
    throw new NotSentError('the request id contains part of the token');
  }
  if (signal?.aborted) throw new NotSentError('the signal was already aborted', signal.reason);
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
      if (answeredId === null) throw new Error('The response has no request id.');
      return { status, requestId: answeredId, headers: answered, text, body: parseJson(text) };
    });
  } catch (cause) {
    // A custom `fetch` may have sent the request before it failed for such a reason.
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
    throw new NotSentError('the token could not be obtained', cause);
  }
  if (typeof token === 'string' && TOKEN.test(token)) return `Bearer ${token}`;
  throw new NotSentError('the token is not a bearer token: it is blank, or contains a space or a newline');
}

/** Seconds to wait, or `null` if the response does not say. Dates are compared with the response's `Date`, or else with our clock. */
export function retryAfterS(headers: Headers, nowMs: number): number | null {
  const text = headers.get('retry-after') ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const untilMs = / GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(untilMs) ? null : Math.max(0, Math.ceil((untilMs - timeOf(headers, nowMs)) / 1000));
}

/** The response's `Date`, or else our own time; milliseconds since the epoch. */
export function timeOf(headers: Headers, nowMs: number): number {
  const dateMs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(dateMs) ? nowMs : dateMs;
}

/** Settles as `act` does, or rejects on timeout or when the caller's signal aborts, even if `act` ignores its signal. */
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
