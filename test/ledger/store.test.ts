/** The ledger's rows and budget, on the SQLite of a real Durable Object, with time as an argument. */
import { describe, expect, it } from 'vitest';
import type { HistoryQuery } from '../../src/ledger/rows.ts';
import { REMOVAL_BATCH } from '../../src/ledger/store.ts';
import { ALL_ROWS, reservation, settlement } from '../fixtures.ts';
import { insideLedger, seqOf, storeIn } from '../harness.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.parse('2026-11-23T00:00:00Z');

describe('a row', () => {
  it('is unknown until it is settled, and is settled only once', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      const seq = seqOf(store.reserve(reservation('r1'), 5, START_MS));
      expect(store.history(ALL_ROWS)).toEqual([
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
      expect(store.history(ALL_ROWS)).toMatchObject([
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

  it('is never dated before an older row, even if the clock goes back', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), 5, START_MS);
      store.reserve(reservation('r2'), 5, START_MS - HOUR_MS);
      expect(store.history(ALL_ROWS).map(({ reservedAtMs }) => reservedAtMs)).toEqual([START_MS, START_MS]);
    });
  });
});

describe('a budget', () => {
  it('counts exactly the last 24 hours, and tells when there is room again', async () => {
    await insideLedger((sql) => {
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
  ] as const)('is given back after the outcome %s: %s', async (outcome, comesBack) => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      const seq = seqOf(store.reserve(reservation('r1'), 1, START_MS));
      store.settle(seq, settlement(outcome), START_MS);
      expect('seq' in store.reserve(reservation('r2'), 1, START_MS)).toBe(comesBack);
    });
  });

  it('is given back if the image was absent before anything was sent', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      const seq = seqOf(store.reserve(reservation('r1'), 1, START_MS));
      store.settle(seq, { ...settlement('already_absent'), attempts: 0 }, START_MS);
      expect(store.reserve(reservation('r2'), 1, START_MS)).toHaveProperty('seq');
    });
  });
});

describe('a lowered budget', () => {
  it('admits nobody until enough deletions have left the 24 h window', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (let hour = 0; hour < 5; hour++) store.reserve(reservation(`r${hour}`), 5, START_MS + hour * HOUR_MS);
      // Under a budget of 2, four of the five have to leave the window. The fourth was reserved at 03:00.
      const refused = store.reserve(reservation('x'), 2, START_MS + 5 * HOUR_MS);
      expect(refused).toEqual({ retryAfterS: 22 * 3600 });
      expect(store.reserve(reservation('x'), 2, START_MS + 27 * HOUR_MS)).toHaveProperty('seq');
    });
  });
});

describe('a budget of 0', () => {
  it('refuses every deletion', async () => {
    await insideLedger((sql) => {
      expect(storeIn(sql).reserve(reservation('r1'), 0, START_MS)).toEqual({ retryAfterS: 86_400 });
    });
  });
});

describe('the history', () => {
  it('is filtered by image, outcome and time, separately and together', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      const outcomes = ['deleted', 'rejected', 'unknown'] as const;
      for (let n = 0; n < 12; n++) {
        const seq = seqOf(store.reserve(reservation(`r${n}`, `m-image${n % 2}0`), 100, START_MS + n * HOUR_MS));
        const outcome = outcomes[n % 3];
        if (outcome !== undefined && outcome !== 'unknown') store.settle(seq, settlement(outcome), START_MS);
      }
      const ids = (query: Partial<HistoryQuery>) =>
        store.history({ ...ALL_ROWS, ...query }).map(({ requestId }) => Number(requestId.slice(1)));
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
});

describe('the last deletion of an image', () => {
  it('is its newest row with the outcome deleted', async () => {
    await insideLedger((sql) => {
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

describe('the removal of old rows', () => {
  it('takes one batch at a time, and tells the time of the oldest row that is left', async () => {
    await insideLedger((sql) => {
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
});
