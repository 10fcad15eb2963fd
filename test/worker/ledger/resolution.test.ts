import { describe, expect, it } from 'vitest';
import {
  becomesOverdue,
  DAY_MS,
  isDue,
  nextLookMs,
  stepsAfterLook,
  type UnknownRow,
} from '../../../src/worker/ledger/resolution.ts';

const AFTER_S = [45, 120, 900];
const HOUR_MS = 60 * 60 * 1000;
const row = (change: Partial<UnknownRow> = {}): UnknownRow => ({
  seq: 1,
  imageId: 'm-custom01',
  beganAtMs: 0,
  sent: false,
  looks: 0,
  lookedAtMs: null,
  ...change,
});

describe('the next look', () => {
  it('comes at the planned times after the reservation, one after the other', () => {
    expect([0, 1, 2].map((looks) => nextLookMs(row({ looks, beganAtMs: 7 }), AFTER_S))).toEqual([
      45_007, 120_007, 900_007,
    ]);
  });

  it('comes every hour for a day when the planned ones have failed, and then every day', () => {
    const waitMs = (lookedAtMs: number) => nextLookMs(row({ looks: 3, lookedAtMs }), AFTER_S) - lookedAtMs;
    expect([waitMs(900_000), waitMs(900_000 + DAY_MS - 1)]).toEqual([HOUR_MS, HOUR_MS]);
    expect([waitMs(900_000 + DAY_MS), waitMs(900_000 + 9 * DAY_MS)]).toEqual([DAY_MS, DAY_MS]);
  });

  it('is due at its time and not before', () => {
    expect([isDue(row(), AFTER_S, 44_999), isDue(row(), AFTER_S, 45_000)]).toEqual([false, true]);
  });
});

describe('a look that finds no image', () => {
  const outcomes = (rows: UnknownRow[], isClaimed = false, nowMs = 50_000) =>
    stepsAfterLook('absent', rows, isClaimed, AFTER_S, nowMs).map(({ seq, outcome }) => [seq, outcome]);

  it('says deleted, and not that Baidu said so', () => {
    expect(stepsAfterLook('absent', [row()], false, AFTER_S, 50_000)).toEqual([
      { seq: 1, outcome: 'deleted', confirmed: false },
    ]);
  });

  it('gives the deletion to the first row that is known to have sent one, or else to the first', () => {
    const rows = [row({ seq: 1 }), row({ seq: 2, sent: true }), row({ seq: 3, sent: true })];
    expect(outcomes(rows)).toEqual([
      [1, 'already_absent'],
      [2, 'deleted'],
      [3, 'already_absent'],
    ]);
    expect(outcomes([row({ seq: 4 }), row({ seq: 5 })])).toEqual([
      [4, 'deleted'],
      [5, 'already_absent'],
    ]);
  });

  it('gives the deletion to no row if another claims it already', () => {
    expect(outcomes([row({ sent: true })], true)).toEqual([[1, 'already_absent']]);
  });

  it('decides nothing about a request that may still be at work', () => {
    expect(outcomes([row(), row({ seq: 2, beganAtMs: 10_000 })])).toEqual([[1, 'deleted']]);
    expect(outcomes([row({ beganAtMs: 5_000 })])).toEqual([[1, 'deleted']]);
  });
});

describe('a look that finds the image', () => {
  const steps = (rows: UnknownRow[], nowMs: number) => stepsAfterLook('there', rows, false, AFTER_S, nowMs);

  it('leaves the outcome unknown until the last planned look, and then says not_deleted', () => {
    expect(steps([row()], 45_000)).toEqual([{ seq: 1, outcome: 'unknown', looks: 1 }]);
    expect(steps([row({ looks: 1 })], 899_999)).toEqual([{ seq: 1, outcome: 'unknown', looks: 2 }]);
    expect(steps([row({ looks: 2 })], 900_000)).toEqual([{ seq: 1, outcome: 'not_deleted', confirmed: null }]);
  });

  it('counts once for all planned looks that were missed', () => {
    expect(steps([row()], 300_000)).toEqual([{ seq: 1, outcome: 'unknown', looks: 2 }]);
    expect(steps([row()], 5_000_000)).toEqual([{ seq: 1, outcome: 'not_deleted', confirmed: null }]);
  });

  it('counts only for rows whose time has come', () => {
    expect(steps([row({ looks: 1 }), row({ seq: 2 })], 60_000)).toEqual([{ seq: 2, outcome: 'unknown', looks: 1 }]);
  });
});

describe('a look that fails', () => {
  it('decides nothing, at the last planned time either', () => {
    const steps = (nowMs: number) => stepsAfterLook('failed', [row()], false, AFTER_S, nowMs);
    expect(steps(45_000)).toEqual([{ seq: 1, outcome: 'unknown', looks: 1 }]);
    expect(steps(900_000)).toEqual([{ seq: 1, outcome: 'unknown', looks: 3 }]);
  });

  it('makes an image overdue once: when it is the first after a whole day of any row', () => {
    const overdue = (nowMs: number, ...rows: UnknownRow[]) => becomesOverdue(rows, AFTER_S, nowMs);
    const failing = (lookedAtMs: number | null, beganAtMs = 0) => row({ lookedAtMs, beganAtMs, looks: 3 });
    expect(overdue(DAY_MS, failing(null))).toBe(false);
    expect(overdue(DAY_MS + 1, failing(null))).toBe(true);
    expect(overdue(DAY_MS + 1, failing(DAY_MS + 1 - HOUR_MS))).toBe(true);
    // Not due yet.
    expect(overdue(DAY_MS + 1, failing(DAY_MS))).toBe(false);
    expect(overdue(DAY_MS + 2 * HOUR_MS, failing(DAY_MS + 1))).toBe(false);
    const laterMs = 3 * HOUR_MS;
    const later = failing(laterMs + DAY_MS - HOUR_MS, laterMs);
    expect(overdue(laterMs + DAY_MS + 1, later)).toBe(true);
    expect(overdue(laterMs + DAY_MS + 1, failing(DAY_MS + 1), later)).toBe(false);
  });
});
