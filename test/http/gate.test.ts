import { describe, expect, it } from 'vitest';
import { FAULTY_ENV, KEYS, LEAK } from '../fixtures.ts';
import { bearer, createHarness, problemOf } from '../harness.ts';

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

describe('a configuration with faults', () => {
  it('is told to a known caller by readyz, and to nobody else', async () => {
    const harness = createHarness({ env: FAULTY_ENV });
    const known = await problemOf(await harness.call('GET', '/readyz'));
    expect(known).toMatchObject({ code: 'gateway_misconfigured' });
    expect(known['problems']).toHaveLength(4);
    expect(JSON.stringify(known)).not.toContain(LEAK);
    expect((await harness.call('GET', '/readyz', {})).status).toBe(401);
    expect((await harness.call('DELETE', '/images/m-custom01', {})).status).toBe(401);
  });
});
