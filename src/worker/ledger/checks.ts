/**
 * One run of checks: which image is checked when.
 *
 * Promises: at most five checks at a time, at most ten begun a second, at most forty in a run; `due` is called again for
 * each free place. Never: reads an image, or touches storage.
 */
import type { Runtime } from '../runtime.ts';
import { MAX_CHECKS_AT_ONCE } from './store.ts';

/** Each is one subrequest, and the Free plan allows 50 per invocation. The next run follows at once. */
const MAX_CHECKS_IN_RUN = 40;
const MIN_PAUSE_MS = 100;

/**
 * Checks what is due. `due` names the next image, or `null` if only those in `underWay` are due.
 * @throws what `check` throws first, when all that were under way are over
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
