/**
 * A bound on waiting for the platform's own services.
 *
 * Promises: settles within the bound. Never: stops what it no longer waits for.
 */

/**
 * What the limiters (two), a caller's empty body and the ledger's `settle` (told twice at most) may take, in milliseconds;
 * they take a few. With the longest deadline that is 27.5 s, within the 30 s that a Worker has after its caller hung up.
 */
export const PATIENCE_MS = 1_500;

/** The promise's own end, or a rejection with a TimeoutError when it takes longer than `patienceMs`. */
export function inTime<T>(promise: Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  const signal = AbortSignal.timeout(patienceMs);
  const late = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  return Promise.race([promise, late]);
}
