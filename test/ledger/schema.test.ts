/** The ledger's schema, and how SQLite runs each statement on it. */
import { describe, expect, it } from 'vitest';
import { MIGRATIONS, SQL } from '../../src/ledger/schema.ts';
import { LedgerStore } from '../../src/ledger/store.ts';
import { reservation, settlement } from '../fixtures.ts';
import { insideLedger, seqOf, storeIn } from '../harness.ts';

const START_MS = Date.parse('2026-11-23T00:00:00Z');

describe('the statement', () => {
  it.each(Object.entries(SQL))('%s uses an index or the key, and sorts nothing', async (_name, statement) => {
    await insideLedger((sql) => {
      storeIn(sql);
      const bindings = [...statement.matchAll(/\?/g)].map(() => 1);
      const plan = sql
        .exec(`EXPLAIN QUERY PLAN ${statement}`, ...bindings)
        .toArray()
        .map(({ detail }) => String(detail));
      for (const step of plan) {
        expect(step).not.toMatch(/TEMP B-TREE/);
        // These two scan the table in the order of its key, and stop at the first row.
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
  it('has a version, and an old ledger keeps its rows when it is migrated', async () => {
    await insideLedger((sql) => {
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

  it('is left alone if a newer release wrote it', async () => {
    await insideLedger((sql) => {
      const newer = new LedgerStore(sql);
      newer.migrate([...MIGRATIONS, 'CREATE TABLE later (x)']);
      expect(() => new LedgerStore(sql).migrate()).toThrow('newer schema');
      expect(newer.version()).toBe(MIGRATIONS.length + 1);
    });
  });
});
