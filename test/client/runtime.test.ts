/** The platform's own runtime: real pauses, real timers. */
import { describe, expect, it } from 'vitest';
import { platformRuntime } from '../../src/client/runtime.ts';
import { HOUR_MS } from '../../src/worker/time.ts';

const { sleep, startTimer, monotonicNow, random, randomUUID, now } = platformRuntime;

describe('sleep', () => {
  it('ends after its time', async () => {
    await expect(sleep(1, undefined)).resolves.toBeUndefined();
    await expect(sleep(1, new AbortController().signal)).resolves.toBeUndefined();
  });

  it('ends when the signal aborts, or at once if it already has', async () => {
    const controller = new AbortController();
    const sleeping = sleep(HOUR_MS, controller.signal);
    controller.abort();
    await sleeping;
    await sleep(HOUR_MS, controller.signal);
  });
});

describe('startTimer', () => {
  it('rings unless it is cancelled first', async () => {
    const rings: string[] = [];
    const cancel = startTimer(1, () => rings.push('cancelled'));
    cancel();
    await new Promise<void>((resolve) => {
      startTimer(2, () => {
        rings.push('rung');
        resolve();
      });
    });
    expect(rings).toEqual(['rung']);
  });
});

describe('clocks and randomness', () => {
  it("are the platform's", () => {
    expect(Math.abs(now() - Date.now())).toBeLessThan(HOUR_MS);
    expect(monotonicNow()).toBeLessThanOrEqual(monotonicNow());
    expect(random()).toBeLessThan(1);
    expect(randomUUID()).not.toBe(randomUUID());
  });
});
