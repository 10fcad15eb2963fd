/** The bound on waiting for the platform. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RequestWaits, waitWhile, withTimeout } from '../../src/worker/runtime.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
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

describe('waitWhile', () => {
  const waitFor = async (pauses: number, limitMs: number) => {
    const slept: number[] = [];
    const sleep = async (ms: number) => void slept.push(ms);
    await waitWhile(() => slept.length < pauses, limitMs, sleep);
    return { isOver: slept.length >= pauses, sleptMs: slept.reduce((sum, ms) => sum + ms, 0) };
  };

  it('does not wait for what is over', async () => {
    expect(await waitFor(0, 100)).toEqual({ isOver: true, sleptMs: 0 });
    expect(await waitFor(0, 0)).toEqual({ isOver: true, sleptMs: 0 });
  });

  it('looks every 25 ms, and waits no longer than the limit', async () => {
    expect(await waitFor(4, 100)).toEqual({ isOver: true, sleptMs: 100 });
    expect(await waitFor(5, 100)).toEqual({ isOver: false, sleptMs: 100 });
  });
});

describe('the waits of a request', () => {
  const start = () => new RequestWaits(() => undefined);

  it('has one timer for all waits, which is gone with the request', async () => {
    const request = start();
    await request.withTimeout(Promise.resolve(1), 10);
    await request.withTimeout(Promise.resolve(2), 50);
    const waiting = request.withTimeout(Promise.resolve(3), 20);
    expect(vi.getTimerCount()).toBe(1);
    expect(await waiting).toBe(3);
    request.end();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('bounds each wait by its own time, in whatever order they begin', async () => {
    const request = start();
    const ended: string[] = [];
    const wait = (name: string, ms: number) =>
      request.withTimeout(never, ms).catch(() => {
        ended.push(name);
      });
    const first = [wait('long', 100), wait('short', 10)];
    await vi.advanceTimersByTimeAsync(10);
    expect(ended).toEqual(['short']);
    const late = wait('late', 15);
    await vi.advanceTimersByTimeAsync(14);
    expect(ended).toEqual(['short']);
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toEqual(['short', 'late']);
    await vi.advanceTimersByTimeAsync(75);
    await Promise.all([...first, late]);
    expect(ended).toEqual(['short', 'late', 'long']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps its timer after its end while somebody waits', async () => {
    const request = start();
    const waiting = expect(request.withTimeout(never, 10)).rejects.toThrow('Timed out after 10 ms.');
    request.end();
    await vi.advanceTimersByTimeAsync(10);
    await waiting;
  });
});
