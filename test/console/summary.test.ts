import { describe as about, expect, it } from 'vitest';
import { budgetsIn, countByDay, describe, lastDays, textOf, wordsOf } from '../../src/console/summary.ts';
import { metricsText } from '../../src/worker/http/metrics.ts';
import { NO_METRICS } from '../fixtures.ts';

about('textOf', () => {
  it.each([
    ['2026-11-25T08:09:10.123Z', '2026-11-25 08:09:10'],
    ['at 2026-11-25T08:09:10Z', 'at 2026-11-25T08:09:10Z'],
    [true, 'yes'],
    [false, 'no'],
    [null, ''],
    [undefined, ''],
    [0, '0'],
    [['a', 'b'], 'a; b'],
    [[{ code: 'image_shared', detail: 'Stop sharing.' }], 'image_shared: Stop sharing.'],
    ['<b>', '<b>'],
  ])('of %j is %j', (value, text) => {
    expect(textOf(value)).toBe(text);
  });
});

about('wordsOf', () => {
  it('takes names of the API apart', () => {
    expect(['not_deleted', 'upstreamRequestId', 'status'].map(wordsOf)).toEqual([
      'not deleted',
      'upstream request id',
      'status',
    ]);
  });
});

about('lastDays', () => {
  it('ends with today in UTC, and passes the end of a month', () => {
    expect(lastDays(3, Date.parse('2026-03-01T23:59:59.999Z'))).toEqual(['2026-02-27', '2026-02-28', '2026-03-01']);
    expect(lastDays(2, Date.parse('2026-03-01T00:00:00Z'))).toEqual(['2026-02-28', '2026-03-01']);
  });
});

about('countByDay', () => {
  const row = (reservedAt: string, outcome: string) => ({ reservedAt, outcome });
  const days = countByDay(
    [
      row('2026-11-24T00:00:00.000Z', 'deleted'),
      row('2026-11-24T23:59:59.999Z', 'deleted'),
      row('2026-11-24T12:00:00.000Z', 'unknown'),
      row('2026-11-23T23:59:59.999Z', 'deleted'),
      row('2026-11-24T12:00:00.000Z', 'of the future'),
    ],
    ['2026-11-24', '2026-11-25'],
  );

  it('counts by outcome, and has days without any', () => {
    expect(days).toEqual([
      { day: '2026-11-24', counts: [2, 0, 0, 0, 0, 1] },
      { day: '2026-11-25', counts: [0, 0, 0, 0, 0, 0] },
    ]);
  });

  it('is described in words', () => {
    expect([describe(days), describe(days.slice(1))]).toEqual(['2 deleted, 1 unknown', 'no deletions']);
  });
});

about('budgetsIn', () => {
  it('reads what GET /metrics answers: the account first, then callers by name', () => {
    const budgets = new Map(Object.entries({ small: 2, 'ci-cleaner': 50, lowered: 1 }));
    const text = metricsText(
      { ...NO_METRICS, counting: { callers: { small: 2, 'ci-cleaner': 3, lowered: 4, gone: 5 }, account: 7 } },
      { budgets, accountBudget: 500, version: null, nowMs: 0 },
    );
    expect(budgetsIn(text)).toEqual([
      { caller: '', used: 7, limit: 500 },
      { caller: 'ci-cleaner', used: 3, limit: 50 },
      { caller: 'lowered', used: 1, limit: 1 },
      { caller: 'small', used: 2, limit: 2 },
    ]);
  });

  it('of any other text are none', () => {
    expect(budgetsIn('<html>')).toEqual([]);
  });
});
