/** What the ledger's operations cost on the platform, which bills rows read and rows written, an index as a row. */
import { describe, expect, it } from 'vitest';
import type { HistoryQuery } from '../../../src/worker/ledger/rows.ts';
import type { Sql } from '../../../src/worker/ledger/sql.ts';
import { LedgerStore } from '../../../src/worker/ledger/store.ts';
import { ALL_ROWS, budgets, idOf, reservation, settlement } from '../../fixtures.ts';
import { insideLedger } from '../../harness.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.parse('2026-11-23T00:00:00Z');
const ROOM = budgets(100_000, 100_000);

/** Counts what passes through it. */
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

/** Old rows: of many callers and images, with every outcome but `unknown`. */
function fill(sql: SqlStorage, count: number): void {
  sql.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
     INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at, outcome)
     SELECT 'old' || i, 'old' || i, 'c' || (i % 7), 'm-image' || (i % 50), 'f', ?2 + i, ?2 + i,
       CASE i % 5 WHEN 0 THEN 'deleted' WHEN 1 THEN 'rejected' WHEN 2 THEN 'already_absent' WHEN 3 THEN 'not_attempted'
       ELSE 'not_deleted' END FROM n`,
    count,
    START_MS - 30 * DAY_MS,
  );
}

/** What `act` finds with each number of old rows, in a store whose counts have been taken. */
async function withOldRows<T>(
  counts: readonly number[],
  act: (store: LedgerStore, meter: Meter, oldRows: number) => T,
): Promise<T[]> {
  const found: T[] = [];
  for (const oldRows of counts) {
    const each = await insideLedger((sql) => {
      fill(sql, oldRows);
      const meter = new Meter(sql);
      const store = new LedgerStore(meter);
      store.peek('c1', 'm-image1', ROOM, START_MS);
      return act(store, meter, oldRows);
    });
    found.push(each);
  }
  return found;
}

describe('the rows written', () => {
  it('by a reservation and a settlement are exact numbers, which more rows do not change', async () => {
    const costs = await withOldRows([0, 2_000], (store, meter) => {
      // The first row of a table costs one more, because its numbers begin.
      store.reserve(reservation('first'), ROOM, START_MS);
      return {
        reserve: meter.of(() => store.reserve(reservation('r1'), ROOM, START_MS)).written,
        settle: meter.of(() => store.settle(idOf('r1'), settlement('deleted'), START_MS)).written,
        again: meter.of(() => store.settle(idOf('r1'), settlement('deleted'), START_MS)).written,
        unknown: meter.of(() => store.settle(idOf('first'), settlement('unknown'), START_MS)).written,
        refusal: meter.of(() => store.reserve(reservation('r2', 'm-other001'), budgets(0), START_MS)).written,
        peek: meter.of(() => store.peek('cleaner', 'm-other001', ROOM, START_MS)).written,
      };
    });
    // The row and its five indexes; then the row, the three indexes that have the outcome, and the counter of final outcomes.
    expect(costs[0]).toEqual({ reserve: 6, settle: 5, again: 0, unknown: 4, refusal: 1, peek: 0 });
    expect(costs[1]).toEqual(costs[0]);
  });
});

describe('the rows read', () => {
  it.each<[string, Partial<HistoryQuery>]>([
    ['everything', {}],
    ['a caller', { caller: 'c1' }],
    ['an image', { imageId: 'm-image1' }],
    ['an outcome', { outcome: 'deleted' }],
    ['a caller and an outcome', { caller: 'c1', outcome: 'deleted' }],
    ['a request', { requestId: 'old40' }],
    ['everything since some time', { sinceMs: START_MS - 31 * DAY_MS }],
  ])('for a page of %s do not grow with the rows', async (_what, filter) => {
    const reads = await withOldRows([1_000, 4_000], (store, meter) => {
      return meter.of(() => store.history({ ...ALL_ROWS, ...filter, limit: 5 })).read;
    });
    expect(reads[1]).toBe(reads[0]);
    expect(reads[0]).toBeLessThan(150);
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

  it('by a reservation and a settlement do not grow with the rows, nor with the images that count', async () => {
    const reads = await withOldRows([10, 1_000], (store, meter, counting) => {
      for (let n = 0; n < counting; n++) store.reserve(reservation(`n${n}`, `m-count${n}`, 'c1'), ROOM, START_MS + n);
      return {
        reserve: meter.of(() => store.reserve(reservation('r1'), ROOM, START_MS + HOUR_MS)).read,
        settle: meter.of(() => store.settle(idOf('r1'), settlement('deleted'), START_MS + HOUR_MS)).read,
      };
    });
    expect(reads[1]).toEqual(reads[0]);
  });

  it('by the metrics do not grow with the rows', async () => {
    const reads = await withOldRows([1_000, 4_000], (store, meter) => {
      store.reserve(reservation('r1'), ROOM, START_MS);
      return meter.of(() => store.metrics(START_MS));
    });
    expect(reads[1]).toEqual(reads[0]);
    expect(reads[0]?.written).toBe(0);
  });
});
