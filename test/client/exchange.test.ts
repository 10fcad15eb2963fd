/** Time in an answer's headers, and a body that cannot be stopped. `index.test.ts` tests the rest through the client. */
import { describe, expect, it } from 'vitest';
import { LostAnswerError } from '../../src/client/errors.ts';
import { exchange, retryAfterS, timeOf } from '../../src/client/exchange.ts';
import { HOUR_MS } from '../../src/worker/time.ts';

const NOW_MS = Date.parse('2026-11-25T08:00:00Z');

describe('retryAfterS', () => {
  it.each<[string | null, number | null]>([
    [null, null],
    ['', null],
    ['0', 0],
    ['10', 10],
    ['86400', 86_400],
    ['1.5', null],
    ['-1', null],
    ['1e3', null],
    ['9999999999', null],
    ['soon', null],
    ['2026-11-25T08:00:30Z', null],
    ['Wed, 25 Nov 2026 08:00:30 GMT', 30],
    ['Wed, 25 Nov 2026 07:00:00 GMT', 0],
    ['Wed, 99 Nov 2026 07:00:00 GMT', null],
  ])('reads %j as %j', (value, seconds) => {
    const headers = new Headers(value === null ? {} : { 'retry-after': value });
    expect(retryAfterS(headers, NOW_MS)).toBe(seconds);
  });

  it("compares a date with the answer's Date header, because our clock may be wrong", () => {
    const headers = new Headers({
      'retry-after': 'Wed, 25 Nov 2026 12:00:30 GMT',
      date: 'Wed, 25 Nov 2026 12:00:00 GMT',
    });
    expect(retryAfterS(headers, NOW_MS)).toBe(30);
  });
});

describe('an answer that is too long', () => {
  it('is lost, even if its source cannot be stopped', async () => {
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(600_000)),
      cancel: () => Promise.reject(new Error('not cancelled')),
    });
    const line = {
      origin: 'https://gateway.test',
      send: async () => new Response(body),
      isPlatform: true,
      token: undefined,
    };
    const exchanging = exchange(
      line,
      { method: 'GET', target: '/', requestId: 'job-1' },
      { timeoutMs: 1_000, startTimer: () => () => undefined },
    );
    await expect(exchanging).rejects.toMatchObject({
      status: 200,
      cause: new Error('The body is too long, or is not UTF-8.'),
    });
    await expect(exchanging).rejects.toBeInstanceOf(LostAnswerError);
  });
});

describe('timeOf', () => {
  it("is the answer's Date header, or now without a valid one", () => {
    expect(timeOf(new Headers({ date: 'Wed, 25 Nov 2026 12:00:00 GMT' }), NOW_MS)).toBe(NOW_MS + 4 * HOUR_MS);
    expect(timeOf(new Headers({ date: 'yesterday' }), NOW_MS)).toBe(NOW_MS);
    expect(timeOf(new Headers(), NOW_MS)).toBe(NOW_MS);
  });
});
