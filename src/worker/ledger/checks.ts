/**
 * One run of checks: schedules them, within limits.
 *
 * Promises: at most five checks at a time, ten started per second, and forty per run; calls `due` again for each free slot. Never: reads
 * an image, or touches storage.
 */
import type { Runtime } from '../runtime.ts';
import { MAX_CHECKS_AT_ONCE } from './store.ts';

/** Each check is one subrequest, and the Free plan allows 50 per invocation. The next run follows at once. */
const MAX_CHECKS_IN_RUN = 40;
const MIN_PAUSE_MS = 100;

/**
 * Checks all due images. `due` returns the next image, or `null` if none is due but those in `underWay`.
 * @throws the first error of `check`, after all checks in progress have finished
 */
export async function runChecks(
  due: (underWay: readonly string[]) => string | null,
  check: (imageId: string) => Promise<void>,
  sleep: Runtime['sleep'],
): Promise<void> {
  const underWay = new Map<string, Promise<void>>();
  const thrown: unknown[] = [];
  for (let begun = 0; ; ) {
    const isFree = thrown.length === 0 && begun < MAX_CHECKS_IN_RUN && underWay.size < MAX_CHECKS_AT_ONCE;
    const imageId = isFree ? due([...underWay.keys()]) : null;
    if (imageId !== null) {
      begun++;
      const checking = check(imageId).catch((error: unknown) => void thrown.push(error));
      underWay.set(
        imageId,
        checking.finally(() => underWay.delete(imageId)),
      );
      await sleep(MIN_PAUSE_MS);
    } else if (underWay.size > 0) {
      await Promise.race(underWay.values());
    } else if (thrown.length > 0) {
      throw thrown[0];
    } else {
      return;
    }
  }
}
