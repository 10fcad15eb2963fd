/** The ledger's Durable Object: a budget that many calls want at once, its storage and its alarm. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import { LedgerStore, REMOVAL_BATCH } from '../src/ledger/store.ts';
import { ALL_ROWS, reservation } from './fixtures.ts';
import { createHarness, freshLedger, historyPage, manyImages, problemOf } from './harness.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe('a budget of 50', () => {
  it('admits exactly 50 of 200 deletions at once, each with its row', async () => {
    // An attempt may take long, because a second attempt would spoil the count of calls below.
    const harness = createHarness({ env: { DAILY_DELETIONS: '50', UPSTREAM_ATTEMPT_TIMEOUT_MS: '5000' } });
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
    const { body } = await historyPage(harness, '/deletions?outcome=deleted&limit=500');
    expect(new Set(body.deletions.map(({ imageId }) => imageId)).size).toBe(50);
    expect((await historyPage(harness, '/deletions?limit=500')).body.deletions).toHaveLength(50);
  });
});

describe('a ledger that has stored nothing', () => {
  it('refuses every deletion under a budget of 0', async () => {
    expect(await freshLedger().reserve(reservation('r1'), 0)).toEqual({ retryAfterS: 86_400 });
    expect(await freshLedger().peek('m-custom01', 0)).toEqual({ retryAfterS: 86_400, deleted: null });
  });

  it('answers queries without creating its schema or setting an alarm', async () => {
    const ledger = freshLedger();
    expect(await ledger.history(ALL_ROWS)).toEqual([]);
    expect(await ledger.peek('m-custom01', 5)).toEqual({ retryAfterS: null, deleted: null });
    expect(await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm())).toBeNull();
    expect(await runInDurableObject(ledger, (_ledger, ctx) => new LedgerStore(ctx.storage.sql).version())).toBe(0);
  });
});

describe("the ledger's alarm", () => {
  it('removes the rows that are older than the configured retention, and no others', async () => {
    const ledger = freshLedger();
    const [first, second] = [await ledger.reserve(reservation('old'), 5), await ledger.reserve(reservation('new'), 5)];
    expect(first).toHaveProperty('seq');
    const alarmMs = await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm());
    expect(alarmMs).toBeGreaterThan(Date.now() + 399 * DAY_MS);

    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec(
        'UPDATE deletions SET reserved_at = ? WHERE request_id = ?',
        Date.now() - 401 * DAY_MS,
        'old',
      );
    });
    expect(await runDurableObjectAlarm(ledger)).toBe(true);
    expect((await ledger.history(ALL_ROWS)).map(({ requestId }) => requestId)).toEqual(['new']);
    expect(second).toHaveProperty('seq');
    const nextMs = await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm());
    expect(nextMs).toBeGreaterThan(Date.now() + 399 * DAY_MS);
  });

  it('comes sooner after the first reservation under a shorter retention', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('old'), 9);
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec('UPDATE deletions SET reserved_at = ?', Date.now() - 401 * DAY_MS);
    });
    await ledger.reserve(reservation('new'), 9);
    const alarmMs = await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm());
    expect(alarmMs).toBeLessThanOrEqual(Date.now());
  });

  it('is not set again once no row is left, until the next reservation', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('old'), 5);
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec('UPDATE deletions SET reserved_at = 0');
    });
    await runDurableObjectAlarm(ledger);
    expect(await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm())).toBeNull();
    await ledger.reserve(reservation('new'), 5);
    expect(await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm())).not.toBeNull();
  });

  it('waits for an hour if a row is less than an hour from the end of its retention', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('old'), 9);
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec('UPDATE deletions SET reserved_at = ?', Date.now() - 400 * DAY_MS + HOUR_MS / 2);
    });
    await ledger.reserve(reservation('new'), 9);
    const alarmMs = await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm());
    expect(alarmMs).toBeGreaterThan(Date.now() + 0.9 * HOUR_MS);
    expect(alarmMs).toBeLessThanOrEqual(Date.now() + HOUR_MS);
  });

  it('is set again for now while overdue rows are left', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('r'), 5);
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO deletions (request_id, image_id, key_fingerprint, reserved_at) SELECT 'r' || i, 'm-x', 'f', i FROM n`,
        REMOVAL_BATCH,
      );
      ctx.storage.sql.exec('UPDATE deletions SET reserved_at = 1 WHERE request_id = ?', 'r');
    });
    const setAlarm = await runInDurableObject(ledger, async (instance, ctx) => {
      const spy = vi.spyOn(ctx.storage, 'setAlarm');
      await instance.alarm();
      return spy.mock.calls.map(([at]) => Number(at));
    });
    expect(setAlarm).toHaveLength(1);
    expect(setAlarm[0]).toBeLessThanOrEqual(Date.now());
  });
});

describe('a ledger that is evicted from memory', () => {
  it('keeps its rows and its budget', async () => {
    const ledger = env.LEDGER.getByName('evicted');
    await ledger.reserve({ requestId: 'r1', imageId: 'm-custom01', keyFingerprint: 'f' }, 1);
    await evictDurableObject(ledger);
    expect(await ledger.reserve({ requestId: 'r2', imageId: 'm-custom01', keyFingerprint: 'f' }, 1)).toHaveProperty(
      'retryAfterS',
    );
    expect(await ledger.history(ALL_ROWS)).toMatchObject([{ requestId: 'r1', outcome: 'unknown', settledAtMs: null }]);
  });
});
