/** Which paths there are, and which methods they take. */
import { describe, expect, it } from 'vitest';
import { KEYS } from './fixtures.ts';
import { createHarness, problemOf } from './harness.ts';

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

  it('answers GET /readyz with ready if the configuration has no fault', async () => {
    const response = await createHarness().call('GET', '/readyz', { Authorization: `Bearer ${KEYS.reader}` });
    expect([response.status, await response.json()]).toEqual([200, { status: 'ready' }]);
  });
});
