/** What the client refuses before anything is sent. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImageGateway, type ImageGatewayOptions, NotSentError } from '../../src/client/index.ts';
import { readFilter, readOptions, readOrder, readReadOptions } from '../../src/client/options.ts';
import { KEY_PREFIX } from '../../src/worker/callers/key.ts';
import { REQUEST_ID } from '../../src/worker/request-id.ts';

const WHOLE = { baseUrl: 'https://images.internal.example.com', token: 'key' };
const refusal = (read: () => unknown) => {
  try {
    read();
    return null;
  } catch (error) {
    return error instanceof NotSentError ? error.message : error;
  }
};
const refusedOrder = (options: object, retries = 2) =>
  refusal(() => readOrder('m-custom01', options, retries, 'new-id'));
/** Values that JavaScript can pass although the types forbid them. */
const untyped = (value: unknown) => JSON.parse(JSON.stringify({ value })).value;

describe('the options of the client', () => {
  it('have defaults', () => {
    expect(readOptions(WHOLE)).toMatchObject({ origin: WHOLE.baseUrl, token: 'key', retries: 2, patienceMs: 60_000 });
  });

  it.each([
    ['https://images.internal.example.com', 'https://images.internal.example.com'],
    ['https://images.internal.example.com/', 'https://images.internal.example.com'],
    ['HTTPS://Images.Example.COM:443', 'https://images.example.com'],
    ['https://images.example.com:8443', 'https://images.example.com:8443'],
    ['http://localhost:8787', 'http://localhost:8787'],
    ['http://127.0.0.1:8787/', 'http://127.0.0.1:8787'],
    ['http://[::1]:8787', 'http://[::1]:8787'],
  ])('take the origin %s', (baseUrl, origin) => {
    expect(readOptions({ ...WHOLE, baseUrl }).origin).toBe(origin);
  });

  it.each<[string, Partial<ImageGatewayOptions>]>([
    ['http on a host that is not loopback', { baseUrl: 'http://images.internal.example.com' }],
    ['http on a host that only starts like loopback', { baseUrl: 'http://localhost.example.com' }],
    ['http on another host that starts like loopback', { baseUrl: 'http://127.0.0.1.example.com' }],
    ['a path', { baseUrl: 'https://images.internal.example.com/images' }],
    ['a query', { baseUrl: 'https://images.internal.example.com/?x' }],
    ['a fragment', { baseUrl: 'https://images.internal.example.com/#x' }],
    ['a user', { baseUrl: 'https://user:secret@images.internal.example.com' }],
    ['another scheme', { baseUrl: 'ftp://images.internal.example.com' }],
    ['a host without a scheme', { baseUrl: 'images.internal.example.com' }],
    ['a blank', { baseUrl: '' }],
    ['retries that are NaN', { retries: Number.NaN }],
    ['fractional retries', { retries: 1.5 }],
    ['retries below 0', { retries: -1 }],
    ['retries above 9', { retries: 10 }],
    ['patience that is NaN', { patienceMs: Number.NaN }],
    ['patience below 0', { patienceMs: -1 }],
    ['patience above a day', { patienceMs: 86_400_001 }],
    ['infinite patience', { patienceMs: Number.POSITIVE_INFINITY }],
  ])('refuse %s', (_what, change) => {
    expect(() => new ImageGateway({ ...WHOLE, ...change })).toThrow(TypeError);
  });

  it.each([
    'bcg_key-in-place-of-the-address',
    'https://bcg_key-in-place-of-the-address@images.example.com',
    'https://images.example.com:bcg_key-in-place-of-the-address',
  ])('print nothing of an invalid origin: %s', (baseUrl) => {
    const error = refusal(() => new ImageGateway({ ...WHOLE, baseUrl }));
    expect(error).toBeInstanceOf(TypeError);
    expect(inspect(error)).toContain('TypeError: baseUrl must be an origin: https, or http on loopback, without path');
    expect(inspect(error)).not.toContain('bcg_');
  });

  it.each([
    { patienceMs: '5000' },
    { patienceMs: 5_000n },
    { patienceMs: null },
    { fetch: null },
    { fetch: 'fetch' },
    { token: 5 },
    { token: null },
    { patience: 1 },
  ])('refuse what the types forbid: %o', (change) => {
    const options: object = { ...WHOLE, ...change };
    expect(() => new ImageGateway(options)).toThrow(TypeError);
  });

  it('need an address and a token, unless they bring their own fetch', () => {
    expect(() => new ImageGateway({})).toThrow('token is missing.');
    expect(() => new ImageGateway({ baseUrl: WHOLE.baseUrl })).toThrow('token is missing.');
    expect(() => new ImageGateway({ token: 'key' })).toThrow('baseUrl is missing.');
    const send = async () => new Response();
    expect(readOptions({ fetch: send })).toMatchObject({ origin: 'https://gateway.internal', send, token: undefined });
    expect(readOptions({ ...WHOLE, fetch: send })).toMatchObject({ origin: WHOLE.baseUrl, send, token: 'key' });
  });

  it('take the minimum and maximum of each number', () => {
    for (const retries of [0, 9]) expect(readOptions({ ...WHOLE, retries })).toMatchObject({ retries });
    for (const patienceMs of [0, 86_400_000])
      expect(readOptions({ ...WHOLE, patienceMs })).toMatchObject({ patienceMs });
  });
});

describe('the options of a deletion', () => {
  it.each<[string, object]>([
    ['an unknown option', { dryRun: true }],
    ['a misspelled option', { expectedName: 'ci-1' }],
    ['an expected name that is undefined', { expectName: undefined }],
    ['an expected name that is null', { expectName: null }],
    ['an expected name that is not a string', { expectName: 7 }],
    ['a string in place of a boolean', { allowMissing: 'false' }],
    ['a number in place of a boolean', { allowMissing: 1 }],
    ['an empty request id', { requestId: '' }],
    ['a request id with a space', { requestId: 'job 1' }],
    ['a request id with a trailing newline', { requestId: 'job-1\n' }],
    ['a request id with a non-ASCII letter', { requestId: 'jöb' }],
    ['a request id that looks like a key', { requestId: 'bcg_job' }],
    ['a request id that is not a string', { requestId: 7 }],
    ['a signal that is not an AbortSignal', { signal: new AbortController() }],
    ['a signal that is null', { signal: null }],
  ])('refuse %s', (_what, options) => {
    expect(refusedOrder(options)).toMatch(/^Nothing was sent: /);
  });

  it.each([null, 'allowMissing', 7])('must be an object, not %j', (options) => {
    expect(refusedOrder(untyped(options))).toBe('Nothing was sent: the options must be a plain object');
  });

  it.each<[string, object]>([
    ['a map', new Map([['expectName', 'ci-1']])],
    ['a promise that was not awaited', Promise.resolve({ expectName: 'ci-1' })],
    ['a list', []],
    ['inherited members', Object.create({ expectName: 'ci-1' })],
    ['a non-enumerable member', Object.defineProperty({}, 'expectName', { value: 'ci-1' })],
    ['a symbol', { [Symbol('expectName')]: 'ci-1' }],
  ])('must be a plain object, and not %s', (_what, options) => {
    expect(refusedOrder(options)).toBe('Nothing was sent: the options must be a plain object');
  });

  it('may have no prototype', () => {
    expect(refusedOrder(Object.assign(Object.create(null), { requestId: 'job-1' }))).toBeNull();
  });

  it('pass an empty name to the gateway, which refuses it', () => {
    expect(readOrder('m-custom01', { expectName: '' }, 2, 'new-id').target).toBe('/images/m-custom01?expectName=');
  });

  it('leave room in the request id for the attempts that follow', () => {
    expect(refusedOrder({ requestId: 'x'.repeat(64) }, 0)).toBeNull();
    expect(refusedOrder({ requestId: 'x'.repeat(65) }, 0)).toContain('1 to 64');
    expect(refusedOrder({ requestId: 'x'.repeat(62) }, 2)).toBeNull();
    expect(refusedOrder({ requestId: 'x'.repeat(63) }, 2)).toContain('1 to 62');
    expect(refusedOrder({ requestId: 'x'.repeat(61) }, 9)).toBeNull();
    expect(refusedOrder({ requestId: 'x'.repeat(62) }, 9)).toContain('1 to 61');
  });

  it('take no request id that the gateway would replace in any attempt', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[\w.-]{1,70}$/), fc.constant(`${KEY_PREFIX}x`));
    const keeps = (id: string) => REQUEST_ID.test(id) && !id.startsWith(KEY_PREFIX);
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 9 }), (requestId, retries) => {
        const isTaken = refusedOrder({ requestId }, retries) === null;
        const last = retries === 0 ? requestId : `${requestId}.${retries + 1}`;
        expect(isTaken).toBe(keeps(requestId) && keeps(last));
      }),
    );
  });
});

describe('the options of a read', () => {
  it('are a signal, or none', () => {
    const { signal } = new AbortController();
    expect(readReadOptions({ signal })).toEqual({ signal });
    expect(readReadOptions({})).toEqual({});
    for (const options of [{ signal: {} }, { signals: signal }, null]) {
      expect(refusal(() => readReadOptions(untyped(options)))).toMatch(/^Nothing was sent: /);
    }
  });
});

describe('a filter', () => {
  it('becomes a query string', () => {
    const since = new Date('2026-11-25T08:00:00Z');
    expect(readFilter({})).toBe('');
    expect(readFilter({ caller: 'cleaner', since })).toBe('?caller=cleaner&since=2026-11-25T08%3A00%3A00.000Z');
  });

  it.each([{ since: new Date('never') }, { since: 5 }, { imageId: null }, { caller: ['cleaner'] }, 'm-custom01'])(
    'is refused if it is %j',
    (filter) => {
      const given: object = typeof filter === 'object' ? filter : untyped(filter);
      expect(refusal(() => readFilter(given))).toMatch(/^Nothing was sent: /);
    },
  );
});
