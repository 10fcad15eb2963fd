/** The paths, and the methods that each of them takes. */
import { describe, expect, it } from 'vitest';
import { KEYS } from '../fixtures.ts';
import { bearer, createHarness, problemOf } from '../harness.ts';

const READY = { status: 'ready', caller: 'reader', scopes: ['images:read'], keyFingerprint: '9ae8a8b2' };

describe('the gateway', () => {
  it.each([
    ['POST', '/images/m-custom01', 'GET, HEAD, DELETE'],
    ['OPTIONS', '/images/m-custom01', 'GET, HEAD, DELETE'],
    ['DELETE', '/healthz', 'GET, HEAD'],
    ['PUT', '/readyz', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
    ['DELETE', '/deletions', 'GET, HEAD'],
    ['DELETE', '/problems/rate_limited', 'GET, HEAD'],
  ])('answers %s %s with 405 and an Allow header of %s', async (method, path, allow) => {
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
  ])('has no route for DELETE or GET %s', async (path) => {
    const harness = createHarness();
    for (const method of ['DELETE', 'GET']) {
      const response = await harness.call(method, path);
      if (response.status !== 405) expect(await problemOf(response)).toMatchObject({ code: 'route_not_found' });
    }
    expect(harness.requests).toHaveLength(0);
  });

  it('answers GET /healthz without credentials and without a configuration', async () => {
    const harness = createHarness({ env: { CALLERS: undefined, BCE_ACCESS_KEY_ID: undefined } });
    const response = await harness.call('GET', '/healthz', {});
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
  });

  it('answers GET /readyz with the caller and its scopes if the configuration is valid, and sends nothing to Baidu', async () => {
    const harness = createHarness({ env: { PROTECTED_IMAGES: '["m-custom01"]' } });
    const response = await harness.call('GET', '/readyz', bearer(KEYS.reader));
    expect([response.status, await response.json()]).toEqual([
      200,
      { ...READY, credentialAccepted: null, control: null },
    ]);
    expect(harness.requests).toEqual([]);
  });

  it('refuses a parameter that GET /readyz does not know, so a typo cannot pass for a probe', async () => {
    const harness = createHarness();
    for (const query of ['?upstrem=true', '?upstream=1', '?upstream=true&upstream=true']) {
      expect((await harness.call('GET', `/readyz${query}`, bearer(KEYS.reader))).status).toBe(400);
    }
  });
});
