/** The ledger's Durable Object: a budget under concurrent calls, its storage and its alarm. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it, vi } from 'vitest';
import { REMOVAL_BATCH } from '../../src/worker/ledger/store.ts';
import { DAY_MS, HOUR_MS } from '../../src/worker/time.ts';
import { ALL_ROWS, budgets, idOf, reservation, settlement } from '../fixtures.ts';
import { createHarness, freshLedger, historyPage, manyImages, problemOf } from '../harness.ts';

/** The first check, as wrangler.toml sets it. */
const FIRST_CHECK_MS = 45_000;

type Stub = ReturnType<typeof freshLedger>;

const alarmOf = (ledger: Stub) => runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm());

/** Enters a deletion, and settles it unless its outcome stays unknown. */
async function enter(ledger: Stub, requestId: string, outcome: 'already_absent' | 'unknown' = 'already_absent') {
  expect(await ledger.reserve(reservation(requestId), budgets(9))).toMatchObject({ ok: true });
  if (outcome !== 'unknown') await ledger.settle(idOf(requestId), settlement(outcome));
}

/** Makes the row of a request, or every row, older by `ms`. */
const age = (ledger: Stub, ms: number, requestId = '%') =>
  runInDurableObject(ledger, (_ledger, ctx) => {
    ctx.storage.sql.exec(
      'UPDATE deletions SET reserved_at = reserved_at - ?1, next_check_at = next_check_at - ?1 WHERE request_id LIKE ?2',
      ms,
      requestId,
    );
  });

describe('a budget of 50', () => {
  it('admits exactly 50 of 200 concurrent deletions, each with its row', async () => {
    // The timeout is long, because a second attempt would change the number of calls below.
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
    const failure = { of: 'caller', budget: 0, retryAfterS: 86_400 };
    expect(await freshLedger().reserve(reservation('r1'), budgets(0))).toEqual({ ok: false, failure });
    const outlook = await freshLedger().peek('cleaner', 'm-custom01', budgets(0));
    expect(outlook).toEqual({ exhausted: failure, lastDeletion: null, open: null });
  });

  it('answers queries without setting an alarm', async () => {
    const ledger = freshLedger();
    expect(await ledger.history(ALL_ROWS)).toEqual([]);
    expect(await ledger.peek('cleaner', 'm-custom01', budgets(5))).toMatchObject({ exhausted: null, open: null });
    expect(await alarmOf(ledger)).toBeNull();
  });
});

describe('a reservation', () => {
  it('sets the alarm for the first check', async () => {
    const ledger = freshLedger();
    const beforeMs = Date.now();
    await enter(ledger, 'r1', 'unknown');
    expect(await alarmOf(ledger)).toBeGreaterThanOrEqual(beforeMs + FIRST_CHECK_MS);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + FIRST_CHECK_MS);
  });

  it('keeps an earlier alarm, and replaces a later one', async () => {
    const ledger = freshLedger();
    const setAlarm = (timeMs: number) => runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.setAlarm(timeMs));
    const soonMs = Date.now() + FIRST_CHECK_MS / 2;
    await setAlarm(soonMs);
    await enter(ledger, 'r1', 'unknown');
    expect(await alarmOf(ledger)).toBe(soonMs);
    await setAlarm(Date.now() + DAY_MS);
    await ledger.reserve(reservation('r2', 'm-other001'), budgets(9));
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + FIRST_CHECK_MS);
  });

  it('restores a lost alarm, because earlier rows still need their check', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'r1', 'unknown');
    const firstMs = await alarmOf(ledger);
    await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.deleteAlarm());
    await ledger.reserve(reservation('r2', 'm-other001'), budgets(9));
    expect(await alarmOf(ledger)).toBe(firstMs);
  });

  it('that a budget refuses sets no alarm', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('r1'), budgets(0));
    expect(await alarmOf(ledger)).toBeNull();
  });
});

describe("the ledger's alarm", () => {
  it('removes the rows that are older than the configured retention, and no others', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'old');
    await enter(ledger, 'new');
    await age(ledger, 401 * DAY_MS, 'old');
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    expect(await runDurableObjectAlarm(ledger)).toBe(true);
    expect(log.mock.calls.map(([line]) => JSON.parse(line))).toEqual([
      { timestamp: expect.any(String), severity_text: 'INFO', 'event.name': 'rows_removed', 'ledger.rows': 1 },
    ]);
    log.mockRestore();
    expect((await ledger.history(ALL_ROWS)).map(({ requestId }) => requestId)).toEqual(['new']);
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now() + 399 * DAY_MS);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 400 * DAY_MS);
  });

  it('keeps a row until its retention is over', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'r1');
    await age(ledger, 400 * DAY_MS - 60_000);
    await runDurableObjectAlarm(ledger);
    expect(await ledger.history(ALL_ROWS)).toHaveLength(1);
  });

  it('is not set again once no row is left, until the next reservation', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'old');
    await age(ledger, 500 * DAY_MS);
    await runDurableObjectAlarm(ledger);
    expect(await alarmOf(ledger)).toBeNull();
    await enter(ledger, 'new');
    expect(await alarmOf(ledger)).not.toBeNull();
  });

  it('waits for an hour if a row is less than an hour from the end of its retention', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'old');
    await age(ledger, 400 * DAY_MS - HOUR_MS / 2);
    await runDurableObjectAlarm(ledger);
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now() + 0.9 * HOUR_MS);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + HOUR_MS);
  });

  it('is set for the next check of an unknown row, not for the end of retention', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'r1', 'unknown');
    await age(ledger, 20_000);
    await runDurableObjectAlarm(ledger);
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now() + 20_000);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + FIRST_CHECK_MS - 20_000);
  });

  it('is set for a minute later first, and then for now if overdue rows are left', async () => {
    const ledger = freshLedger();
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at, outcome)
         SELECT 'id' || i, 'r' || i, 'c', 'm-x', 'f', i, i, 'deleted' FROM n`,
        REMOVAL_BATCH + 1,
      );
    });
    const setAlarm = await runInDurableObject(ledger, async (instance, ctx) => {
      const spy = vi.spyOn(ctx.storage, 'setAlarm');
      await instance.alarm();
      const times = spy.mock.calls.map(([at]) => Number(at));
      spy.mockRestore();
      return times;
    });
    expect(setAlarm).toHaveLength(2);
    expect(setAlarm[0]).toBeGreaterThan(Date.now() + 50_000);
    expect(setAlarm[1]).toBeLessThanOrEqual(Date.now());
  });

  it('survives a bug: it logs the class of the error, and runs again in a minute', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'r1', 'unknown');
    const error = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    await runInDurableObject(ledger, async (instance, ctx) => {
      ctx.storage.sql.exec('ALTER TABLE deletions RENAME TO hidden');
      await instance.alarm();
      ctx.storage.sql.exec('ALTER TABLE hidden RENAME TO deletions');
    });
    const line = { timestamp: expect.any(String), severity_text: 'ERROR', 'event.name': 'alarm_failed' };
    expect(error.mock.calls.map(([each]) => JSON.parse(each))).toEqual([{ ...line, 'exception.type': 'Error' }]);
    error.mockRestore();
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now() + 50_000);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 60_000);
    expect(await ledger.history(ALL_ROWS)).toMatchObject([{ outcome: 'unknown' }]);
  });

  it('throws if no alarm can be set, so the platform tries again', async () => {
    await runInDurableObject(freshLedger(), async (instance, ctx) => {
      const setAlarm = vi.spyOn(ctx.storage, 'setAlarm').mockRejectedValue(new Error('no alarm'));
      await expect(instance.alarm()).rejects.toThrow('no alarm');
      setAlarm.mockRestore();
    });
  });
});

describe('a settlement', () => {
  it('that fails halfway changes nothing, and succeeds when it is tried again', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'r1', 'unknown');
    const settle = () => ledger.settle(idOf('r1'), settlement('deleted'));
    const rename = (from: string, to: string) =>
      runInDurableObject(ledger, (_ledger, ctx) => {
        ctx.storage.sql.exec(`ALTER TABLE ${from} RENAME TO ${to}`);
      });
    await rename('counters', 'hidden');
    await expect(
      runInDurableObject(ledger, (instance) => instance.settle(idOf('r1'), settlement('deleted'))),
    ).rejects.toThrow();
    await rename('hidden', 'counters');
    expect(await ledger.history(ALL_ROWS)).toMatchObject([{ outcome: 'unknown', settledAtMs: null }]);
    await settle();
    expect(await ledger.history(ALL_ROWS)).toMatchObject([{ outcome: 'deleted' }]);
    expect((await ledger.metrics()).deletions).toEqual({ cleaner: { deleted: 1 } });
  });
});

describe('a ledger that starts', () => {
  it('restores a lost alarm, so no row stays unknown', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'r1', 'unknown');
    await age(ledger, 20_000);
    await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.deleteAlarm());
    await evictDurableObject(ledger);
    await ledger.history(ALL_ROWS);
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now());
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + FIRST_CHECK_MS - 20_000);
  });
});

describe('a ledger that is evicted from memory', () => {
  it('keeps its rows and its budget', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('r1'), budgets(1));
    await evictDurableObject(ledger);
    expect(await ledger.reserve(reservation('r2', 'm-other001'), budgets(1))).toMatchObject({
      ok: false,
      failure: { of: 'caller', budget: 1 },
    });
    expect(await ledger.history(ALL_ROWS)).toMatchObject([{ requestId: 'r1', outcome: 'unknown', settledAtMs: null }]);
  });

  it('between a reservation and its settlement accepts the settlement, and gives the budget back', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('r1'), budgets(1));
    await evictDurableObject(ledger);
    await ledger.settle(idOf('r1'), settlement('rejected'));
    await evictDurableObject(ledger);
    expect(await ledger.history(ALL_ROWS)).toMatchObject([{ requestId: 'r1', outcome: 'rejected' }]);
    expect(await ledger.reserve(reservation('r2', 'm-other001'), budgets(1))).toMatchObject({ ok: true });
  });
});
