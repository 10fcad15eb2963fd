/** Which callers may make which calls, and how everyone else is refused. */
import { describe, expect, it } from 'vitest';
import { FAULTY_ENV, KEYS, SECRET } from '../../fixtures.ts';
import { bearer, createHarness, problemOf } from '../../harness.ts';

describe('the gate', () => {
  it('refuses a caller without the scope before it looks at the image id', async () => {
    const harness = createHarness();
    for (const id of ['m-custom01', 'nonsense']) {
      const response = await harness.call('DELETE', `/images/${id}`, bearer(KEYS.reader));
      expect(await problemOf(response)).toMatchObject({ code: 'permission_denied', status: 403 });
    }
    expect(harness.requests).toHaveLength(0);
  });

  it('counts a request against the rate limits before it refuses it for its scope', async () => {
    const counted: string[] = [];
    const limit = async ({ key }: { key: string }) => {
      counted.push(key);
      return { success: false };
    };
    const harness = createHarness({ env: { RATE_LIMITER_BURST: { limit } } });
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.reader));
    expect(await problemOf(response)).toMatchObject({ code: 'rate_limited' });
    expect(counted).toEqual(['reader']);
  });

  it('shows on /readyz what is misconfigured, but only to a known caller', async () => {
    const harness = createHarness({ env: FAULTY_ENV });
    const known = await problemOf(await harness.call('GET', '/readyz'));
    expect(known).toMatchObject({ code: 'gateway_misconfigured' });
    expect(known['problems']).toHaveLength(4);
    expect(JSON.stringify(known)).not.toContain(SECRET);
    expect((await harness.call('GET', '/readyz', {})).status).toBe(401);
    expect((await harness.call('DELETE', '/images/m-custom01', {})).status).toBe(401);
  });

  it.each(['none', 'same-origin', 'cross-site', 'same-site', ''])(
    'refuses a deletion from a browser, with Sec-Fetch-Site: %s',
    async (site) => {
      const harness = createHarness();
      const headers = { ...bearer(KEYS.both), 'Sec-Fetch-Site': site };
      const response = await harness.call('DELETE', '/images/m-custom01', headers);
      expect(await problemOf(response)).toMatchObject({
        code: 'permission_denied',
        status: 403,
        outcome: 'not_attempted',
        detail: 'A web page may not delete an image.',
      });
      expect(harness.requests).toHaveLength(0);
      expect((await harness.call('GET', '/images/m-custom01', headers)).status).toBe(200);
      expect((await harness.call('GET', '/deletions', headers)).status).toBe(200);
    },
  );
});
