/** In which order images are checked, how many at a time, and how fast. Each test sets the time. */
import { describe, expect, it } from 'vitest';
import { runChecks } from '../../../src/worker/ledger/checks.ts';
import { budgets, checkOf, reservation, SCHEDULE } from '../../fixtures.ts';
import { insideLedger, storeIn } from '../../harness.ts';

/** A clock that jumps to the next event, and images that take `durationsMs` to check. */
function world(durationsMs: Readonly<Record<string, number>>) {
  let nowMs = 0;
  const waiting: { atMs: number; wake: () => void }[] = [];
  const sleep = (ms: number) => new Promise<void>((wake) => waiting.push({ atMs: nowMs + ms, wake }));
  const begun: { imageId: string; atMs: number }[] = [];
  const left = Object.keys(durationsMs);
  let underWay = 0;
  let mostUnderWay = 0;
  return {
    begun,
    left,
    sleep,
    mostUnderWay: () => mostUnderWay,
    now: () => nowMs,
    due: (skipped: readonly string[]) => left.find((imageId) => !skipped.includes(imageId)) ?? null,
    check: async (imageId: string) => {
      begun.push({ imageId, atMs: nowMs });
      mostUnderWay = Math.max(mostUnderWay, ++underWay);
      await sleep(durationsMs[imageId] ?? 0);
      underWay--;
      left.splice(left.indexOf(imageId), 1);
    },
    /** Lets time pass until the run is over. */
    async finish(run: Promise<unknown>) {
      let isOver = false;
      const end = run.finally(() => {
        isOver = true;
      });
      end.catch(() => undefined);
      while (!isOver) {
        waiting.sort((a, b) => a.atMs - b.atMs);
        const next = waiting.shift();
        nowMs = next?.atMs ?? nowMs;
        next?.wake();
        for (let turns = 0; turns < 20; turns++) await Promise.resolve();
      }
      return end;
    },
  };
}
const images = (count: number, ms: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`m-${n}`, ms]));

describe('a run of checks', () => {
  it('checks every due image once, in the given order', async () => {
    const { due, check, sleep, begun, left, finish } = world(images(7, 10));
    await finish(runChecks(due, check, sleep));
    expect(begun.map(({ imageId }) => imageId)).toEqual(['m-0', 'm-1', 'm-2', 'm-3', 'm-4', 'm-5', 'm-6']);
    expect(left).toEqual([]);
  });

  it('has at most five under way, and gives each free place to the image that is due then', async () => {
    const given = world({ ...images(5, 3_000), 'm-4': 500, late: 10 });
    given.left.pop();
    const check = (imageId: string) => {
      if (imageId === 'm-3') given.left.unshift('late');
      return given.check(imageId);
    };
    await given.finish(runChecks(given.due, check, given.sleep));
    expect(given.mostUnderWay()).toBe(5);
    expect(given.begun.map(({ imageId }) => imageId)).toEqual(['m-0', 'm-1', 'm-2', 'm-3', 'late', 'm-4']);
  });

  it('begins at most ten a second', async () => {
    const { due, check, sleep, begun, finish } = world(images(25, 1));
    await finish(runChecks(due, check, sleep));
    for (const [n, { atMs }] of begun.entries()) expect(atMs).toBe(n * 100);
  });

  it('ends after forty, and leaves the rest to the next run', async () => {
    const { due, check, sleep, begun, left, finish } = world(images(50, 1));
    await finish(runChecks(due, check, sleep));
    expect(begun).toHaveLength(40);
    expect(left).toHaveLength(10);
  });

  it('throws the error of a check after the others have ended, and begins no more', async () => {
    const given = world(images(3, 1_000));
    const checked: string[] = [];
    const check = (imageId: string) => {
      checked.push(imageId);
      return imageId === 'm-1' ? Promise.reject(new Error('bug')) : given.check(imageId);
    };
    await expect(given.finish(runChecks(given.due, check, given.sleep))).rejects.toThrow('bug');
    expect(checked).toEqual(['m-0', 'm-1']);
    expect(given.left).not.toContain('m-0');
  });

  it('reaches a never-checked image within four seconds, although 240 others hang for three', async () => {
    const given = world({ ...images(240, 3_000), healthy: 10 });
    given.left.pop();
    const due = (skipped: readonly string[]) => {
      // The store puts a never-checked image first. It falls due when five others have just begun to hang.
      const isDue =
        given.now() >= 500 && !skipped.includes('healthy') && !given.begun.some((each) => each.imageId === 'healthy');
      return isDue ? 'healthy' : given.due(skipped);
    };
    const check = (imageId: string) => (imageId === 'healthy' ? given.check('healthy') : given.check(imageId));
    given.left.push('healthy');
    await given.finish(runChecks(due, check, given.sleep));
    expect(given.begun.find(({ imageId }) => imageId === 'healthy')?.atMs).toBeLessThan(4_000);
  });

  it('reaches a new image within three minutes, although the first checks of 240 others hang for three seconds', () =>
    insideLedger(async (sql) => {
      const HEALTHY = 'm-healthy01';
      const store = storeIn(sql);
      const { sleep, finish, now } = world({});
      const ids = [...Object.keys(images(240, 0)), HEALTHY];
      // The healthy one is the last to fall due, just now.
      for (const [n, imageId] of ids.entries()) store.reserve(reservation(`r${n}`, imageId), budgets(500), n);
      const dueMs = ids.length - 1 + (SCHEDULE[0] ?? 0) * 1000;
      const nowMs = () => dueMs + now();
      const first = new Map<string, number>();
      const check = async (imageId: string) => {
        const beganAtMs = nowMs();
        if (!first.has(imageId)) first.set(imageId, beganAtMs - dueMs);
        await sleep(imageId === HEALTHY ? 10 : 3_000);
        store.applyCheck(imageId, checkOf(imageId === HEALTHY ? 'absent' : 'failed', beganAtMs), nowMs());
      };
      // Like the alarm: each run begins as soon as the last has ended.
      while (!first.has(HEALTHY)) {
        await finish(runChecks((underWay) => store.dueImage(underWay, nowMs()), check, sleep));
      }
      expect(first.size).toBe(241);
      expect(first.get(HEALTHY)).toBeLessThan(180_000);
      // Five at a time take at least this long, so the others did hang.
      expect(first.get(HEALTHY)).toBeGreaterThan((240 / 5 - 1) * 3_000);
    }));
});
