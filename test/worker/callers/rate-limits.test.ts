/** How often one caller may call. */
import { describe, expect, it } from 'vitest';
import { RATE_LIMITS } from '../../../src/worker/callers/rate-limits.ts';
import wranglerToml from '../../../wrangler.toml?raw';
import { KEYS } from '../../fixtures.ts';
import { bearer, createHarness, previewOf, problemOf } from '../../harness.ts';

describe('the rate limits', () => {
  it.each(Object.values(RATE_LIMITS))('of $binding match wrangler.toml', ({ binding, requests, periodS }) => {
    const section = wranglerToml.split('[[ratelimits]]').find((text) => text.includes(`"${binding}"`));
    expect(section).toContain(`simple = { limit = ${requests}, period = ${periodS} }`);
  });

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
  ])('of %s answer 429 with the wait and the policy, but no remaining count', async (binding, retryAfter, detail) => {
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

  it('count each caller separately, by its name', async () => {
    const limiter = counting(100);
    const harness = createHarness({ env: { RATE_LIMITER_BURST: limiter } });
    await harness.call('DELETE', '/images/m-custom01');
    await harness.call('GET', '/readyz', bearer(KEYS.reader));
    expect([...limiter.counts]).toEqual([
      ['cleaner', 1],
      ['reader', 1],
    ]);
  });

  it('count no request of an unknown caller, and none to a path that needs no caller', async () => {
    const limiter = counting(100);
    const harness = createHarness({ env: { RATE_LIMITER_BURST: limiter, RATE_LIMITER_SUSTAINED: limiter } });
    await harness.call('DELETE', '/images/m-custom01', bearer('wrong'));
    await harness.call('GET', '/readyz', {});
    await harness.call('GET', '/healthz');
    await harness.call('GET', '/nowhere');
    expect(limiter.counts.size).toBe(0);
  });

  it('admit nobody if a limiter throws', async () => {
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

  it('count previews', async () => {
    const counted: string[] = [];
    const limit = async ({ key }: { key: string }) => {
      counted.push(key);
      return { success: true };
    };
    await previewOf(createHarness({ env: { RATE_LIMITER_BURST: { limit } } }), 'm-custom01', KEYS.reader);
    expect(counted).toEqual(['reader']);
  });

  it('count a request that the burst limit refuses against that limit alone', async () => {
    const [burst, sustained] = [counting(0), counting(100)];
    const harness = createHarness({ env: { RATE_LIMITER_BURST: burst, RATE_LIMITER_SUSTAINED: sustained } });
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(429);
    expect([burst.counts.size, sustained.counts.size]).toEqual([1, 0]);
  });

  it('admit nobody if a limiter does not answer', async () => {
    const silent = { limit: () => new Promise(() => undefined) };
    const harness = createHarness({ env: { RATE_LIMITER_SUSTAINED: silent } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'rate_limiter_unavailable', outcome: 'not_attempted' });
    expect(harness.requests).toHaveLength(0);
  }, 20_000);
});
