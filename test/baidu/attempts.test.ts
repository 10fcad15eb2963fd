/** What two attempts make of the time that they have. Their outcomes are in `outcomes.test.ts`. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { exchange } from '../../src/baidu/attempts.ts';
import { BceClient } from '../../src/baidu/client.ts';
import type { OutgoingRequest } from '../../src/runtime.ts';

const url = new URL('https://bcc.bj.baidubce.com/v2/image/m-nky7qeom');
const START_MS = 1_800_000_000_000;

type Answering = (signal: AbortSignal) => Promise<Response>;
const hang: Answering = (signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
const drop: Answering = () => Promise.reject(new Error('reset'));
const status =
  (code: number): Answering =>
  async () =>
    new Response(null, { status: code });

/** An exchange that has `leftMs`, in which the pauses pass at once and nothing else takes time. */
function exchangeIn(leftMs: number, answers: Answering[], attemptTimeoutMs = 5_000) {
  const clock = { nowMs: START_MS };
  const now = () => clock.nowMs;
  const fetch = (_url: string, { signal }: OutgoingRequest) => {
    const answering = answers.shift();
    if (answering === undefined || signal === undefined) throw new Error('one attempt too many');
    return answering(signal);
  };
  const sleep = async (ms: number) => {
    clock.nowMs += ms;
  };
  const client = new BceClient({ accessKeyId: 'ak', secretAccessKey: 'sk' }, { fetch, now });
  return exchange(
    { client, attemptTimeoutMs, runtime: { now, sleep, random: () => 0 } },
    'DELETE',
    url,
    START_MS + leftMs,
  );
}

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

describe('an exchange', () => {
  it('sends nothing where too little time is left, and one attempt where it is just enough', async () => {
    expect(await exchangeIn(49, [])).toEqual({ attempts: 0, last: { kind: 'timed_out' }, earlier: 'none' });
    expect(await exchangeIn(50, [status(200)])).toMatchObject({ attempts: 1, last: { kind: 'answered' } });
  });

  it('makes a second attempt only where that much is left after the pause', async () => {
    expect(await exchangeIn(149, [drop])).toEqual({ attempts: 1, last: { kind: 'lost' }, earlier: 'none' });
    expect(await exchangeIn(150, [drop, status(200)])).toMatchObject({ attempts: 2, earlier: 'lost' });
  });

  it.each([
    ['its own time', 5_000, 100, 2],
    ['what is left of the deadline', 100, 5_000, 1],
  ])('ends an attempt with %s', async (_what, leftMs, attemptTimeoutMs, attempts) => {
    const result = exchangeIn(leftMs, [hang, status(200)], attemptTimeoutMs);
    await vi.advanceTimersByTimeAsync(99);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await result).toMatchObject({ attempts });
  });

  it('says of the last attempt whether time or the connection ended it', async () => {
    const result = exchangeIn(1_000, [drop, hang]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await result).last).toEqual({ kind: 'timed_out' });
    expect((await exchangeIn(1_000, [drop, drop])).last).toEqual({ kind: 'lost' });
  });

  it('calls an answer that stalls in its body timed out, and one that breaks off answered', async () => {
    const stall: Answering = async (signal) =>
      new Response(
        new ReadableStream({
          start: (controller) => signal.addEventListener('abort', () => controller.error(signal.reason)),
        }),
      );
    const result = exchangeIn(100, [stall]);
    await vi.advanceTimersByTimeAsync(100);
    expect((await result).last).toEqual({ kind: 'timed_out' });
    const breakOff: Answering = async () =>
      new Response(new ReadableStream({ start: (controller) => controller.error(new Error('reset')) }));
    expect((await exchangeIn(100, [breakOff])).last).toMatchObject({ answer: { body: { kind: 'broken' } } });
  });

  it('leaves no timer behind', async () => {
    await exchangeIn(1_000, [drop, status(200)]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tells what was lost from what was refused, and both from what nobody knows', async () => {
    const earlierAfter = async (first: Answering) => (await exchangeIn(5_000, [first, status(200)])).earlier;
    expect(await earlierAfter(drop)).toBe('lost');
    expect(await earlierAfter(status(502))).toBe('lost');
    expect(await earlierAfter(status(504))).toBe('lost');
    expect(await earlierAfter(status(500))).toBe('unknown');
    expect(await earlierAfter(status(503))).toBe('unknown');
    expect(await earlierAfter(status(429))).toBe('none');
  });
});
