/** Who gets in, to what, and how often. */
import { createExecutionContext } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { pathOf } from '../../src/http/request.ts';
import { CALLERS, KEYS } from '../fixtures.ts';
import { createHarness, problemOf } from '../harness.ts';

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

describe('authentication', () => {
  const key = KEYS.cleaner;
  const near: [string, [string, string][]][] = [
    ['no header', []],
    ['an empty header', [['Authorization', '']]],
    ['the scheme alone', [['Authorization', 'Bearer']]],
    ['the key alone', [['Authorization', key]]],
    ['the scheme Basic', [['Authorization', `Basic ${key}`]]],
    ['the scheme Bearer with a colon', [['Authorization', `Bearer: ${key}`]]],
    ['one character less', [['Authorization', `Bearer ${key.slice(0, -1)}`]]],
    ['one character more', [['Authorization', `Bearer ${key}A`]]],
    ['one character changed', [['Authorization', `Bearer ${key.slice(0, -1)}x`]]],
    ['another case', [['Authorization', `Bearer ${key.toLowerCase()}`]]],
    ['the digest instead of the key', [['Authorization', `Bearer ${CALLERS.cleaner.keySha256[0]}`]]],
    ['the key and something after it', [['Authorization', `Bearer ${key} x`]]],
    ['a tab for the space', [['Authorization', `Bearer\t${key}`]]],
    [
      'the right key twice',
      [
        ['Authorization', `Bearer ${key}`],
        ['Authorization', `Bearer ${key}`],
      ],
    ],
    [
      'a wrong key and the right one',
      [
        ['Authorization', 'Bearer wrong'],
        ['Authorization', `Bearer ${key}`],
      ],
    ],
    ['two keys in one header', [['Authorization', `Bearer ${key}, Bearer ${key}`]]],
    ['the key in another header', [['X-Api-Key', key]]],
    ['the key in a cookie', [['Cookie', `Authorization=Bearer ${key}`]]],
    ['a key of ten thousand characters', [['Authorization', `Bearer ${'a'.repeat(10_000)}`]]],
  ];

  it('answers every near miss with one and the same 401', async () => {
    const answers = new Set<string>();
    for (const [what, headers] of near) {
      const harness = createHarness();
      const response = await harness.call('DELETE', '/images/m-custom01', [...headers, ['X-Request-Id', 'same']]);
      expect(response.status, what).toBe(401);
      expect(harness.requests, what).toHaveLength(0);
      expect(harness.lines[0]?.record, what).toMatchObject({ 'error.type': 'unauthenticated', decision: 'refused' });
      expect(harness.lines[0]?.text, what).not.toContain(key.slice(4, 20));
      answers.add(JSON.stringify([await problemOf(response), [...response.headers]]));
    }
    expect(answers.size).toBe(1);
    expect([...answers][0]).toContain('["www-authenticate","Bearer"]');
  });

  it.each(['Bearer', 'bearer', 'BEARER'])('takes the scheme written %s', async (scheme) => {
    const response = await createHarness().call('DELETE', '/images/m-custom01', { Authorization: `${scheme} ${key}` });
    expect(response.status).toBe(200);
  });

  it('takes the old and the new key during a rotation, and then only the new one', async () => {
    const digest = async (text: string) =>
      [...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))]
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join('');
    const callers = async (...keys: string[]) => ({
      CALLERS: JSON.stringify({ ci: { keySha256: await Promise.all(keys.map(digest)), scopes: ['images:delete'] } }),
    });
    const status = async (env: { CALLERS: string }, used: string) =>
      (await createHarness({ env }).call('DELETE', '/images/m-custom01', bearer(used))).status;

    expect(await status(await callers('old'), 'old')).toBe(200);
    expect(await status(await callers('old'), 'new')).toBe(401);
    expect(await status(await callers('old', 'new'), 'old')).toBe(200);
    expect(await status(await callers('old', 'new'), 'new')).toBe(200);
    expect(await status(await callers('new'), 'new')).toBe(200);
    expect(await status(await callers('new'), 'old')).toBe(401);
  });

  it('lets nobody in where no key is configured', async () => {
    const harness = createHarness({ env: { CALLERS: '{}' } });
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(401);
    expect((await harness.call('DELETE', '/images/m-custom01', bearer(''))).status).toBe(401);
  });
});

describe('permission', () => {
  it('refuses a caller without the scope, before it looks at the id', async () => {
    const harness = createHarness();
    for (const id of ['m-custom01', 'nonsense']) {
      const response = await harness.call('DELETE', `/images/${id}`, bearer(KEYS.reader));
      expect(await problemOf(response)).toMatchObject({ code: 'permission_denied', status: 403 });
    }
    expect(harness.requests).toHaveLength(0);
  });
});

describe('the rate limit', () => {
  const counting = (refuseAfter: number) => {
    const counts = new Map<string, number>();
    const limit = async ({ key }: { key: string }) => {
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return { success: count <= refuseAfter };
    };
    return { counts, limit };
  };

  it.each([
    ['RATE_LIMITER_BURST', '10', 'A caller may send 20 requests in 10 seconds.'],
    ['RATE_LIMITER_SUSTAINED', '60', 'A caller may send 60 requests in 60 seconds.'],
  ])('of %s answers 429 with the wait and the policy, and no guessed count', async (binding, retryAfter, detail) => {
    const limiter = counting(1);
    const harness = createHarness({ env: { [binding]: limiter } });
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(200);
    const response = await harness.call('DELETE', '/images/m-custom02');
    expect(await problemOf(response)).toMatchObject({ code: 'rate_limited', status: 429, detail });
    expect(response.headers.get('retry-after')).toBe(retryAfter);
    expect(response.headers.get('ratelimit-policy')).toBe('"burst";q=20;w=10, "sustained";q=60;w=60');
    expect(response.headers.has('ratelimit')).toBe(false);
    expect(harness.requests).toHaveLength(1);
    expect([...limiter.counts]).toEqual([['cleaner', 2]]);
  });

  it('counts each caller apart, by name and not by key', async () => {
    const limiter = counting(100);
    const harness = createHarness({ env: { RATE_LIMITER_BURST: limiter } });
    await harness.call('DELETE', '/images/m-custom01');
    await harness.call('GET', '/readyz', bearer(KEYS.reader));
    expect([...limiter.counts]).toEqual([
      ['cleaner', 1],
      ['reader', 1],
    ]);
  });

  it('counts nothing for those who are not authenticated', async () => {
    const limiter = counting(100);
    const harness = createHarness({ env: { RATE_LIMITER_BURST: limiter, RATE_LIMITER_SUSTAINED: limiter } });
    await harness.call('DELETE', '/images/m-custom01', bearer('wrong'));
    await harness.call('GET', '/readyz', {});
    await harness.call('GET', '/healthz');
    await harness.call('GET', '/nowhere');
    expect(limiter.counts.size).toBe(0);
  });

  it('lets nobody through when the limiter throws', async () => {
    const broken = { limit: () => Promise.reject(new Error('limiter down: internal detail')) };
    for (const binding of ['RATE_LIMITER_BURST', 'RATE_LIMITER_SUSTAINED']) {
      const harness = createHarness({ env: { [binding]: broken } });
      const response = await harness.call('DELETE', '/images/m-custom01');
      expect(await problemOf(response)).toMatchObject({ code: 'rate_limiter_unavailable', outcome: 'not_attempted' });
      expect(response.status).toBe(503);
      expect(harness.requests).toHaveLength(0);
      expect(harness.lines[0]).toMatchObject({ severity: 'ERROR' });
      expect(harness.lines[0]?.text).not.toContain('internal detail');
    }
  });
});

describe('routes', () => {
  it.each([
    ['POST', '/images/m-custom01', 'GET, HEAD, DELETE'],
    ['OPTIONS', '/images/m-custom01', 'GET, HEAD, DELETE'],
    ['DELETE', '/healthz', 'GET, HEAD'],
    ['PUT', '/readyz', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
    ['DELETE', '/deletions', 'GET, HEAD'],
    ['DELETE', '/problems/rate_limited', 'GET, HEAD'],
  ])('%s %s is 405 with Allow', async (method, path, allow) => {
    const response = await createHarness().call(method, path, {});
    expect(await problemOf(response)).toMatchObject({ code: 'method_not_allowed', status: 405 });
    expect(response.headers.get('allow')).toBe(allow);
  });

  it.each([
    '/',
    '/images',
    '/images/',
    '/images/m-custom01/',
    '/images/m-custom01/x',
    '/Images/m-custom01',
    '/v2/image/m-custom01',
    '/problems/nothing',
    '/problems/toString',
  ])('DELETE or GET %s is 404 route_not_found', async (path) => {
    const harness = createHarness();
    for (const method of ['DELETE', 'GET']) {
      const response = await harness.call(method, path);
      if (response.status !== 405) expect(await problemOf(response)).toMatchObject({ code: 'route_not_found' });
    }
    expect(harness.requests).toHaveLength(0);
  });

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

  it('healthz needs no credentials and no configuration', async () => {
    const harness = createHarness({ env: { CALLERS: undefined, BCE_ACCESS_KEY_ID: undefined } });
    const response = await harness.call('GET', '/healthz', {});
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
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

describe('the request', () => {
  it.each([
    ['?dryrun=1', 'unknown'],
    ['?allowmissing=true', 'unknown'],
    ['??allowMissing=true', 'unknown'],
    ['?&?', 'unknown'],
    ['?expectName=', 'a name'],
    ['?expectName=x&expectName=x', 'more than once'],
    ['?allowMissing=true&x', 'unknown'],
    ['?allowMissing=true&allowMissing=true', 'more than once'],
    ['?allowMissing', 'true or false'],
    ['?allowMissing=1', 'true or false'],
    ['?allowMissing=TRUE', 'true or false'],
  ])('is 400 with the query %s', async (query, _why) => {
    const harness = createHarness();
    const response = await harness.call('DELETE', `/images/m-custom01${query}`);
    expect(await problemOf(response)).toMatchObject({ code: 'invalid_request', outcome: 'not_attempted' });
    expect(harness.requests).toHaveLength(0);
  });

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
