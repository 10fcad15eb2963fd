/** The outside world as an interface, and a bound on waiting for it. `platform.ts` has the real one. */
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
  /** A zone's cache rules apply to a Worker's own requests. workerd sends `Cache-Control` and `Pragma: no-cache` with it. */
  readonly cache: 'no-store';
  readonly signal?: AbortSignal;
}

/** How often a request looks whether the work of another one is over. */
const POLL_MS = 25;

/**
 * Waits while another request does something, but no longer than `limitMs`. Its promise may not be awaited, so this looks again and
 * again. Source: https://developers.cloudflare.com/workers/reference/how-workers-works/.
 */
export async function waitWhile(isGoing: () => boolean, limitMs: number, sleep: Runtime['sleep']): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && isGoing(); waitedMs += POLL_MS) await sleep(POLL_MS);
}

/** What every line of the log has. Each kind of line has its own further fields, which its own interface lists. */
export interface LogLine {
  /** ISO 8601. */
  readonly timestamp: string;
  readonly severity_text: Severity;
  readonly 'event.name': string;
}

/** Writes one JSON line, at the severity that it names. */
export function logLine<L extends LogLine>(log: Runtime['log'], line: L): void {
  log(line.severity_text, JSON.stringify(line));
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
  const waits = new RequestWaits(() => undefined);
  return waits.withTimeout(promise, timeoutMs).finally(() => waits.end());
}

interface Wait {
  readonly endMs: number;
  readonly giveUp: () => void;
}

/**
 * What the steps of one request share: its hold on the Worker, and one timer for all their waits. A timer for each wait would cost
 * more than all else that they do.
 */
export class RequestWaits {
  readonly waitUntil: WaitUntil;
  readonly #pending = new Set<Wait>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** When the timer fires. */
  #checkMs = Number.POSITIVE_INFINITY;

  constructor(waitUntil: WaitUntil) {
    this.waitUntil = waitUntil;
  }

  /** The promise's own end, or a rejection after `timeoutMs`. The promise itself is not stopped. */
  withTimeout<T>(promise: Promise<T>, timeoutMs = PLATFORM_TIMEOUT_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(new Error(`Timed out after ${timeoutMs} ms.`));
      const nowMs = performance.now();
      const wait = { endMs: nowMs + timeoutMs, giveUp };
      this.#pending.add(wait);
      if (wait.endMs < this.#checkMs) this.#checkAt(wait.endMs, nowMs);
      const over = () => this.#pending.delete(wait);
      promise.then(over, over);
      promise.then(resolve, reject);
    });
  }

  /** Takes the timer away, unless somebody still waits. */
  end(): void {
    if (this.#pending.size > 0 || this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#checkMs = Number.POSITIVE_INFINITY;
  }

  #checkAt(timeMs: number, nowMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#checkMs = timeMs;
    this.#timer = setTimeout(() => this.#check(), timeMs - nowMs);
  }

  #check(): void {
    // A timer may fire a little early by another clock.
    const nowMs = Math.max(performance.now(), this.#checkMs);
    for (const wait of this.#pending) {
      if (wait.endMs > nowMs) continue;
      this.#pending.delete(wait);
      wait.giveUp();
    }
    this.#checkMs = Number.POSITIVE_INFINITY;
    const nextMs = Math.min(...[...this.#pending].map(({ endMs }) => endMs));
    if (nextMs < this.#checkMs) this.#checkAt(nextMs, nowMs);
  }
}
