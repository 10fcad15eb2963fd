/** How long the gateway waits for the platform and for other requests. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { platformRuntime } from '../../src/worker/platform.ts';
import { waitWhile, withTimeout } from '../../src/worker/runtime.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

const { startTimer } = platformRuntime;
const never = new Promise<never>(() => undefined);

describe('withTimeout', () => {
  it('settles as the promise does, and leaves no timer running', async () => {
    expect(await withTimeout(Promise.resolve(7), startTimer, 10)).toBe(7);
    await expect(withTimeout(Promise.reject(new Error('down')), startTimer, 10)).rejects.toThrow('down');
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['the given time', 10, 10],
    ['1500 ms if no time is given', undefined, 1_500],
  ])('rejects after %s, and not before', async (_what, timeoutMs, expectedMs) => {
    const ended = vi.fn();
    const waiting = withTimeout(never, startTimer, timeoutMs).catch(ended);
    await vi.advanceTimersByTimeAsync(expectedMs - 1);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await waiting;
    expect(ended).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('waitWhile', () => {
  const waitFor = async (pauses: number, limitMs: number) => {
    const slept: number[] = [];
    const sleep = async (ms: number) => void slept.push(ms);
    await waitWhile(() => slept.length < pauses, limitMs, sleep);
    return { isOver: slept.length >= pauses, sleptMs: slept.reduce((sum, ms) => sum + ms, 0) };
  };

  it('does not wait if the condition is false at once', async () => {
    expect(await waitFor(0, 100)).toEqual({ isOver: true, sleptMs: 0 });
    expect(await waitFor(0, 0)).toEqual({ isOver: true, sleptMs: 0 });
  });

  it('polls every 25 ms, and waits no longer than the limit', async () => {
    expect(await waitFor(4, 100)).toEqual({ isOver: true, sleptMs: 100 });
    expect(await waitFor(5, 100)).toEqual({ isOver: false, sleptMs: 100 });
  });
});
