/** The ledger as callers meet it: budgets, history, and what a 404 remembers. */
import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import { historySchema } from '../../src/http/schemas.ts';
import type { Settlement } from '../../src/ledger/rows.ts';
import { KEYS } from '../fixtures.ts';
import { createHarness, GATEWAY, problemOf } from '../harness.ts';

const validator = new Validator(JSON.parse(JSON.stringify(historySchema)), '2020-12');
const as = (key: string) => ({ Authorization: `Bearer ${key}` });
type Harness = ReturnType<typeof createHarness>;
interface Page {
  deletions: { requestId: string; imageId: string; outcome: string; settledAt: string | null }[];
}

async function page(harness: Harness, path: string, key = KEYS.cleaner): Promise<{ body: Page; next: string | null }> {
  const response = await harness.call('GET', path, as(key));
  const body: Page = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(200);
  expect(validator.validate(body).errors).toEqual([]);
  const link = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
  return { body, next: link === undefined ? null : link.slice(GATEWAY.length) };
}

/** Puts `count` custom images into the emulator, `m-many0000` and on. */
function manyImages({ emulator }: Harness, count: number): string[] {
  const ids = Array.from({ length: count }, (_, n) => `m-many${String(n).padStart(4, '0')}`);
  for (const id of ids) emulator.images.set(id, { id, name: id, type: 'Custom', status: 'Available', sharedWith: [] });
  return ids;
}

describe('the budget', () => {
  it('of 50 lets 50 of 200 deletions at once through, each with its row', async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '50' } });
    const ids = manyImages(harness, 200);
    const responses = await Promise.all(ids.map((id) => harness.call('DELETE', `/images/${id}`)));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(50);
    for (const response of responses.filter(({ status }) => status !== 200)) {
      expect(await problemOf(response)).toMatchObject({
        code: 'budget_exhausted',
        status: 429,
        outcome: 'not_attempted',
      });
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(86_000);
      expect(Number(response.headers.get('retry-after'))).toBeLessThanOrEqual(86_400);
    }
    expect(harness.requests).toHaveLength(50);
    expect(harness.emulator.calls).toHaveLength(50);
    const { body } = await page(harness, '/deletions?outcome=deleted&limit=500');
    expect(new Set(body.deletions.map(({ imageId }) => imageId)).size).toBe(50);
    expect((await page(harness, '/deletions?limit=500')).body.deletions).toHaveLength(50);
  });

  it('comes back after what was refused or never sent, and not after what was lost', async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '2' } });
    for (let n = 0; n < 5; n++) await harness.call('DELETE', '/images/m-system01');
    for (let n = 0; n < 5; n++) await harness.call('DELETE', '/images/m-custom01?expectName=other');
    harness.emulator.misbehave('drop_after', 'drop_after', 'hang', 'hang');
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(502);
    expect((await harness.call('DELETE', '/images/m-custom02')).status).toBe(504);
    expect(await problemOf(await harness.call('DELETE', '/images/m-custom03'))).toMatchObject({
      code: 'budget_exhausted',
    });
    const { body } = await page(harness, '/deletions');
    expect(body.deletions.map(({ outcome }) => outcome)).toEqual([
      'unknown',
      'unknown',
      ...Array.from({ length: 5 }, () => 'not_attempted'),
      ...Array.from({ length: 5 }, () => 'rejected'),
    ]);
  });

  it("is the caller's own where it has one, and each caller's apart", async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '1' } });
    expect((await harness.call('DELETE', '/images/m-custom01', as(KEYS.named))).status).toBe(200);
    expect((await harness.call('DELETE', '/images/m-custom02', as(KEYS.named))).status).toBe(200);
    const spent = await harness.call('DELETE', '/images/m-failed01', as(KEYS.named));
    expect(await problemOf(spent)).toMatchObject({ detail: 'This caller may delete 2 images in 24 hours.' });
    expect((await harness.call('DELETE', '/images/m-failed01', as(KEYS.both))).status).toBe(200);
  });
});

describe('a ledger that fails', () => {
  const ledgerThat = (fails: { reserve?: boolean; settle?: boolean }, settlements: Settlement[] = []) => ({
    getByName: () => ({
      reserve: async () => {
        if (fails.reserve) throw new Error('down');
        return { seq: 1 };
      },
      settle: async (_seq: number, _imageId: string, settlement: Settlement) => {
        settlements.push(settlement);
        if (fails.settle) throw new Error('down');
        return null;
      },
    }),
  });

  it('before the deletion means that there is none', async () => {
    const harness = createHarness({ env: { LEDGER: ledgerThat({ reserve: true }) } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    expect(harness.requests).toHaveLength(0);
    expect(harness.lines[0]).toMatchObject({ severity: 'ERROR' });
  });

  it('after the deletion is told twice, and the operator hears of it; the caller hears the truth', async () => {
    const settlements: Settlement[] = [];
    const harness = createHarness({ env: { LEDGER: ledgerThat({ settle: true }, settlements) } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await response.json()).toMatchObject({ outcome: 'deleted' });
    expect(settlements).toHaveLength(2);
    expect(harness.lines[0]).toMatchObject({
      severity: 'ERROR',
      record: { 'ledger.settled': false, outcome: 'deleted' },
    });
  });

  it('that was restarted while Baidu worked takes the outcome all the same', async () => {
    const harness = createHarness();
    const name = `restarted-${crypto.randomUUID()}`;
    const ledgers = { getByName: () => env.LEDGER.getByName(name) };
    const restarting = createHarness({
      env: { LEDGER: ledgers },
      fetch: async (request) => {
        await runInDurableObject(env.LEDGER.getByName(name), (_ledger, ctx) => ctx.abort('restarted')).catch(
          () => null,
        );
        return harness.emulator.fetch(request);
      },
    });
    const response = await restarting.call('DELETE', '/images/m-custom01');
    expect(await response.json()).toMatchObject({ outcome: 'deleted' });
    expect(restarting.lines[0]?.record).toMatchObject({ 'ledger.settled': true });
    expect((await page(restarting, '/deletions')).body.deletions).toMatchObject([{ outcome: 'deleted' }]);
  });

  it('that enters a deletion too late is told that nothing was sent', async () => {
    const settlements: Settlement[] = [];
    const late = {
      getByName: () => ({
        reserve: () => new Promise((resolve) => setTimeout(() => resolve({ seq: 7 }), 5_300)),
        settle: async (_seq: number, _imageId: string, settlement: Settlement) => {
          settlements.push(settlement);
          return null;
        },
      }),
    };
    const harness = createHarness({ env: { LEDGER: late } });
    const ctx = createExecutionContext();
    const request = new Request(`${GATEWAY}/images/m-custom01`, { method: 'DELETE', headers: as(KEYS.cleaner) });
    const response = await harness.app.fetch(request, {}, ctx);
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    expect(harness.lines[0]?.record['ledger.settled']).toBeUndefined();
    await waitOnExecutionContext(ctx);
    expect(settlements).toMatchObject([{ outcome: 'not_attempted', attempts: 0 }]);
    expect(harness.requests).toHaveLength(0);
  }, 20_000);

  it('that takes longer than the deadline is waited for no longer than that', async () => {
    const slow = {
      getByName: () => ({
        reserve: () => new Promise((resolve) => setTimeout(() => resolve({ seq: 7 }), 300)),
        settle: async () => null,
      }),
    };
    const limits = { UPSTREAM_DEADLINE_MS: '250', UPSTREAM_ATTEMPT_TIMEOUT_MS: '250' };
    const harness = createHarness({ env: { LEDGER: slow, ...limits } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    expect(harness.requests).toHaveLength(0);
  });

  it('that refuses a history is 503', async () => {
    const harness = createHarness({
      env: { LEDGER: { getByName: () => ({ history: () => Promise.reject(new Error('x')) }) } },
    });
    const response = await harness.call('GET', '/deletions');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', status: 503 });
  });
});

describe('the history', () => {
  it('has what is known of each deletion', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', { ...as(KEYS.named), 'X-Request-Id': 'job-1' });
    await harness.call('DELETE', '/images/m-custom03', { ...as(KEYS.named), 'X-Request-Id': 'job-2' });
    const { body } = await page(harness, '/deletions', KEYS.named);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(body.deletions).toEqual([
      {
        requestId: 'job-2',
        caller: 'named',
        imageId: 'm-custom03',
        imageName: 'release-2026-11',
        reservedAt: time,
        settledAt: time,
        outcome: 'not_attempted',
        code: 'permission_denied',
        attempts: 0,
        upstreamRequestId: expect.any(String),
        keyFingerprint: '9ae8a8b2',
      },
      expect.objectContaining({
        requestId: 'job-1',
        imageName: 'ci-build-1842',
        outcome: 'deleted',
        code: null,
        attempts: 1,
      }),
    ]);
  });

  it('pages to its end, newest first, undisturbed by what is deleted in between', async () => {
    const harness = createHarness();
    const ids = manyImages(harness, 8);
    for (const id of ids.slice(0, 7)) await harness.call('DELETE', `/images/${id}`);
    const seen: string[] = [];
    let path: string | null = '/deletions?limit=3&outcome=deleted';
    while (path !== null) {
      const { body, next }: { body: Page; next: string | null } = await page(harness, path);
      seen.push(...body.deletions.map(({ imageId }) => imageId));
      await harness.call('DELETE', `/images/${ids[7]}?allowMissing=true`);
      path = next;
    }
    expect(seen).toEqual(ids.slice(0, 7).reverse());
  });

  it('is filtered', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    await harness.call('DELETE', '/images/m-system01');
    const ids = async (query: string) =>
      (await page(harness, `/deletions?${query}`)).body.deletions.map(({ imageId }) => imageId);
    expect(await ids('imageId=m-custom01')).toEqual(['m-custom01']);
    expect(await ids('outcome=rejected')).toEqual(['m-system01']);
    expect(await ids('since=2020-01-01T00:00:00Z')).toHaveLength(2);
    expect(await ids('since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00%2B08:00')).toEqual([]);
    expect(await ids('limit=1')).toEqual(['m-system01']);
  });

  it("is one's own; another's needs deletions:read", async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    expect((await page(harness, '/deletions', KEYS.both)).body.deletions).toEqual([]);
    expect((await page(harness, '/deletions?caller=cleaner', KEYS.cleaner)).body.deletions).toHaveLength(1);
    const refused = await harness.call('GET', '/deletions?caller=cleaner', as(KEYS.both));
    expect(await problemOf(refused)).toMatchObject({
      code: 'permission_denied',
      detail: 'This needs the scope deletions:read.',
    });
    const { body } = await page(harness, '/deletions?caller=cleaner', KEYS.auditor);
    expect(body.deletions).toMatchObject([{ caller: 'cleaner', imageId: 'm-custom01' }]);
    expect((await page(harness, '/deletions?caller=nobody', KEYS.auditor)).body.deletions).toEqual([]);
    expect((await harness.call('GET', '/deletions', {})).status).toBe(401);
  });

  it.each([
    'cursor=x',
    'cursor=',
    `cursor=${btoa('1:0')}`,
    `cursor=${btoa('2:5').replace(/=/g, '')}`,
    `cursor=${btoa('1:05').replace(/=/g, '')}`,
    'cursor=MTo1AA',
    'since=yesterday',
    'since=2026-11-23',
    'since=2026-11-23T00:00:00',
    'until=2026-02-30T00:00:00Z',
    'until=2026-11-23T25:00:00Z',
    'until=',
    'imageId=x',
    'imageId=i-custom01',
    'outcome=pending',
    'outcome=',
    'limit=0',
    'limit=501',
    'limit=-1',
    'limit=ten',
    'limit=007',
    'since=2026-11-23T24:00:00Z',
    'limit=',
    'caller=a%20b',
    'page=2',
    'limit=1&limit=2',
  ])('is 400 for %s', async (query) => {
    const response = await createHarness().call('GET', `/deletions?${query}`);
    expect(await problemOf(response)).toMatchObject({ code: 'invalid_request', status: 400 });
  });
});

describe('a 404 for an image that this caller deleted', () => {
  it('says when and by which request, on deletion, with a name rule, and on preview', async () => {
    const harness = createHarness();
    const headers = { ...as(KEYS.both), 'X-Request-Id': 'job-1' };
    // Long enough that the time of its end is not that of its beginning.
    harness.emulator.faults.push({ deletes: true, answer: 'normal', delayMs: 20 });
    await harness.call('DELETE', '/images/m-custom01', headers);
    const at = (await page(harness, '/deletions', KEYS.both)).body.deletions[0]?.settledAt;
    expect(at).toMatch(/^20.*Z$/);
    for (const [method, path] of [
      ['DELETE', '/images/m-custom01'],
      ['DELETE', '/images/m-custom01?expectName=ci-build-1842'],
      ['GET', '/images/m-custom01'],
    ] as const) {
      const body = await problemOf(await harness.call(method, path, as(KEYS.both)));
      expect(body).toMatchObject({
        code: 'image_not_found',
        outcome: 'already_absent',
        deletedBefore: { requestId: 'job-1', at },
        detail: `This caller deleted m-custom01 at ${at} by request job-1.`,
      });
    }
  });

  it('says nothing of what another caller deleted', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', as(KEYS.both));
    const body = await problemOf(await harness.call('DELETE', '/images/m-custom01', as(KEYS.cleaner)));
    expect(body['deletedBefore']).toBeUndefined();
  });
});
