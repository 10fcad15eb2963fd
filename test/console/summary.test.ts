import { describe, expect, it } from 'vitest';
import { budgetsIn, countByDay, lastDays, totalsOf } from '../../src/console/summary.ts';
import { metricsText } from '../../src/worker/http/metrics.ts';
import type { RowOutcome } from '../../src/worker/outcome.ts';
import { NO_METRICS } from '../fixtures.ts';

describe('lastDays', () => {
  it('ends with today in UTC, and crosses the end of a month', () => {
    expect(lastDays(3, Date.parse('2026-03-01T23:59:59.999Z'))).toEqual(['2026-02-27', '2026-02-28', '2026-03-01']);
    expect(lastDays(2, Date.parse('2026-03-01T00:00:00Z'))).toEqual(['2026-02-28', '2026-03-01']);
  });
});

describe('countByDay', () => {
  const row = (reservedAt: string, outcome: RowOutcome) => ({ reservedAt, outcome });
  const rows = [
    row('2026-11-24T00:00:00.000Z', 'deleted'),
    row('2026-11-24T23:59:59.999Z', 'deleted'),
    row('2026-11-24T12:00:00.000Z', 'unknown'),
    row('2026-11-23T23:59:59.999Z', 'deleted'),
  ];

  it('counts by outcome, and includes days without deletions', () => {
    expect(countByDay(rows, ['2026-11-24', '2026-11-25'], null)).toEqual([
      { day: '2026-11-24', counts: [2, 0, 0, 0, 0, 1], isPartial: false },
      { day: '2026-11-25', counts: [0, 0, 0, 0, 0, 0], isPartial: false },
    ]);
  });

  it('distinguishes days not read, a day read in part, and days without deletions', () => {
    const days = countByDay(rows, ['2026-11-22', '2026-11-23', '2026-11-24'], '2026-11-23T23:59:59.999Z');
    expect(days).toEqual([
      { day: '2026-11-22', counts: null, isPartial: false },
      { day: '2026-11-23', counts: [1, 0, 0, 0, 0, 0], isPartial: true },
      { day: '2026-11-24', counts: [2, 0, 0, 0, 0, 1], isPartial: false },
    ]);
    expect(totalsOf(days)).toEqual([
      ['deleted', 3],
      ['unknown', 1],
    ]);
  });

  it('has no totals without deletions', () => {
    expect(totalsOf(countByDay([], ['2026-11-24'], null))).toEqual([]);
  });
});

describe('budgetsIn', () => {
  it('reads GET /metrics: the account first, then callers by the share they have used, then by name', () => {
    const budgets = new Map(Object.entries({ small: 2, 'ci-cleaner': 50, lowered: 1 }));
    const text = metricsText(
      { ...NO_METRICS, counting: { callers: { small: 2, 'ci-cleaner': 3, lowered: 4, gone: 5 }, account: 7 } },
      { budgets, accountBudget: 500, version: null, nowMs: 0 },
    );
    expect(budgetsIn(text)).toEqual([
      { caller: '', used: 7, limit: 500 },
      { caller: 'lowered', used: 1, limit: 1 },
      { caller: 'small', used: 2, limit: 2 },
      { caller: 'ci-cleaner', used: 3, limit: 50 },
    ]);
  });

  it('does not count an unknown budget as unused', () => {
    const limit = (caller: string) => `bcc_image_gateway_caller_budget{caller="${caller}"} 50\n`;
    const text = `${limit('silent')}${limit('unused')}bcc_image_gateway_caller_budget_remaining{caller="unused"} 50\n`;
    expect(budgetsIn(text)).toEqual([
      { caller: 'unused', used: 0, limit: 50 },
      { caller: 'silent', used: null, limit: 50 },
    ]);
  });

  it('finds none in any other text', () => {
    expect(budgetsIn('<html>')).toEqual([]);
  });
});
