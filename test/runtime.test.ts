/** The bound on waiting for the platform. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withTimeout } from '../src/runtime.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

const never = new Promise<never>(() => undefined);

describe('withTimeout', () => {
  it('ends as the promise ends, and leaves no timer running', async () => {
    expect(await withTimeout(Promise.resolve(7), 10)).toBe(7);
    await expect(withTimeout(Promise.reject(new Error('down')), 10)).rejects.toThrow('down');
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['the given time', 10, 10],
    ['1500 ms if no time is given', undefined, 1_500],
  ])('rejects after %s, and not before', async (_what, timeoutMs, expectedMs) => {
    const ended = vi.fn();
    const waiting = withTimeout(never, timeoutMs).catch(ended);
    await vi.advanceTimersByTimeAsync(expectedMs - 1);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await waiting;
    expect(ended).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });
});
