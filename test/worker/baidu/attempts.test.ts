/** When a second attempt is made, and how long an exchange may take. Outcomes are tested in `deletions/deletion.test.ts`. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { exchange } from '../../../src/worker/baidu/attempts.ts';
import { BceClient } from '../../../src/worker/baidu/client.ts';
import { platformRuntime } from '../../../src/worker/platform.ts';
import type { OutgoingRequest } from '../../../src/worker/runtime.ts';
import { DAY_MS, HOUR_MS } from '../../../src/worker/time.ts';
import { failure } from '../../emulator/emulator.ts';
import { ANSWERS } from '../../fixtures.ts';
import { createHarness, expectDeletion } from '../../harness.ts';

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

const stall =
  (code: number): Answering =>
  async (signal) =>
    new Response(
      new ReadableStream({
        start: (controller) => signal.addEventListener('abort', () => controller.error(signal.reason)),
      }),
      { status: code },
    );
const breakOff =
  (code: number): Answering =>
  async () =>
    new Response(new ReadableStream({ start: (controller) => controller.error(new Error('reset')) }), { status: code });

const skewed: Answering = async () =>
  failure(403, 'RequestExpired', 'x', 'r', { date: new Date(START_MS).toUTCString() });

/** An exchange that may take `leftMs`. A pause ends at once, but moves the clock, by `lateMs` too far. Nothing else takes time. */
function exchangeIn(
  leftMs: number,
  answers: Answering[],
  { attemptTimeoutMs = 5_000, lateMs = 0, maxAttempts = 2 as 1 | 2, pausesMs = [] as number[] } = {},
) {
  const clock = { nowMs: START_MS };
  const now = () => clock.nowMs;
  const fetch = (_url: string, { signal }: OutgoingRequest) => {
    const answering = answers.shift();
    if (answering === undefined || signal === undefined) throw new Error('one attempt too many');
    return answering(signal);
  };
  const sleep = async (ms: number) => {
    pausesMs.push(ms);
    clock.nowMs += ms + lateMs;
  };
  const client = new BceClient({ accessKeyId: 'ak', secretAccessKey: 'sk' }, { fetch, now });
  return exchange(
    { client, attemptTimeoutMs, runtime: { ...platformRuntime, now, sleep, random: () => 0 } },
    'DELETE',
    url,
    START_MS + leftMs,
    maxAttempts,
  );
}

describe('an exchange', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => vi.useRealTimers());

  it('sends nothing if less than 50 ms are left, and one attempt if 50 ms are left', async () => {
    expect(await exchangeIn(49, [])).toEqual({ attempts: 0, last: { kind: 'timed_out' }, earlier: 'nothing' });
    expect(await exchangeIn(50, [status(200)])).toMatchObject({ attempts: 1, last: { kind: 'answered' } });
  });

  it('makes a second attempt only if 50 ms are left after the pause', async () => {
    const pausesMs: number[] = [];
    const lost = { attempts: 1, last: { kind: 'lost' }, earlier: 'nothing' };
    expect(await exchangeIn(149, [drop], { pausesMs })).toEqual(lost);
    expect(pausesMs).toEqual([]);
    expect(await exchangeIn(150, [drop, status(200)], { pausesMs })).toMatchObject({ attempts: 2, earlier: 'unknown' });
    expect(pausesMs).toEqual([100]);
  });

  it.each<[string, number, Answering]>([
    ['past the deadline', 900, drop],
    ['until less than 50 ms are left', 851, drop],
    ['past the deadline, after a refusal that blames the clock', 1_000, skewed],
  ])('sends nothing more after a pause that lasted %s', async (_what, lateMs, first) => {
    expect(await exchangeIn(1_000, [first], { lateMs })).toMatchObject({ attempts: 1, earlier: 'nothing' });
  });

  it('makes a second attempt after a pause that lasted too long, if 50 ms are left', async () => {
    expect(await exchangeIn(1_000, [drop, status(200)], { lateMs: 850 })).toMatchObject({
      attempts: 2,
      earlier: 'unknown',
    });
  });

  it('makes one attempt if only one is allowed', async () => {
    expect(await exchangeIn(5_000, [drop], { maxAttempts: 1 })).toEqual({
      attempts: 1,
      last: { kind: 'lost' },
      earlier: 'nothing',
    });
  });

  it.each([
    ["that attempt's timeout", 5_000, 100, 2],
    ['the deadline', 100, 5_000, 1],
  ])('ends an attempt at %s', async (_what, leftMs, attemptTimeoutMs, attempts) => {
    const result = exchangeIn(leftMs, [hang, status(200)], { attemptTimeoutMs });
    await vi.advanceTimersByTimeAsync(99);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await result).toMatchObject({ attempts });
  });

  it('reports whether the last attempt timed out or lost its connection', async () => {
    const result = exchangeIn(1_000, [drop, hang]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await result).last).toEqual({ kind: 'timed_out' });
    expect((await exchangeIn(1_000, [drop, drop])).last).toEqual({ kind: 'lost' });
  });

  it('reports an attempt as answered if the body stalls or breaks off, because its status is known', async () => {
    const result = exchangeIn(100, [stall(200)]);
    await vi.advanceTimersByTimeAsync(100);
    expect((await result).last).toMatchObject({ kind: 'answered', answer: { status: 200, body: { kind: 'stalled' } } });
    expect((await exchangeIn(100, [breakOff(200)])).last).toMatchObject({ answer: { body: { kind: 'broken' } } });
  });

  it('leaves no timer running', async () => {
    await exchangeIn(1_000, [drop, status(200)]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each<[string, Answering, 'nothing' | 'unknown']>([
    ['a lost connection', drop, 'unknown'],
    ['408', status(408), 'unknown'],
    ['500', status(500), 'unknown'],
    ['502', status(502), 'unknown'],
    ['503', status(503), 'unknown'],
    ['504', status(504), 'unknown'],
    ['200 that breaks off', breakOff(200), 'unknown'],
    [
      '429 that asks for a second attempt',
      async () => failure(429, 'Busy', 'x', 'r', { 'retry-after': '0' }),
      'nothing',
    ],
    ['400 that breaks off', breakOff(400), 'nothing'],
    ['403 that breaks off', breakOff(403), 'nothing'],
    ['404 that breaks off', breakOff(404), 'nothing'],
    ['409 that breaks off', breakOff(409), 'nothing'],
    ['a refusal that blames the clock', skewed, 'nothing'],
  ])('makes a second attempt after %s, and reports what the first may have done', async (_what, first, effect) => {
    expect(await exchangeIn(5_000, [first, status(200)])).toMatchObject({ attempts: 2, earlier: effect });
  });

  it.each<[string, number, Answering]>([
    ['200', 200, stall(200)],
    ['404', 404, stall(404)],
    ['409', 409, stall(409)],
  ])('makes a second attempt after a %s whose body stalls', async (_what, code, first) => {
    const result = exchangeIn(5_000, [first, status(200)], { attemptTimeoutMs: 100 });
    await vi.advanceTimersByTimeAsync(100);
    expect(await result).toMatchObject({ attempts: 2, earlier: code === 200 ? 'unknown' : 'nothing' });
  });

  it.each([300, 302, 399, 401, 429])(
    'makes no second attempt after a %i that breaks off, because its status is reason enough',
    async (code) => {
      expect(await exchangeIn(5_000, [breakOff(code)])).toMatchObject({ attempts: 1 });
    },
  );

  it('makes no second attempt after a documented refusal about the image, even if its status is 503', async () => {
    const shared = async () => failure(503, 'Image.ImageHasBeenSharedToOthers', 'x', 'r');
    expect(await exchangeIn(5_000, [shared])).toMatchObject({ attempts: 1 });
  });

  it('follows a clock that is one day off, but not one that is off by a second more', async () => {
    const attemptsIf = async (offMs: number) => {
      const headers = { date: new Date(START_MS + offMs).toUTCString() };
      const late = async () => failure(403, 'RequestExpired', 'Late.', 'r', headers);
      return (await exchangeIn(5_000, [late, status(200)])).attempts;
    };
    expect([await attemptsIf(DAY_MS), await attemptsIf(-DAY_MS)]).toEqual([2, 2]);
    expect([await attemptsIf(DAY_MS + 1_000), await attemptsIf(-DAY_MS - 1_000)]).toEqual([1, 1]);
  });
});

const { deleted, failed, rejectedCredentials, throttled, timedOut, unexpected } = ANSWERS;

describe('a wrong clock', () => {
  /** The Date header of a server whose clock is ahead by `ms`. */
  const dateIn = (ms: number) => new Date(Date.now() + ms).toUTCString();

  it.each([HOUR_MS, -HOUR_MS])(
    'is corrected by the Date of a refusal that blames the time (%i ms off)',
    async (clockOffsetMs) => {
      const harness = createHarness({ clockOffsetMs });
      await expectDeletion(harness, '/images/m-custom01', { ...deleted, calls: 2 });
      expect(harness.emulator.calls.map(({ answer }) => answer)).toEqual(['RequestExpired', 'ok']);
      expect(harness.pausesMs).toEqual([0]);
    },
  );

  it.each([
    ['RequestTimeTooSkewed', 403, 'The difference is too large.'],
    ['InvalidRequest', 400, 'Fail to check timestamp: time expired'],
    ['IamSignatureInvalid', 403, 'IamSignatureInvalid, cause: timestamp expired'],
  ])('is also corrected after %s, and only once', async (code, status, message) => {
    const date = dateIn(5 * HOUR_MS);
    const harness = createHarness({ fetch: async () => failure(status, code, message, 'r', { date }) });
    await expectDeletion(harness, '/images/m-custom01', { ...rejectedCredentials, calls: 2 });
    const signedAt = harness.requests[1]?.headers.get('x-bce-date') ?? '';
    expect(Math.abs(Date.parse(signedAt) - Date.parse(date))).toBeLessThan(5_000);
    expect(harness.requests[1]?.headers.get('authorization')).toContain(`/${signedAt}/`);
  });

  it('is not suspected after another kind of refusal that happens to mention time', async () => {
    const headers = { date: dateIn(HOUR_MS) };
    const harness = createHarness({ fetch: async () => failure(400, 'BadRequest', 'timestamp expired', 'r', headers) });
    await expectDeletion(harness, '/images/m-custom01', { ...unexpected, outcome: 'rejected', calls: 1 });
  });

  it.each([DAY_MS - HOUR_MS, -(DAY_MS - HOUR_MS)])('is corrected if it is %i ms off', async (offMs) => {
    const fetch = async () => failure(403, 'RequestExpired', 'Late.', 'r', { date: dateIn(offMs) });
    await expectDeletion(createHarness({ fetch }), '/images/m-custom01', { ...rejectedCredentials, calls: 2 });
  });

  it.each([DAY_MS + HOUR_MS, -(DAY_MS + HOUR_MS), 3_650 * DAY_MS])(
    'is not corrected if it is %i ms off, because no server may choose the time that we sign',
    async (offMs) => {
      const fetch = async () => failure(403, 'RequestExpired', 'Late.', 'r', { date: dateIn(offMs) });
      await expectDeletion(createHarness({ fetch }), '/images/m-custom01', { ...rejectedCredentials, calls: 1 });
    },
  );

  it.each([undefined, 'tomorrow', new Date().toISOString(), new Date().toUTCString().replace('GMT', 'UTC')])(
    'is not corrected if the Date of the refusal is %s',
    async (date) => {
      const harness = createHarness({
        fetch: async () => failure(400, 'RequestExpired', 'Late.', 'r', date === undefined ? {} : { date }),
      });
      await expectDeletion(harness, '/images/m-custom01', { ...rejectedCredentials, calls: 1 });
    },
  );
});

describe('the pause between two attempts', () => {
  it('lasts as long as a short Retry-After says', async () => {
    const harness = createHarness();
    harness.emulator.misbehave('throttled');
    await harness.call('DELETE', '/images/m-custom01');
    expect(harness.pausesMs).toEqual([1000]);
  });

  it.each([
    ['2', 2],
    ['3', 1],
  ])('is at most 2 s long, so a Retry-After of %s s leaves %i of 2 attempts', async (retryAfter, calls) => {
    const harness = createHarness({ fetch: async () => failure(429, 'Busy', 'x', 'r', { 'retry-after': retryAfter }) });
    await expectDeletion(harness, '/images/m-custom01', { ...throttled, calls, retryAfter });
  });

  it('is random without a Retry-After', async () => {
    const harness = createHarness();
    harness.emulator.misbehave('internal_error');
    await harness.call('DELETE', '/images/m-custom01');
    expect(harness.pausesMs).toEqual([200]);
  });

  it.each(['-1', 'soon', '1.5', '99999999999'])('ignores the malformed Retry-After %s', async (retryAfter) => {
    const harness = createHarness({
      fetch: async () => new Response(null, { status: 500, headers: { 'retry-after': retryAfter } }),
    });
    await expectDeletion(harness, '/images/m-custom01', { ...failed, calls: 2 });
  });

  it('follows a Retry-After that is a date', async () => {
    const soon = new Date(Date.now() + 90_500).toUTCString();
    const harness = createHarness({ fetch: async () => failure(429, 'Busy', 'x', 'r', { 'retry-after': soon }) });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(85);
    expect(Number(response.headers.get('retry-after'))).toBeLessThan(95);
  });

  it('does not begin if the deadline would end it', async () => {
    const harness = createHarness({ env: { UPSTREAM_DEADLINE_MS: '230', UPSTREAM_ATTEMPT_TIMEOUT_MS: '200' } });
    harness.emulator.misbehave('hang', 'slow');
    await expectDeletion(harness, '/images/m-custom01', { ...timedOut, calls: 1 });
  });
});
