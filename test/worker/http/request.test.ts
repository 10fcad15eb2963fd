/** What is read from a request besides its query: its path, its Host, its id and its body. */
import { createExecutionContext } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { keyDigest } from '../../../src/worker/callers/key.ts';
import { pathOf } from '../../../src/worker/http/request.ts';
import { CALLERS, KEYS } from '../../fixtures.ts';
import { createHarness, HTTP, problemOf } from '../../harness.ts';

const OTHER_KEY = 'a-key-that-somebody-made-otherwise';
const RETIRED_KEY = `bcg_${'retired'.repeat(6)}`;

describe('the path', () => {
  it.each([
    ['https://gateway.test/images/../healthz?x=/y#/z', '/images/../healthz'],
    ['https://gateway.test/images/%6d-custom01', '/images/%6d-custom01'],
    ['http://127.0.0.1:8787//images/m-custom01#?x', '//images/m-custom01'],
    ['https://gateway.test', ''],
    ['https://gateway.test?/images/m-custom01', ''],
  ])('of %s is %j, exactly as it was sent', (url, path) => expect(pathOf(url)).toBe(path));
});

describe('the Host header', () => {
  it.each(['a b', '<script>', 'x/images/m-custom01#', 'x/images', 'user@host', '[::', ''])(
    'is refused if it is %j, whatever the path',
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

  it.each(['gateway.test', 'GATEWAY.test:8787', '127.0.0.1', '[::1]:8787'])('may be %s', async (host) => {
    const { status } = await createHarness().call('GET', '/healthz', { Host: host });
    expect(status).toBe(200);
  });
});

describe('a URL that cannot be parsed', () => {
  it('is refused in the common shape and recorded', async () => {
    const harness = createHarness();
    const request = new Proxy(new Request('https://gateway.test/healthz'), {
      get: (target, name) => (name === 'url' ? 'http://a:99999/healthz' : Reflect.get(target, name, target)),
    });
    const response = await harness.app.fetch(request, HTTP, createExecutionContext());
    expect(await problemOf(response)).toMatchObject({ type: '/problems/invalid_request', status: 400 });
    expect(harness.lines).toHaveLength(1);
  });
});

describe('the request id', () => {
  it('is the X-Request-Id if that is safe, and otherwise a new UUID', async () => {
    const harness = createHarness();
    const idFor = async (given: string) =>
      (await harness.call('GET', '/healthz', { 'X-Request-Id': given })).headers.get('x-request-id') ?? '';
    for (const safe of ['job-42.retry_1', 'x'.repeat(64)]) expect(await idFor(safe)).toBe(safe);
    for (const unsafe of ['', 'a b', 'a"b', 'a,b', '<a>', 'x'.repeat(65)]) {
      expect(await idFor(unsafe)).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it.each<[string, string, HeadersInit]>([
    ['a key that Authorization has as well', KEYS.cleaner, { Authorization: `Bearer ${KEYS.cleaner}` }],
    ['a key that is sent without Authorization', KEYS.cleaner, {}],
    ['a key that was swapped with the id in Authorization', KEYS.cleaner, { Authorization: 'job-1' }],
    ['a key that Authorization has without the scheme', KEYS.cleaner, { Authorization: KEYS.cleaner }],
    ['a key that is no longer configured', RETIRED_KEY, {}],
    ['a key with something before it', `run1.${KEYS.cleaner}`, { Authorization: `Bearer ${KEYS.cleaner}` }],
    [
      'a key that npm run key did not make, if Authorization has it',
      OTHER_KEY,
      { Authorization: `Bearer ${OTHER_KEY}` },
    ],
    ['a part of what Authorization has', OTHER_KEY.slice(2, 12), { Authorization: `Bearer ${OTHER_KEY}` }],
  ])('is never %s', async (_what, key, headers) => {
    const entry = { keySha256: [keyDigest(OTHER_KEY)], scopes: ['images:read'] };
    const harness = createHarness({ env: { CALLERS: JSON.stringify({ ...CALLERS, other: entry }) } });
    const response = await harness.call('DELETE', '/images/m-custom01', { ...headers, 'X-Request-Id': key });
    expect(JSON.stringify([...response.headers]) + (await response.text()) + harness.lines[0]?.text).not.toContain(key);
  });

  it('is never a part of a token, even if the issuers are malformed and their headers unknown', async () => {
    const signature = 'c2lnbmF0dXJlLW9mLWEtdG9rZW4';
    const harness = createHarness({ env: { ISSUERS: '{' } });
    const headers = { 'X-Job-Token': `eyJh.eyJh.${signature}`, 'X-Request-Id': `r.${signature}` };
    const response = await harness.call('GET', '/readyz', headers);
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    // A header that no issuer could have is not a credential.
    const unrelated = await harness.call('GET', '/readyz', { 'X-Job': 'nightly-2026', 'X-Request-Id': 'nightly-2026' });
    expect(unrelated.headers.get('x-request-id')).toBe('nightly-2026');
  });

  it('does not reveal whether a text is the key of a caller', async () => {
    const entry = { keySha256: [keyDigest(OTHER_KEY)], scopes: ['images:read'] };
    const harness = createHarness({ env: { CALLERS: JSON.stringify({ ...CALLERS, other: entry }) } });
    for (const text of [OTHER_KEY, OTHER_KEY.replace('a-', 'b-')]) {
      const response = await harness.call('GET', '/healthz', { 'X-Request-Id': text });
      expect(response.headers.get('x-request-id')).toBe(text);
    }
  });
});

describe('an image id or a filter that shares eight characters with a credential', () => {
  const id = `m-${OTHER_KEY.slice(2, 10).replaceAll('-', '')}xx`;
  const key = `bcg_0${id.slice(2)}0${'x'.repeat(20)}`;
  const env = {
    CALLERS: JSON.stringify({
      ...CALLERS,
      owner: { keySha256: [keyDigest(key)], scopes: ['images:read', 'images:delete', 'deletions:read'] },
    }),
  };

  it.each([
    ['GET', `/images/${id}`],
    ['DELETE', `/images/${id}`],
    ['GET', `/deletions?imageId=${id}`],
    ['GET', `/deletions?requestId=${id}`],
    ['GET', `/deletions?caller=${id}`],
  ])('is refused, and not recorded: %s %s', async (method, path) => {
    const harness = createHarness({ env });
    const response = await harness.call(method, path, { Authorization: `Bearer ${key}` });
    expect(await problemOf(response)).toMatchObject({
      code: 'invalid_request',
      detail: expect.stringContaining('credential'),
    });
    expect(harness.lines[0]?.text).not.toContain(id);
    expect(harness.requests).toHaveLength(0);
    const other = await harness.call(method, path, { Authorization: `Bearer ${KEYS.cleaner}` });
    expect(other.status).not.toBe(400);
  });

  it('may be the name of a caller, which is not a secret', async () => {
    const named = 'owner-of-images-1234567890';
    const owner = { keySha256: [keyDigest(named)], scopes: ['deletions:read'] };
    const harness = createHarness({ env: { CALLERS: JSON.stringify({ 'owner-of-images': owner }) } });
    const headers = { Authorization: `Bearer ${named}` };
    expect((await harness.call('GET', '/deletions?caller=owner-of-images', headers)).status).toBe(200);
    expect((await harness.call('GET', '/deletions?caller=owner-of-image', headers)).status).toBe(400);
  });
});

describe('a body', () => {
  const headers = { Authorization: `Bearer ${KEYS.cleaner}` };
  const send = (init: RequestInit) => {
    const harness = createHarness();
    const request = new Request('https://gateway.test/images/m-custom01', { method: 'DELETE', headers, ...init });
    return { harness, response: Promise.resolve(harness.app.fetch(request, HTTP, createExecutionContext())) };
  };

  it('is refused, whether its length is known or not', async () => {
    const stream = new Response('x').body;
    for (const body of ['{}', ' ', stream]) {
      const { harness, response } = send({ body });
      expect(await problemOf(await response)).toMatchObject({
        code: 'invalid_request',
        detail: 'The request must not have a body.',
      });
      expect(harness.requests).toHaveLength(0);
    }
  });

  it('is refused if it breaks off', async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error('gone')) });
    const { harness, response } = send({ body: broken });
    expect(await problemOf(await response)).toMatchObject({ code: 'invalid_request' });
    expect(harness.lines[0]?.severity).toBe('INFO');
  });

  it('is refused if it neither arrives nor ends', async () => {
    const { response } = send({ body: new ReadableStream<Uint8Array>() });
    expect(await problemOf(await response)).toMatchObject({ code: 'invalid_request' });
  }, 20_000);

  it('is refused if it never ends, even without a byte', async () => {
    const endless = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await scheduler.wait(100);
        controller.enqueue(new Uint8Array());
      },
    });
    expect(await problemOf(await send({ body: endless }).response)).toMatchObject({ code: 'invalid_request' });
  }, 20_000);

  it('is refused if a chunk is not bytes', async () => {
    const text = new ReadableStream({
      start(controller) {
        controller.enqueue('{}');
        controller.close();
      },
    });
    expect(await problemOf(await send({ body: text }).response)).toMatchObject({ code: 'invalid_request' });
  });

  it('may be empty', async () => {
    const empty = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
    expect((await send({ body: empty }).response).status).toBe(200);
    expect((await send({ headers: { ...headers, 'Content-Length': '0' } }).response).status).toBe(200);
  });
});
