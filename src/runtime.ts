/**
 * A bound on waiting for the platform's own services.
 *
 * Promises: settles within the bound. Never: stops what it no longer waits for.
 */

/**
 * What the two limiters together, a caller's empty body and the ledger's `settle` (told twice at most) may take, in
 * milliseconds; they take a few. With the longest deadline that is 26 s, within the 30 s that a Worker has after its caller hung up.
 */
const PATIENCE_MS = 1_500;

/** The promise's own end, or a rejection when it takes longer than `patienceMs`. The timer ends with the promise. */
export function inTime<T>(promise: Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Waited ${patienceMs} ms in vain.`)), patienceMs);
    promise.then(resolve, reject).then(() => clearTimeout(timer));
  });
}
