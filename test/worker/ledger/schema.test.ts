/** The ledger's schema, and how SQLite runs each statement on it. */
import { describe, expect, it } from 'vitest';
import { COUNTER_SQL } from '../../../src/worker/ledger/counters.ts';
import type { HistoryQuery } from '../../../src/worker/ledger/rows.ts';
import { historyStatement, MIGRATIONS, SQL } from '../../../src/worker/ledger/schema.ts';
import { LedgerStore } from '../../../src/worker/ledger/store.ts';
import { ROW_OUTCOMES } from '../../../src/worker/outcome.ts';
import { ALL_ROWS, budgets, idOf, reservation, settlement } from '../../fixtures.ts';
import { insideLedger, storeIn } from '../../harness.ts';

const START_MS = Date.parse('2026-11-23T00:00:00Z');

/** What SQLite does for a statement, a step in each line. */
function planOf(sql: SqlStorage, statement: string, bindings?: (string | number)[]): string[] {
  const numbers = [...statement.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number));
  const count = numbers.length > 0 ? Math.max(...numbers) : [...statement.matchAll(/\?/g)].length;
  return sql
    .exec(`EXPLAIN QUERY PLAN ${statement}`, ...(bindings ?? Array.from({ length: count }, () => 1)))
    .toArray()
    .map(({ detail }) => String(detail));
}

/** The steps that go through a whole table, except those over the rows of a part of the same statement. */
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

describe('the statement', () => {
  it.each(Object.entries({ ...SQL, ...COUNTER_SQL }))(
    '%s uses an index or the key, and sorts nothing',
    async (_name, statement) => {
      await insideLedger((sql) => {
        const plan = planOf(sql, statement);
        expect(scans(plan)).toEqual([]);
        expect(plan.join('\n')).not.toMatch(/TEMP B-TREE/);
      });
    },
  );

  it.each([
    ['lastDeleted', /deletions_by_image \(image_id=\? AND outcome=\?\)/],
    ['takeBackInferred', /deletions_by_image \(image_id=\? AND outcome=\?\)/],
    ['unknownOfImage', /deletions_by_image \(image_id=\? AND outcome=\?\)/],
    ['unknown', /deletions_by_outcome \(outcome=\?\)/],
    ['counting', /deletions_by_outcome \(outcome=\? AND reserved_at>\?\)/],
    ['fromTheFuture', /deletions_by_outcome \(outcome=\? AND reserved_at>\?\)/],
    ['remove', /deletions_by_outcome \(outcome=\? AND reserved_at<\?\)/],
    ['oldest', /deletions_by_outcome \(outcome=\?\)/],
  ] as const)('%s narrows its search as far as it can', async (name, step) => {
    await insideLedger((sql) => expect(planOf(sql, SQL[name]).join('\n')).toMatch(step));
  });
});

describe('a page of history', () => {
  it('has 128 combinations of filters, time range and cursor, and each of them is tried', () => {
    expect(new Set(queries.map(({ given }) => given)).size).toBe(128);
  });

  it.each(queries)('filtered by $given is found by an index', async ({ query }) => {
    await insideLedger((sql) => {
      const { sql: statement, bindings } = historyStatement(query);
      const used = new Set([...statement.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number)));
      expect([...used].sort((a, b) => a - b)).toEqual(bindings.map((_binding, index) => index + 1));
      const plan = planOf(sql, statement, bindings);
      expect(scans(plan)).toEqual([]);
      // One search for each outcome, unless the outcome is given or the rows are few anyway.
      const searches = query.outcome === null && query.requestId === null ? ROW_OUTCOMES.length : 1;
      expect(plan.filter((step) => /SEARCH deletions USING INDEX/.test(step))).toHaveLength(searches);
      // The few rows of one request id may be sorted, and so may two pages that are found already. All others come in order.
      if (query.requestId === null)
        expect(sortsOf(plan).filter((sorted) => !sorted.startsWith('SCAN (sub'))).toEqual([]);
      const [first] = [
        query.requestId && /deletions_by_request \(request_id=\?\)/,
        query.imageId && /deletions_by_image \(image_id=\? AND outcome=\?/,
        query.caller && /deletions_by_caller \(caller=\? AND outcome=\?/,
        /deletions_by_outcome \(outcome=\?/,
      ].filter((step) => step instanceof RegExp);
      for (const step of plan.filter((each) => each.startsWith('SEARCH'))) expect(step).toMatch(first ?? /never/);
    });
  });
});

describe('an index', () => {
  it('exists only if a statement uses it', async () => {
    await insideLedger((sql) => {
      const plans = [
        ...Object.values(SQL).map((statement) => planOf(sql, statement)),
        ...queries.map(({ query }) => {
          const { sql: statement, bindings } = historyStatement(query);
          return planOf(sql, statement, bindings);
        }),
      ];
      const indexes = sql.exec("SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name").toArray();
      expect(indexes.map(({ name }) => name)).toEqual([
        'deletions_by_caller',
        'deletions_by_image',
        'deletions_by_outcome',
        'deletions_by_request',
        'sqlite_autoindex_deletions_1',
      ]);
      for (const { name } of indexes) expect(plans.flat().join('\n')).toContain(`INDEX ${String(name)} `);
    });
  });
});

describe('the schema', () => {
  const versionOf = (sql: SqlStorage) => sql.exec('SELECT version FROM schema_version').one()['version'];
  const startAgain = (sql: SqlStorage) => {
    for (const table of ['deletions', 'counters']) sql.exec(`DROP TABLE ${table}`);
    sql.exec('DROP TABLE schema_version');
  };

  it('has a version, and an old ledger keeps its rows when it is migrated', async () => {
    await insideLedger((sql) => {
      startAgain(sql);
      const old = new LedgerStore(sql);
      old.migrate(MIGRATIONS.slice(0, 1));
      expect(versionOf(sql)).toBe(1);
      old.reserve(reservation('r1'), budgets(5), START_MS);
      old.settle(idOf('r1'), settlement('deleted'), START_MS);

      const later = [...MIGRATIONS, 'ALTER TABLE deletions ADD COLUMN later TEXT'];
      for (let times = 0; times < 2; times++) {
        new LedgerStore(sql).migrate(later);
        expect(versionOf(sql)).toBe(later.length);
      }
      const store = new LedgerStore(sql);
      expect(store.peek('cleaner', 'm-custom01', budgets(5), START_MS).lastDeletion?.requestId).toBe('r1');
      store.reserve(reservation('r2'), budgets(5), START_MS);
      expect(store.history(ALL_ROWS).map(({ seq }) => seq)).toEqual([2, 1]);
    });
  });

  it('is left alone if a newer release wrote it', async () => {
    await insideLedger((sql) => {
      startAgain(sql);
      const newer = new LedgerStore(sql);
      newer.migrate([...MIGRATIONS, 'CREATE TABLE later (x)']);
      expect(() => new LedgerStore(sql).migrate()).toThrow('newer schema');
      expect(versionOf(sql)).toBe(MIGRATIONS.length + 1);
    });
  });

  it('orders rows by time, even if a new row bears the number of a removed one', async () => {
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
