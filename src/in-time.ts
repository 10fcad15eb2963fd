/**
 * A bound on waiting for the platform's own services.
 *
 * Promises: settles within the bound. Never: stops what it no longer waits for.
 */

/** What the ledger, the limiter or a caller's empty body may take, in milliseconds. They take a few. */
export const PATIENCE_MS = 5_000;

/** The promise's own end, or a rejection with a TimeoutError when it takes longer than `PATIENCE_MS`. */
export function inTime<T>(promise: Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const late = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  return Promise.race([promise, late]);
}
