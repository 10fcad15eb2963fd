/** The outside world as an interface, and time limits on waiting for it. `platform.ts` has the real one. */
import type { Severity } from './outcome.ts';

export interface Runtime {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** At least 0, less than 1. */
  readonly random: () => number;
  readonly randomUUID: () => string;
  readonly sleep: (ms: number) => Promise<void>;
  readonly startTimer: StartTimer;
  readonly fetch: (url: string, request: OutgoingRequest) => Promise<Response>;
  /** Writes one line for the operator. */
  readonly log: (severity: Severity, line: string) => void;
}

/** Calls `ring` after `ms`. Returns a function that cancels it. */
export type StartTimer = (ms: number, ring: () => void) => () => void;

/** The options of `fetch()`. `fetch()` would copy a `Request`, which doubles the cost. */
export interface OutgoingRequest {
  readonly method: 'DELETE' | 'GET';
  readonly headers: Readonly<Record<string, string>>;
  readonly redirect: 'manual';
  /** A zone's cache rules apply to a Worker's own requests. With this, workerd sends `Cache-Control` and `Pragma: no-cache`. */
  readonly cache: 'no-store';
  readonly signal?: AbortSignal;
}

/** How often a request checks whether another one has finished. */
const POLL_MS = 25;

/**
 * Polls until another request has finished, for at most `limitMs`. Workers forbids awaiting that request's promise.
 * Source: https://developers.cloudflare.com/workers/reference/how-workers-works/.
 */
export async function waitWhile(isGoing: () => boolean, limitMs: number, sleep: Runtime['sleep']): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && isGoing(); waitedMs += POLL_MS) await sleep(POLL_MS);
}

/** Keeps the Worker alive until the promise settles, even if the caller hangs up. */
export type WaitUntil = (work: Promise<unknown>) => void;

/**
 * How long one platform call may take, in milliseconds; normally it takes a few. Four of them plus the longest deadline take 26 s,
 * less than the 30 s that a Worker may run after its caller hangs up.
 */
export const PLATFORM_TIMEOUT_MS = 1_500;

/** Settles as `promise` does, or rejects after `timeoutMs`. Does not cancel the work. */
export function withTimeout<T>(
  promise: Promise<T>,
  startTimer: StartTimer,
  timeoutMs = PLATFORM_TIMEOUT_MS,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = startTimer(timeoutMs, () => reject(new Error(`Timed out after ${timeoutMs} ms.`)));
    promise.then(resolve, reject).then(cancel);
  });
}
