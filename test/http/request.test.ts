import { createExecutionContext } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { keyDigest } from '../../src/callers/key.ts';
import { pathOf } from '../../src/http/request.ts';
import { CALLERS, KEYS } from '../fixtures.ts';
import { createHarness, problemOf } from '../harness.ts';

const OTHER_KEY = 'a-key-that-somebody-made-otherwise';

describe('routes', () => {
  it.each([
    ['https://gateway.test/images/../healthz?x=/y#/z', '/images/../healthz'],
    ['https://gateway.test/images/%6d-custom01', '/images/%6d-custom01'],
    ['http://127.0.0.1:8787//images/m-custom01#?x', '//images/m-custom01'],
    ['https://gateway.test', ''],
    ['https://gateway.test?/images/m-custom01', ''],
  ])('%s is routed as it came in', (url, path) => expect(pathOf(url)).toBe(path));

  it.each(['a b', '<script>', 'x/images/m-custom01#', 'x/images', 'user@host', '[::', ''])(
    'refuses the Host %j, whatever the path',
    async (host) => {
      const harness = createHarness();
      for (const path of ['/healthz', '/images/m-custom01', '/nope']) {
        const headers = { Authorization: `Bearer ${KEYS.cleaner}`, Host: host };
        const response = await harness.call('DELETE', path, headers);
        expect(await problemOf(response)).toMatchObject({ code: 'invalid_request', outcome: 'not_attempted' });
      }
      expect([harness.requests.length, harness.lines.length]).toEqual([0, 3]);
    },
  );

  it.each(['gateway.test', 'GATEWAY.test:8787', '127.0.0.1', '[::1]:8787'])('takes the Host %s', async (host) => {
    const { status } = await createHarness().call('GET', '/healthz', { Host: host });
    expect(status).toBe(200);
  });

  it('refuses a URL that is none, in the shape and with its record', async () => {
    const harness = createHarness();
    const request = new Proxy(new Request('https://gateway.test/healthz'), {
      get: (target, name) => (name === 'url' ? 'http://a:99999/healthz' : Reflect.get(target, name, target)),
    });
    const response = await harness.app.fetch(request, {}, createExecutionContext());
    expect(await problemOf(response)).toMatchObject({ type: '/problems/invalid_request', status: 400 });
    expect(harness.lines).toHaveLength(1);
  });

  it('keeps a safe X-Request-Id and replaces any other', async () => {
    const harness = createHarness();
    const idFor = async (given: string) =>
      (await harness.call('GET', '/healthz', { 'X-Request-Id': given })).headers.get('x-request-id') ?? '';
    expect(await idFor('job-42.retry_1')).toBe('job-42.retry_1');
    for (const unsafe of ['', 'a b', 'a"b', 'a,b', '<a>', 'x'.repeat(65)]) {
      expect(await idFor(unsafe)).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});

describe('the audit record', () => {
  it.each<[string, string, HeadersInit]>([
    ['beside itself', KEYS.cleaner, { Authorization: `Bearer ${KEYS.cleaner}` }],
    ['alone', KEYS.cleaner, {}],
    ['where the two headers are swapped', KEYS.cleaner, { Authorization: 'job-1' }],
    ['without a scheme', KEYS.cleaner, { Authorization: KEYS.cleaner }],
    ['that is no longer configured', 'bcg_retired', {}],
    ['of another making', OTHER_KEY, {}],
  ])('does not take a key for a request id: %s', async (_what, key, headers) => {
    const entry = { keySha256: [keyDigest(OTHER_KEY)], scopes: ['images:read'] };
    const harness = createHarness({ env: { CALLERS: JSON.stringify({ ...CALLERS, other: entry }) } });
    const response = await harness.call('DELETE', '/images/m-custom01', { ...headers, 'X-Request-Id': key });
    expect(JSON.stringify([...response.headers]) + (await response.text()) + harness.lines[0]?.text).not.toContain(key);
  });
});

describe('the request', () => {
  const headers = { Authorization: `Bearer ${KEYS.cleaner}` };
  const send = (init: RequestInit) => {
    const harness = createHarness();
    const request = new Request('https://gateway.test/images/m-custom01', { method: 'DELETE', headers, ...init });
    return { harness, response: Promise.resolve(harness.app.fetch(request, {}, createExecutionContext())) };
  };

  it('is 400 with a body, of known length or not', async () => {
    const stream = new Response('x').body;
    for (const body of ['{}', ' ', stream]) {
      const { harness, response } = send({ body });
      expect(await problemOf(await response)).toMatchObject({
        code: 'invalid_request',
        detail: 'This call takes no body.',
      });
      expect(harness.requests).toHaveLength(0);
    }
  });

  it('is 400 with a body that breaks off', async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error('gone')) });
    const { harness, response } = send({ body: broken });
    expect(await problemOf(await response)).toMatchObject({ code: 'invalid_request' });
    expect(harness.lines[0]?.severity).toBe('INFO');
  });

  it('is 400 with a body that neither comes nor ends', async () => {
    const { response } = send({ body: new ReadableStream<Uint8Array>() });
    expect(await problemOf(await response)).toMatchObject({ code: 'invalid_request' });
  }, 20_000);

  it('may have an empty body', async () => {
    const empty = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
    expect((await send({ body: empty }).response).status).toBe(200);
    expect((await send({ headers: { ...headers, 'Content-Length': '0' } }).response).status).toBe(200);
  });
});
