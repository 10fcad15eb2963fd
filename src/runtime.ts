/**
 * The outside world as an interface, and a bound on waiting for it.
 *
 * Promises: whoever needs a clock, randomness, a pause, the network or the log is given it; `index.ts` and `ledger-object.ts`
 * hand in the real ones.
 */
import type { Severity } from './outcome.ts';

export interface Runtime {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** At least 0, less than 1. */
  readonly random: () => number;
  readonly randomUUID: () => string;
  readonly sleep: (ms: number) => Promise<void>;
  readonly fetch: (url: string, request: OutgoingRequest) => Promise<Response>;
  /** Writes one line for the operator. */
  readonly log: (severity: Severity, line: string) => void;
}

/** The second argument of `fetch()`, as data: a `Request` would be copied by `fetch()` and costs as much again. */
export interface OutgoingRequest {
  readonly method: 'DELETE' | 'GET';
  readonly headers: Readonly<Record<string, string>>;
  readonly redirect: 'manual';
  readonly signal?: AbortSignal;
}

/** Keeps the Worker alive until the promise ends, even if the caller hangs up. */
export type WaitUntil = (work: Promise<unknown>) => void;

/**
 * How long one platform call may take, in milliseconds; normally it takes a few. Four of them plus the longest deadline is
 * 26 s, inside the 30 s that a Worker keeps after its caller hangs up.
 */
export const PLATFORM_TIMEOUT_MS = 1_500;

/** The promise's own end, or a rejection after `timeoutMs`. The promise itself is not stopped. */
export function withTimeout<T>(promise: Promise<T>, timeoutMs = PLATFORM_TIMEOUT_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Timed out after ${timeoutMs} ms.`)), timeoutMs);
    promise.then(resolve, reject).then(() => clearTimeout(timer));
  });
}
