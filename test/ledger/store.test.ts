/** The ledger on the SQLite of a real Durable Object, with time as an argument. */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import type { HistoryQuery, Settlement } from '../../src/ledger/rows.ts';
import { MIGRATIONS, SQL } from '../../src/ledger/schema.ts';
import { LedgerStore, REMOVAL_BATCH, type Sql } from '../../src/ledger/store.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.parse('2026-11-23T00:00:00Z');

const fresh = () => env.LEDGER.getByName(crypto.randomUUID());
const inside = <T>(act: (sql: SqlStorage, ctx: DurableObjectState) => T | Promise<T>) =>
  runInDurableObject(fresh(), (_ledger, ctx) => act(ctx.storage.sql, ctx));
function storeIn(sql: Sql): LedgerStore {
  const store = new LedgerStore(sql);
  store.migrate();
  return store;
}
const reservation = (requestId: string, imageId = 'm-custom01') => ({ requestId, imageId, keyFingerprint: '9ae8a8b2' });
const settlement = (outcome: Settlement['outcome']): Settlement => ({
  outcome,
  code: outcome === 'deleted' ? null : 'image_not_custom',
  attempts: 1,
  upstreamRequestId: 'up-1',
  imageName: null,
});
const everything = { imageId: null, outcome: null, sinceMs: null, untilMs: null, beforeSeq: null, limit: 100 };
const seqOf = (reserved: ReturnType<LedgerStore['reserve']>) => {
  if (!('seq' in reserved)) throw new Error('not reserved');
  return reserved.seq;
};

describe('a row', () => {
  it('is born unknown, and says so until it is settled, which happens once', async () => {
    await inside((sql) => {
      const store = storeIn(sql);
      const seq = seqOf(store.reserve(reservation('r1'), 5, START_MS));
      expect(store.history(everything)).toEqual([
        {
          seq,
          requestId: 'r1',
          imageId: 'm-custom01',
          imageName: null,
          keyFingerprint: '9ae8a8b2',
          reservedAtMs: START_MS,
          settledAtMs: null,
          outcome: 'unknown',
          code: null,
          attempts: null,
          upstreamRequestId: null,
        },
      ]);
      store.settle(seq, { ...settlement('deleted'), imageName: 'ci' }, START_MS + 7);
      store.settle(seq, settlement('rejected'), START_MS + 9);
      expect(store.history(everything)).toMatchObject([
        {
          settledAtMs: START_MS + 7,
          outcome: 'deleted',
          imageName: 'ci',
          code: null,
          attempts: 1,
          upstreamRequestId: 'up-1',
        },
      ]);
    });
  });

  it('never stands before an older one, even if the clock goes back', async () => {
    await inside((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), 5, START_MS);
      store.reserve(reservation('r2'), 5, START_MS - HOUR_MS);
      expect(store.history(everything).map(({ reservedAtMs }) => reservedAtMs)).toEqual([START_MS, START_MS]);
    });
  });
});

describe('the budget', () => {
  it('is exact over the last 24 hours, and says truly when there is room again', async () => {
    await inside((sql) => {
      const store = storeIn(sql);
      for (let hour = 0; hour < 3; hour++) store.reserve(reservation(`r${hour}`), 3, START_MS + hour * HOUR_MS);
      const at = (timeMs: number) => store.reserve(reservation('x'), 3, timeMs);
      expect(at(START_MS + 2 * HOUR_MS)).toEqual({ retryAfterS: 22 * 3600 });
      expect(at(START_MS + DAY_MS - 1)).toEqual({ retryAfterS: 1 });
      expect(at(START_MS + DAY_MS)).toHaveProperty('seq');
      expect(at(START_MS + DAY_MS)).toEqual({ retryAfterS: 3600 });
    });
  });

  it.each([
    ['rejected', true],
    ['not_attempted', true],
    ['deleted', false],
    ['already_absent', false],
    ['unknown', false],
  ] as const)('comes back after %s: %s', async (outcome, comesBack) => {
    await inside((sql) => {
      const store = storeIn(sql);
      const seq = seqOf(store.reserve(reservation('r1'), 1, START_MS));
      store.settle(seq, settlement(outcome), START_MS);
      expect('seq' in store.reserve(reservation('r2'), 1, START_MS)).toBe(comesBack);
    });
  });

  it('comes back where the image was found absent before anything was sent', async () => {
    await inside((sql) => {
      const store = storeIn(sql);
      const seq = seqOf(store.reserve(reservation('r1'), 1, START_MS));
      store.settle(seq, { ...settlement('already_absent'), attempts: 0 }, START_MS);
      expect(store.reserve(reservation('r2'), 1, START_MS)).toHaveProperty('seq');
    });
  });

  it('that was lowered is passed by nobody until enough rows have stopped counting', async () => {
    await inside((sql) => {
      const store = storeIn(sql);
      for (let hour = 0; hour < 5; hour++) store.reserve(reservation(`r${hour}`), 5, START_MS + hour * HOUR_MS);
      // With a budget of 2, four of the five have to go; the fourth came at three o'clock.
      const refused = store.reserve(reservation('x'), 2, START_MS + 5 * HOUR_MS);
      expect(refused).toEqual({ retryAfterS: 22 * 3600 });
      expect(store.reserve(reservation('x'), 2, START_MS + 27 * HOUR_MS)).toHaveProperty('seq');
    });
  });

  it('of nothing lets nothing through', async () => {
    await inside((sql) => {
      expect(storeIn(sql).reserve(reservation('r1'), 0, START_MS)).toEqual({ retryAfterS: 86_400 });
    });
    expect(await fresh().reserve(reservation('r1'), 0)).toEqual({ retryAfterS: 86_400 });
    expect(await fresh().peek('m-custom01', 0)).toEqual({ retryAfterS: 86_400, deleted: null });
  });
});

describe('history', () => {
  it('is filtered by image, outcome and time, alone and together', async () => {
    await inside((sql) => {
      const store = storeIn(sql);
      const outcomes = ['deleted', 'rejected', 'unknown'] as const;
      for (let n = 0; n < 12; n++) {
        const seq = seqOf(store.reserve(reservation(`r${n}`, `m-image${n % 2}0`), 100, START_MS + n * HOUR_MS));
        const outcome = outcomes[n % 3];
        if (outcome !== undefined && outcome !== 'unknown') store.settle(seq, settlement(outcome), START_MS);
      }
      const ids = (query: Partial<HistoryQuery>) =>
        store.history({ ...everything, ...query }).map(({ requestId }) => Number(requestId.slice(1)));
      expect(ids({})).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
      expect(ids({ limit: 2 })).toEqual([11, 10]);
      expect(ids({ imageId: 'm-image10' })).toEqual([11, 9, 7, 5, 3, 1]);
      expect(ids({ outcome: 'unknown' })).toEqual([11, 8, 5, 2]);
      expect(ids({ imageId: 'm-image10', outcome: 'deleted' })).toEqual([9, 3]);
      expect(ids({ sinceMs: START_MS + 9 * HOUR_MS })).toEqual([11, 10, 9]);
      expect(ids({ untilMs: START_MS + 2 * HOUR_MS })).toEqual([1, 0]);
      expect(ids({ sinceMs: START_MS + 2 * HOUR_MS, untilMs: START_MS + 5 * HOUR_MS })).toEqual([4, 3, 2]);
      expect(ids({ sinceMs: START_MS + 3 * HOUR_MS, outcome: 'deleted', imageId: 'm-image10' })).toEqual([9, 3]);
      expect(ids({ sinceMs: START_MS + 99 * HOUR_MS })).toEqual([]);
      expect(ids({ imageId: 'm-absent01' })).toEqual([]);
    });
  });

  it('knows the last deletion of an image, and takes no other row for one', async () => {
    await inside((sql) => {
      const store = storeIn(sql);
      for (const [n, outcome] of (['deleted', 'deleted', 'rejected', 'already_absent'] as const).entries()) {
        store.settle(seqOf(store.reserve(reservation(`r${n}`), 9, START_MS + n)), settlement(outcome), START_MS + n);
      }
      store.reserve(reservation('other', 'm-other001'), 9, START_MS + 9);
      expect(store.lastDeleted('m-custom01')?.requestId).toBe('r1');
      expect(store.lastDeleted('m-other001')).toBeNull();
    });
  });
});

describe('how SQLite finds what it is asked for', () => {
  it.each(Object.entries(SQL))('%s goes by an index or a key, and sorts nothing', async (_name, statement) => {
    await inside((sql) => {
      storeIn(sql);
      const bindings = [...statement.matchAll(/\?/g)].map(() => 1);
      const plan = sql
        .exec(`EXPLAIN QUERY PLAN ${statement}`, ...bindings)
        .toArray()
        .map(({ detail }) => String(detail));
      for (const step of plan) {
        expect(step).not.toMatch(/TEMP B-TREE/);
        // Walking the key backwards or forwards from its end is how the newest and the oldest row are found.
        if (/^SCAN/.test(step)) expect([SQL.newest, SQL.oldest]).toContain(statement);
      }
      if (statement === SQL.lastDeleted || statement === SQL.historyOfImageAndOutcome) {
        expect(plan.join()).toMatch(/deletions_by_image_and_outcome \(image_id=\? AND outcome=\?/);
      }
      if (statement === SQL.counted) expect(plan.join()).toMatch(/COVERING INDEX deletions_counted/);
    });
  });
});

describe('the schema', () => {
  it('carries its version and migrates an old ledger with its rows', async () => {
    await inside((sql) => {
      const old = new LedgerStore(sql);
      old.migrate(MIGRATIONS.slice(0, 1));
      expect(old.version()).toBe(1);
      const seq = seqOf(old.reserve(reservation('r1'), 5, START_MS));
      old.settle(seq, settlement('deleted'), START_MS);

      const store = storeIn(sql);
      expect(store.version()).toBe(MIGRATIONS.length);
      expect(store.lastDeleted('m-custom01')?.requestId).toBe('r1');
      expect(seqOf(store.reserve(reservation('r2'), 5, START_MS))).toBe(seq + 1);
      const indexes = sql.exec("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name").toArray();
      expect(indexes.map(({ name }) => name)).toEqual([
        'deletions_by_image',
        'deletions_by_image_and_outcome',
        'deletions_by_outcome',
        'deletions_by_time',
        'deletions_counted',
      ]);
      store.migrate();
      expect(store.version()).toBe(MIGRATIONS.length);
    });
  });

  it('of a newer release is not touched', async () => {
    await inside((sql) => {
      const newer = new LedgerStore(sql);
      newer.migrate([...MIGRATIONS, 'CREATE TABLE later (x)']);
      expect(() => new LedgerStore(sql).migrate()).toThrow('newer schema');
      expect(newer.version()).toBe(MIGRATIONS.length + 1);
    });
  });

  it('is not created for an object that is only asked', async () => {
    const ledger = fresh();
    expect(await ledger.history(everything)).toEqual([]);
    expect(await ledger.peek('m-custom01', 5)).toEqual({ retryAfterS: null, deleted: null });
    expect(await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm())).toBeNull();
    expect(await runInDurableObject(ledger, (_ledger, ctx) => new LedgerStore(ctx.storage.sql).version())).toBe(0);
  });
});

describe('retention', () => {
  it('removes by an alarm what is older than the configured days, and nothing else', async () => {
    const ledger = fresh();
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
    expect((await ledger.history(everything)).map(({ requestId }) => requestId)).toEqual(['new']);
    expect(second).toHaveProperty('seq');
    const nextMs = await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm());
    expect(nextMs).toBeGreaterThan(Date.now() + 399 * DAY_MS);
  });

  it('that was shortened moves the alarm that was set for a longer one', async () => {
    const ledger = fresh();
    await ledger.reserve(reservation('old'), 9);
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec('UPDATE deletions SET reserved_at = ?', Date.now() - 401 * DAY_MS);
    });
    await ledger.reserve(reservation('new'), 9);
    const alarmMs = await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm());
    expect(alarmMs).toBeLessThanOrEqual(Date.now());
  });

  it('sets no further alarm where nothing is left, until something is entered again', async () => {
    const ledger = fresh();
    await ledger.reserve(reservation('old'), 5);
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec('UPDATE deletions SET reserved_at = 0');
    });
    await runDurableObjectAlarm(ledger);
    expect(await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm())).toBeNull();
    await ledger.reserve(reservation('new'), 5);
    expect(await runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm())).not.toBeNull();
  });

  it('goes on at once where one batch was not enough', async () => {
    await inside((sql) => {
      const store = storeIn(sql);
      sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO deletions (request_id, image_id, key_fingerprint, reserved_at) SELECT 'r' || i, 'm-x', 'f', i FROM n`,
        REMOVAL_BATCH + 3,
      );
      expect(store.remove(DAY_MS)).toBe(REMOVAL_BATCH + 1);
      expect(store.remove(DAY_MS)).toBeNull();
    });
  });

  it('re-arms for now while rows are overdue', async () => {
    const ledger = fresh();
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
