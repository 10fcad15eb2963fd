/**
 * The console's figures: deletions per day, and the use of the budgets.
 *
 * Promises: days are in UTC; includes days without deletions; does not count an unread day as one without deletions.
 */
import { ROW_OUTCOMES, type RowOutcome } from '../worker/outcome.ts';
import { DAY_MS } from '../worker/time.ts';

export interface Day {
  /** Such as `2026-11-25`. */
  readonly day: string;
  /** How many deletions had each of `ROW_OUTCOMES`, in that order. `null`: not read. */
  readonly counts: readonly number[] | null;
  /** Whether only the later part of the day was read. */
  readonly isPartial: boolean;
}

/** The counted members of a row. */
interface Counted {
  readonly reservedAt: string;
  readonly outcome: RowOutcome;
}

/** The last `count` days, oldest first, including today. */
export function lastDays(count: number, nowMs: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => new Date(nowMs - (count - 1 - n) * DAY_MS).toISOString().slice(0, 10));
}

/**
 * Counts by day and outcome. Ignores rows of other days. `readSince`: the time of the oldest row read, or `null` if all rows were read.
 */
export function countByDay(
  rows: readonly Counted[],
  days: readonly string[],
  readSince: string | null,
): readonly Day[] {
  const counted = new Map<string, number>();
  for (const { reservedAt, outcome } of rows) {
    const name = `${reservedAt.slice(0, 10)} ${outcome}`;
    counted.set(name, (counted.get(name) ?? 0) + 1);
  }
  const firstRead = readSince?.slice(0, 10) ?? '';
  return days.map((day) => ({
    day,
    counts: day < firstRead ? null : ROW_OUTCOMES.map((outcome) => counted.get(`${day} ${outcome}`) ?? 0),
    isPartial: day === firstRead,
  }));
}

/** How many deletions had each outcome, without zeros. */
export function totalsOf(days: readonly Day[]): readonly (readonly [RowOutcome, number])[] {
  const totals = ROW_OUTCOMES.map(
    (outcome, n) => [outcome, days.reduce((sum, { counts }) => sum + (counts?.[n] ?? 0), 0)] as const,
  );
  return totals.filter(([, total]) => total > 0);
}

export interface Budget {
  /** Blank: all callers together. */
  readonly caller: string;
  /** `null`: not in the text. */
  readonly used: number | null;
  readonly limit: number;
}

/** The budgets in Prometheus text: first that of all callers together, then each caller's, the most used first. */
export function budgetsIn(metrics: string): readonly Budget[] {
  const samples = /^bcc_image_gateway_(?:caller|account)_budget(_remaining)?(?:\{caller="([^"]*)"\})? (\d+)$/gm;
  const limits = new Map<string, number>();
  const left = new Map<string, number>();
  for (const [, remaining, caller = '', value] of metrics.matchAll(samples)) {
    (remaining === undefined ? limits : left).set(caller, Number(value));
  }
  const usedOf = (limit: number, remaining: number | undefined) => (remaining === undefined ? null : limit - remaining);
  const budgets = [...limits].map(([caller, limit]) => ({ caller, used: usedOf(limit, left.get(caller)), limit }));
  const shareOf = ({ caller, used, limit }: Budget) =>
    caller === '' ? Number.POSITIVE_INFINITY : (used ?? -1) / Math.max(limit, 1);
  return budgets.sort((a, b) => shareOf(b) - shareOf(a) || (a.caller < b.caller ? -1 : 1));
}
