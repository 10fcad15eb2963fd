/** What the ledger counts, on the SQLite of a real Durable Object. */
import { describe, expect, it } from 'vitest';
import type { LedgerStore } from '../../../src/worker/ledger/store.ts';
import { DAY_MS, HOUR_MS } from '../../../src/worker/time.ts';
import { budgets, checkOf, idOf, reservation, settlement } from '../../fixtures.ts';
import { insideLedger, storeIn } from '../../harness.ts';

const START_MS = Date.parse('2026-11-23T00:00:00Z');
const ROOM = budgets(100);

const reserve = (store: LedgerStore, requestId: string, caller = 'a', imageId = `m-${requestId}`, atMs = START_MS) =>
  store.reserve(reservation(requestId, imageId, caller), ROOM, atMs);

/** Resolves the row of an image with its last planned check. */
function resolve(store: LedgerStore, imageId: string, finding: 'absent' | 'found') {
  const checkedAtMs = START_MS + HOUR_MS;
  store.applyCheck(imageId, checkOf(finding, checkedAtMs), checkedAtMs);
}

describe('a deletion', () => {
  it('is counted at its settlement, by caller and outcome, and only once', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (const [id, caller] of Object.entries({ r1: 'a', r2: 'a', r3: 'b' })) reserve(store, id, caller);
      expect(store.metrics(START_MS).deletions).toEqual({});
      store.settle(idOf('r1'), settlement('deleted'), START_MS);
      store.settle(idOf('r1'), settlement('deleted'), START_MS);
      store.settle(idOf('r2'), settlement('deleted'), START_MS);
      store.settle(idOf('r3'), settlement('rejected'), START_MS);
      expect(store.metrics(START_MS).deletions).toEqual({ a: { deleted: 2 }, b: { rejected: 1 } });
      expect(store.metrics(START_MS).resolutions).toEqual({});
    });
  });

  it('whose settlement says unknown is counted at its resolution, which is counted too', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      reserve(store, 'r1');
      store.settle(idOf('r1'), settlement('unknown'), START_MS + 1);
      expect(store.metrics(START_MS + 11).unresolved).toEqual({ rows: 1, oldestAtMs: START_MS });
      expect(store.metrics(START_MS).deletions).toEqual({});
      resolve(store, 'm-r1', 'absent');
      const metrics = store.metrics(START_MS + 3);
      expect(metrics.deletions).toEqual({ a: { deleted: 1 } });
      expect(metrics.resolutions).toEqual({ deleted: 1 });
      expect(metrics.unresolved).toEqual({ rows: 0, oldestAtMs: null });
    });
  });

  it('that a check has resolved is not counted again by a later settlement', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      reserve(store, 'r1');
      resolve(store, 'm-r1', 'found');
      store.settle(idOf('r1'), settlement('deleted'), START_MS + 5);
      expect(store.metrics(START_MS + 6).deletions).toEqual({ a: { not_deleted: 1 } });
      expect(store.metrics(START_MS + 6).rows).toBe(1);
    });
  });

  it('that was cancelled is counted as not attempted', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.cancel(reservation('r1'), settlement('not_attempted'), START_MS);
      expect(store.metrics(START_MS).deletions).toEqual({ cleaner: { not_attempted: 1 } });
    });
  });
});

describe('the counts', () => {
  it('stay the same when old rows are removed, while the number of rows goes down', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (const id of ['r1', 'r2', 'r3', 'r4']) reserve(store, id);
      for (const id of ['r1', 'r2', 'r3']) store.settle(idOf(id), settlement('deleted'), START_MS);
      reserve(store, 'new', 'a', 'm-new0001', START_MS + 9 * DAY_MS);
      expect(store.metrics(START_MS).rows).toBe(5);
      // Of the four removed rows, one was never final.
      expect(store.remove(START_MS + DAY_MS)).toBe(4);
      const metrics = store.metrics(START_MS + 9 * DAY_MS);
      expect(metrics.rows).toBe(1);
      expect(metrics.deletions).toEqual({ a: { deleted: 3 } });
      expect(store.remove(START_MS + DAY_MS)).toBe(0);
      expect(store.metrics(START_MS + 9 * DAY_MS).rows).toBe(1);
    });
  });

  it('say which budget refused, and how often', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      reserve(store, 'r1');
      for (const given of [budgets(1), budgets(1), budgets(9, 1)]) {
        store.reserve(reservation('more', 'm-other001', 'a'), given, START_MS);
      }
      expect(store.metrics(START_MS).refusals).toEqual({ account: 1, caller: 2 });
    });
  });

  it('include the images that count now, for the account and for each caller that has one', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (const [id, caller, image] of [
        ['r1', 'a', 'm-same0001'],
        ['r2', 'b', 'm-same0001'],
        ['r3', 'b', 'm-other001'],
        ['r4', 'c', 'm-third001'],
      ] as const) {
        reserve(store, id, caller, image);
        store.settle(idOf(id), settlement(caller === 'c' ? 'rejected' : 'deleted'), START_MS);
      }
      reserve(store, 'r5', 'd', 'm-fourth01');
      const counting = (nowMs: number) => store.metrics(nowMs).counting;
      expect(counting(START_MS + 1)).toEqual({ account: 3, callers: { a: 1, b: 2, d: 1 } });
      expect(counting(START_MS + DAY_MS)).toEqual({ account: 0, callers: {} });
    });
  });
});
