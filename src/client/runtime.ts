/** What the client uses of the platform. Tests replace it. */

import type { StartTimer } from './exchange.ts';

export interface Runtime {
  /** Milliseconds since the epoch. This clock may be wrong, and may be changed at any time. */
  readonly now: () => number;
  /** Milliseconds by a clock that only moves forwards. */
  readonly monotonicNow: () => number;
  /** At least 0, less than 1. */
  readonly random: () => number;
  readonly randomUUID: () => string;
  /** Resolves after `ms`, or when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  readonly startTimer: StartTimer;
}

const startTimer: StartTimer = (ms, ring) => {
  const timer = setTimeout(ring, ms);
  return () => clearTimeout(timer);
};

export const platformRuntime: Runtime = {
  now: () => Date.now(),
  monotonicNow: () => performance.now(),
  random: () => Math.random(),
  randomUUID: () => crypto.randomUUID(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      const end = () => {
        stopTimer();
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const stopTimer = startTimer(ms, end);
      signal?.addEventListener('abort', end);
      if (signal?.aborted) end();
    }),
  startTimer,
};
