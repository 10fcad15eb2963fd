/** The ledger's schema, and how SQLite runs each statement on it. */
import { describe, expect, it } from 'vitest';
import { COUNTER_SQL } from '../../../src/worker/ledger/counters.ts';
import type { HistoryQuery } from '../../../src/worker/ledger/rows.ts';
import {
  historyIndex,
  historyStatement,
  MAX_SAME_REQUESTS,
  MIGRATIONS,
  SQL,
} from '../../../src/worker/ledger/schema.ts';
import { LedgerStore } from '../../../src/worker/ledger/store.ts';
import { ROW_OUTCOMES } from '../../../src/worker/outcome.ts';
import { ALL_ROWS, budgets, checkOf, idOf, reservation, SCHEDULE, settlement } from '../../fixtures.ts';
import { insideLedger, storeIn } from '../../harness.ts';

const START_MS = Date.parse('2026-11-23T00:00:00Z');

/** SQLite's plan for a statement, one step per line. */
function planOf(sql: SqlStorage, statement: string, bindings?: (string | number)[]): string[] {
  const numbers = [...statement.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number));
  const count = numbers.length > 0 ? Math.max(...numbers) : [...statement.matchAll(/\?/g)].length;
  return sql
    .exec(`EXPLAIN QUERY PLAN ${statement}`, ...(bindings ?? Array.from({ length: count }, () => 1)))
    .toArray()
    .map(({ detail }) => String(detail));
}

/** The steps that scan an entire table, except those over the rows of a subquery. */
const scans = (plan: readonly string[]) =>
  plan.filter((step) => /^SCAN (?!\(subquery|CONSTANT ROW|\d+ CONSTANT)/.test(step));

/** The steps whose rows are sorted. */
const sortsOf = (plan: readonly string[]) =>
  plan.flatMap((step, index) => (step.includes('TEMP B-TREE') ? [plan[index - 1] ?? ''] : []));

const filters = { caller: 'a', imageId: 'm-custom01', requestId: 'r1', outcome: 'deleted' } as const;
const ranges = { sinceMs: 1, untilMs: 2, after: { reservedAtMs: 1, seq: 1 } };
const parts = Object.entries({ ...filters, ...ranges });
const queries = Array.from({ length: 2 ** parts.length }, (_, bits) => {
  const chosen = parts.filter((_part, index) => (bits >> index) % 2 === 1);
  const query: HistoryQuery = { ...ALL_ROWS, ...Object.fromEntries(chosen) };
  return { given: chosen.map(([name]) => name).join(', ') || 'nothing', query };
});

/** Statements that may sort. Those for a budget read only the rows that count, so no more than the budget. */
const GROUPED: readonly string[] = [
  'accountCount',
  'callerCount',
  'callerCounts',
  'accountLeaves',
  'callerLeaves',
  // Sorts at most two batches.
  'removeWithoutEffect',
];

describe('the statement', () => {
  it.each(Object.entries({ ...SQL, ...COUNTER_SQL }))(
    '%s uses an index or the key, and sorts nothing',
    async (name, statement) => {
      await insideLedger((sql) => {
        const plan = planOf(sql, statement);
        expect(scans(plan)).toEqual([]);
        if (GROUPED.includes(name)) return;
        expect(sortsOf(plan).filter((sorted) => !/reserved_at[<>]/.test(sorted))).toEqual([]);
      });
    },
  );

  it.each([
    ['newestWith', /deletions_by_image \(image_id=\? AND outcome=\?\)/],
    ['unknown', /deletions_by_image \(image_id=\? AND outcome=\?\)/],
    ['checked', /deletions_by_image \(image_id=\? AND outcome=\?\)/],
    ['due', /deletions_by_check \(<expr>=\? AND next_check_at<\?\)/],
    ['nextCheck', /deletions_by_check \(<expr>=\?/],
    ['accountRows', /deletions_by_outcome \(outcome=\? AND reserved_at>\?\)/],
    ['callerRows', /deletions_by_caller \(caller=\? AND outcome=\? AND reserved_at>\?\)/],
    ['accountCount', /deletions_by_outcome \(outcome=\? AND reserved_at>\?\)/],
    ['callerCount', /deletions_by_caller \(caller=\? AND outcome=\? AND reserved_at>\?\)/],
    ['callerCounts', /deletions_by_outcome \(outcome=\? AND reserved_at>\?\)/],
    ['accountHas', /deletions_by_image \(image_id=\? AND outcome=\? AND reserved_at>\?\)/],
    ['callerHas', /deletions_by_image \(image_id=\? AND outcome=\? AND reserved_at>\?\)/],
    ['accountLeaves', /deletions_by_outcome \(outcome=\? AND reserved_at>\?\)/],
    ['callerLeaves', /deletions_by_caller \(caller=\? AND outcome=\? AND reserved_at>\?\)/],
    ['sameRequests', /deletions_by_request_and_caller \(request_id=\? AND caller=\?\)/],
    ['remove', /deletions_by_outcome \(outcome=\? AND reserved_at<\?\)/],
    ['removeWithoutEffect', /deletions_by_outcome \(outcome=\? AND reserved_at<\?\)/],
    ['oldest', /deletions_by_outcome \(outcome=\?\)/],
  ] as const)('%s narrows its search as far as it can', async (name, step) => {
    await insideLedger((sql) => expect(planOf(sql, SQL[name]).join('\n')).toMatch(step));
  });
});

describe('a page of history', () => {
  it('is tested with all 128 combinations of filters, time range and cursor', () => {
    expect(new Set(queries.map(({ given }) => given)).size).toBe(128);
  });

  it.each(queries)('filtered by $given is one search in the narrowest index', async ({ query }) => {
    await insideLedger((sql) => {
      for (const sameRequests of [0, MAX_SAME_REQUESTS + 1]) {
        const { sql: statement, bindings } = historyStatement(query, historyIndex(query, sameRequests));
        const used = new Set([...statement.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number)));
        expect([...used].sort((a, b) => a - b)).toEqual(bindings.map((_binding, index) => index + 1));
        const plan = planOf(sql, statement, bindings);
        expect(scans(plan)).toEqual([]);
        const { caller, imageId, requestId, outcome } = query;
        const [index, byOutcome] = expectedIndex(
          caller !== null,
          imageId !== null,
          requestId !== null,
          sameRequests > 0,
        );
        // An index with the outcome before the time needs one search per outcome, unless the outcome is given.
        const searches = byOutcome && outcome === null ? ROW_OUTCOMES.length : 1;
        const steps = plan.filter((step) => step.startsWith('SEARCH'));
        expect(steps).toHaveLength(searches);
        for (const step of steps) expect(step).toContain(`USING INDEX ${index} (`);
        // Two pages that were found may be sorted, and so may the few rows with one request id of any caller.
        const sorted = sortsOf(plan).filter((step) => !step.startsWith('SCAN (sub'));
        if (requestId === null || caller !== null) expect(sorted).toEqual([]);
      }
    });
  });

  /** The index that serves a query, and whether it has the outcome before the time. */
  function expectedIndex(caller: boolean, image: boolean, request: boolean, manyOfRequest: boolean): [string, boolean] {
    if (request && !(caller && image && manyOfRequest)) return ['deletions_by_request_and_caller', false];
    if (image && caller) return ['deletions_by_caller_and_image', false];
    if (image) return ['deletions_by_image', true];
    return caller ? ['deletions_by_caller', true] : ['deletions_by_outcome', true];
  }
});

describe('an index', () => {
  it('exists only if a statement uses it', async () => {
    await insideLedger((sql) => {
      const plans = [
        ...Object.values(SQL).map((statement) => planOf(sql, statement)),
        ...queries.map(({ query }) => {
          const { sql: statement, bindings } = historyStatement(query, historyIndex(query, 0));
          return planOf(sql, statement, bindings);
        }),
      ];
      const indexes = sql.exec("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name").toArray();
      expect(indexes.map(({ name }) => name)).toEqual([
        'deletions_by_caller',
        'deletions_by_caller_and_image',
        'deletions_by_check',
        'deletions_by_image',
        'deletions_by_outcome',
        'deletions_by_request_and_caller',
        'sqlite_autoindex_deletions_1',
      ]);
      for (const { name } of indexes) expect(plans.flat().join('\n')).toMatch(new RegExp(`INDEX ${String(name)} `));
    });
  });
});

describe('the schema', () => {
  const versionOf = (sql: SqlStorage) => sql.exec('SELECT version FROM schema_version').one()['version'];
  const startAgain = (sql: SqlStorage) => {
    for (const table of ['deletions', 'counters']) sql.exec(`DROP TABLE ${table}`);
    sql.exec('DROP TABLE schema_version');
  };

  /** A row as 1.0.0 entered it. */
  const enterAsBefore = (
    sql: SqlStorage,
    id: string,
    reservedAtMs: number,
    outcome: string,
    lookedAtMs: number | null = null,
  ) =>
    sql.exec(
      `INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at, outcome, looks, looked_at)
       VALUES (?1, ?1, 'cleaner', 'm-custom01', '9ae8a8b2', ?2, ?2, ?3, 2, ?4)`,
      id,
      reservedAtMs,
      outcome,
      lookedAtMs,
    );

  it('has a version, and a ledger of 1.0.0 keeps its rows, even several open ones of one image', async () => {
    await insideLedger((sql) => {
      startAgain(sql);
      new LedgerStore(sql, SCHEDULE).migrate(MIGRATIONS.slice(0, 1));
      expect(versionOf(sql)).toBe(1);
      enterAsBefore(sql, 'gone', START_MS, 'deleted');
      enterAsBefore(sql, 'open1', START_MS + 1, 'unknown', START_MS + 50_000);
      enterAsBefore(sql, 'open2', START_MS + 2, 'unknown');
      const later = [...MIGRATIONS, 'ALTER TABLE deletions ADD COLUMN later TEXT'];
      for (let times = 0; times < 2; times++) {
        new LedgerStore(sql, SCHEDULE).migrate(later);
        expect(versionOf(sql)).toBe(later.length);
      }
      const store = new LedgerStore(sql, SCHEDULE);
      const nowMs = START_MS + 100_000;
      expect(store.peek('cleaner', 'm-custom01', budgets(5), nowMs)).toMatchObject({
        lastDeletion: { requestId: 'gone' },
        open: { id: 'open2' },
      });
      expect(store.nextCheckMs()).toBe(START_MS + 1);
      expect(store.dueImage([], nowMs)).toBe('m-custom01');
      expect(store.applyCheck('m-custom01', checkOf('absent', nowMs), nowMs)).toHaveLength(2);
      // Deletions of 1.0.0 are not read back.
      expect(store.history(ALL_ROWS).map(({ id, outcome, verified }) => [id, outcome, verified])).toEqual([
        ['open2', 'deleted', null],
        ['open1', 'deleted', null],
        ['gone', 'deleted', null],
      ]);
      expect(store.nextCheckMs()).toBeNull();
    });
  });

  it('accepts what a Worker of 1.0.0 sends, and returns what it can read', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), budgets(5), START_MS);
      const { reserved } = store.reserve(reservation('r2'), budgets(5), START_MS);
      // 1.0.0 spreads a refusal over a failure that already has its code.
      expect(reserved).toMatchObject({ ok: false, failure: { of: 'caller', budget: 5, retryAfterS: 5 } });
      expect(reserved.ok ? {} : reserved.failure).not.toHaveProperty('code');
      const { unlistedAbsence: _new, ...asBefore } = { ...settlement('deleted'), unlistedAbsence: false };
      store.settle(idOf('r1'), asBefore, START_MS);
      expect(store.reserve(reservation('r3'), budgets(5), START_MS).reserved).toMatchObject({
        ok: true,
        value: { caller: 'cleaner', requestId: 'r1', atMs: START_MS },
      });
    });
  });

  it('is left alone if a newer release wrote it', async () => {
    await insideLedger((sql) => {
      startAgain(sql);
      const newer = new LedgerStore(sql, SCHEDULE);
      newer.migrate([...MIGRATIONS, 'CREATE TABLE later (x)']);
      expect(() => new LedgerStore(sql, SCHEDULE).migrate()).toThrow('newer schema');
      expect(versionOf(sql)).toBe(MIGRATIONS.length + 1);
    });
  });

  it('orders rows by time, even if a new row reuses the number of a removed one', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), budgets(5), START_MS);
      const [gone] = store.history(ALL_ROWS);
      store.remove(START_MS + 1);
      store.reserve(reservation('r2'), budgets(5), START_MS + 5);
      expect(store.history(ALL_ROWS).map(({ requestId }) => requestId)).toEqual(['r2']);
      const after = { reservedAtMs: gone?.reservedAtMs ?? 0, seq: gone?.seq ?? 0 };
      expect(store.history({ ...ALL_ROWS, after })).toEqual([]);
    });
  });
});
