/** What the ledger's operations cost. The platform bills rows read and rows written, and counts each index as a row. */
import { describe, expect, it } from 'vitest';
import type { HistoryQuery } from '../../../src/worker/ledger/rows.ts';
import type { Sql } from '../../../src/worker/ledger/sql.ts';
import { LedgerStore } from '../../../src/worker/ledger/store.ts';
import { DAY_MS, HOUR_MS } from '../../../src/worker/time.ts';
import { ALL_ROWS, budgets, checkOf, idOf, reservation, SCHEDULE, settlement } from '../../fixtures.ts';
import { insideLedger } from '../../harness.ts';

const START_MS = Date.parse('2026-11-23T00:00:00Z');
const ROOM = budgets(100_000, 100_000);

/** Counts the rows that are read and written through it. */
class Meter implements Sql {
  read = 0;
  written = 0;
  readonly #sql: SqlStorage;
  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }
  exec(...given: Parameters<Sql['exec']>) {
    const cursor = this.#sql.exec(...given);
    const rows = cursor.toArray();
    this.read += cursor.rowsRead;
    this.written += cursor.rowsWritten;
    return {
      toArray: () => rows,
      one: () => {
        const [row] = rows;
        if (row === undefined) throw new Error('no row');
        return row;
      },
    };
  }
  /** What `act` costs. */
  of(act: () => unknown): { read: number; written: number } {
    const before = { read: this.read, written: this.written };
    act();
    return { read: this.read - before.read, written: this.written - before.written };
  }
}

/**
 * Old rows: of many callers and images, with every outcome but `unknown`. One job has sent the same request id for all of its images,
 * and one has deleted the same image again and again.
 */
function fill(sql: SqlStorage, count: number): void {
  sql.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
     INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at, outcome)
     SELECT 'old' || i, CASE i % 7 WHEN 5 THEN 'same' ELSE 'old' || i END, 'c' || (i % 7),
       CASE i % 7 WHEN 6 THEN 'm-loop0001' WHEN 5 THEN 'm-own' || i ELSE 'm-image' || (i % 50) END, 'f', ?2 + i, ?2 + i,
       CASE WHEN i % 7 = 6 THEN 'already_absent' WHEN i % 5 = 0 THEN 'deleted' WHEN i % 5 = 1 THEN 'rejected' WHEN i % 5 = 2 THEN 'already_absent' WHEN i % 5 = 3 THEN 'not_attempted'
       ELSE 'not_deleted' END FROM n`,
    count,
    START_MS - 30 * DAY_MS,
  );
}

/** Runs `act` on one ledger for each number of old rows. */
async function withOldRows<T>(
  counts: readonly number[],
  act: (store: LedgerStore, meter: Meter, oldRows: number) => T,
): Promise<T[]> {
  const found: T[] = [];
  for (const oldRows of counts) {
    const each = await insideLedger((sql) => {
      fill(sql, oldRows);
      const meter = new Meter(sql);
      return act(new LedgerStore(meter, SCHEDULE), meter, oldRows);
    });
    found.push(each);
  }
  return found;
}

describe('the rows written', () => {
  it('for each step of a deletion are exact, and do not grow with the rows', async () => {
    const costs = await withOldRows([0, 2_000], (store, meter) => {
      const reserve = (requestId: string, given = ROOM) => store.reserve(reservation(requestId), given, START_MS);
      // The first row of a table costs one more, because it starts the numbering.
      store.cancel(reservation('first', 'm-first001'), settlement('not_attempted'), START_MS);
      store.applyCheck('m-none0001', checkOf('failed', START_MS), START_MS);
      store.reserve(reservation('lost', 'm-lost0001'), ROOM, START_MS);
      const check = (finding: 'absent' | 'failed', afterS: number, imageId = 'm-lost0001') => {
        const nowMs = START_MS + afterS * 1000;
        return meter.of(() => store.applyCheck(imageId, checkOf(finding, nowMs), nowMs)).written;
      };
      return {
        reserve: meter.of(() => reserve('r1')).written,
        refusal: meter.of(() => reserve('r2')).written,
        settle: meter.of(() => store.settle(idOf('r1'), settlement('deleted'), START_MS)).written,
        again: meter.of(() => store.settle(idOf('r1'), settlement('deleted'), START_MS)).written,
        verify: check('absent', 45, 'm-custom01'),
        settleUnknown: meter.of(() => store.settle(idOf('lost'), settlement('unknown'), START_MS)).written,
        checkFails: check('failed', 45),
        checkResolves: check('absent', 120),
        exhausted: meter.of(() => reserve('r3', budgets(0))).written,
        peek: meter.of(() => store.peek('cleaner', 'm-other001', ROOM, START_MS)).written,
      };
    });
    const [cost] = costs;
    // A reservation is the row and its seven indexes; a settlement the row, the three indexes with the outcome, and the counter.
    // The alarm is set at the reservation, when it begins and when it ends. With it, a deletion writes 8 + 5 + 1 + 3 = 17 rows,
    // and a lost one 8 + 4 + 6 + 3 = 21.
    expect(cost).toEqual({
      reserve: 8,
      refusal: 1,
      settle: 5,
      again: 0,
      verify: 1,
      settleUnknown: 4,
      checkFails: 3,
      checkResolves: 6,
      exhausted: 1,
      peek: 0,
    });
    expect(costs[1]).toEqual(cost);
  });
});

describe('the rows read', () => {
  it.each<[string, Partial<HistoryQuery>]>([
    ['everything', {}],
    ['an outcome', { outcome: 'deleted' }],
    ['a caller', { caller: 'c1' }],
    ['a caller and an outcome', { caller: 'c1', outcome: 'deleted' }],
    ['a caller and an image', { caller: 'c6', imageId: 'm-loop0001' }],
    ['a caller and a request id that is always the same', { caller: 'c5', requestId: 'same' }],
    [
      'a caller, an image and a request id that is always the same',
      { caller: 'c5', imageId: 'm-own5', requestId: 'same' },
    ],
    [
      'a caller, an image that is always the same and a request',
      { caller: 'c6', imageId: 'm-loop0001', requestId: 'old13' },
    ],
    ['an image', { imageId: 'm-loop0001' }],
    ['an image and an outcome', { imageId: 'm-loop0001', outcome: 'already_absent' }],
    ['everything since some time', { sinceMs: START_MS - 31 * DAY_MS }],
  ])('for a page of %s do not grow with the rows', async (_what, filter) => {
    const reads = await withOldRows([1_500, 6_000], (store, meter) =>
      meter.of(() => expect(store.history({ ...ALL_ROWS, ...filter, limit: 5 })).not.toEqual([])),
    );
    expect(reads[1]?.read).toBe(reads[0]?.read);
    expect(reads[0]?.read).toBeLessThan(150);
  });

  it.each<[string, Partial<HistoryQuery>]>([
    ['a caller', { caller: 'rare' }],
    ['an image', { imageId: 'm-rare0001' }],
  ])('for a page of %s in a time range do not grow with the rows of others', async (_what, filter) => {
    const reads = await withOldRows([1_000, 4_000], (store, meter) => {
      store.reserve(reservation('r1', 'm-rare0001', 'rare'), ROOM, START_MS - 20 * DAY_MS);
      store.settle(idOf('r1'), settlement('deleted'), START_MS);
      const range = { outcome: 'deleted', sinceMs: START_MS - 31 * DAY_MS, untilMs: START_MS + DAY_MS } as const;
      return meter.of(() => store.history({ ...ALL_ROWS, ...filter, ...range, limit: 5 })).read;
    });
    expect(reads[1]).toBe(reads[0]);
  });

  it.each(['m-custom01', 'm-loop0001'])('for a deletion of %s do not grow with the rows', async (imageId) => {
    const reads = await withOldRows([1_000, 4_000], (store, meter) => {
      const reserve = (requestId: string) => store.reserve(reservation(requestId, imageId, 'c6'), ROOM, START_MS);
      const check = (nowMs: number) => store.applyCheck(imageId, checkOf('failed', nowMs), nowMs);
      const nowMs = START_MS + 45_000;
      return {
        peek: meter.of(() => store.peek('c6', imageId, ROOM, START_MS)).read,
        reserve: meter.of(() => reserve('r1')).read,
        refusal: meter.of(() => reserve('r2')).read,
        due: meter.of(() => store.dueImage(['m-1', 'm-2', 'm-3', 'm-4'], nowMs)).read,
        check: meter.of(() => check(nowMs)).read,
        settle: meter.of(() => store.settle(idOf('r1'), settlement('deleted'), nowMs)).read,
        next: meter.of(() => store.nextCheckMs()).read,
      };
    });
    expect(reads[1]).toEqual(reads[0]);
  });

  it('for a reservation are one for each image that counts, for the caller and for the account', async () => {
    const reads = await withOldRows([10, 100], (store, meter, counting) => {
      for (let n = 0; n < counting; n++) store.reserve(reservation(`n${n}`, `m-count${n}`, 'c1'), ROOM, START_MS + n);
      return meter.of(() => store.reserve(reservation('r1', 'm-custom01', 'c1'), ROOM, START_MS + HOUR_MS)).read;
    });
    expect((reads[1] ?? 0) - (reads[0] ?? 0)).toBe(90 * 2);
  });

  it('for the metrics do not grow with the rows', async () => {
    const reads = await withOldRows([1_000, 4_000], (store, meter) => {
      store.reserve(reservation('r1'), ROOM, START_MS);
      return meter.of(() => store.metrics(START_MS));
    });
    expect(reads[1]).toEqual(reads[0]);
    expect(reads[0]?.written).toBe(0);
  });

  it('for the alarm of a ledger that is not full do not grow with the rows', async () => {
    const reads = await withOldRows([1_000, 4_000], (store, meter) =>
      meter.of(() => [store.oldestMs(), store.remove(0), store.removeWithoutEffect(START_MS)]),
    );
    expect(reads[1]).toEqual(reads[0]);
  });
});
