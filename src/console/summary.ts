/**
 * What the console makes of answers: words, deletions per day, and how much of the budgets is used.
 *
 * Promises: times and days are UTC; a day without a deletion is there, too.
 */
import { isRecord } from '../worker/json.ts';
import { ROW_OUTCOMES } from '../worker/outcome.ts';
import type { Item } from './api.ts';

export interface Day {
  /** Such as `2026-11-25`. */
  readonly day: string;
  /** How many deletions had each of `ROW_OUTCOMES`, in that order. */
  readonly counts: readonly number[];
}

const DAY_MS = 86_400_000;

/** A value as a person reads it: times without letters, a list by its members, nothing for `null`. */
export function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join('; ');
  if (isRecord(value)) return Object.values(value).map(textOf).join(': ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value ?? '').replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/, '$1 $2');
}

/** A name of the API as words: `not_deleted` and `imageId` are "not deleted" and "image id". */
export function wordsOf(name: string): string {
  return name.replaceAll('_', ' ').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** The last `count` days, oldest first, today included. */
export function lastDays(count: number, nowMs: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => new Date(nowMs - (count - 1 - n) * DAY_MS).toISOString().slice(0, 10));
}

/** Rows of other days, or with an outcome that is not known here, do not count. */
export function countByDay(rows: readonly Item[], days: readonly string[]): readonly Day[] {
  const counted = new Map<string, number>();
  for (const { reservedAt, outcome } of rows) {
    const name = `${String(reservedAt).slice(0, 10)} ${outcome}`;
    counted.set(name, (counted.get(name) ?? 0) + 1);
  }
  return days.map((day) => ({ day, counts: ROW_OUTCOMES.map((outcome) => counted.get(`${day} ${outcome}`) ?? 0) }));
}

/** The deletions of all these days together, such as `12 deleted, 1 unknown`. */
export function describe(days: readonly Day[]): string {
  const totals = ROW_OUTCOMES.map((_, n) => days.reduce((sum, { counts }) => sum + (counts[n] ?? 0), 0));
  const parts = ROW_OUTCOMES.flatMap((outcome, n) => (totals[n] ? [`${totals[n]} ${wordsOf(outcome)}`] : []));
  return parts.join(', ') || 'no deletions';
}

/** The budgets in a text for Prometheus: of all callers, whose name is blank, then of each by name. */
export function budgetsIn(metrics: string): readonly { caller: string; used: number; limit: number }[] {
  const samples = /^bcc_image_gateway_(?:caller|account)_budget(_remaining)?(?:\{caller="([^"]*)"\})? (\d+)$/gm;
  const limits = new Map<string, number>();
  const left = new Map<string, number>();
  for (const [, remaining, caller = '', value] of metrics.matchAll(samples)) {
    (remaining === undefined ? limits : left).set(caller, Number(value));
  }
  const budgets = [...limits].map(([caller, limit]) => ({ caller, used: limit - (left.get(caller) ?? limit), limit }));
  return budgets.sort((a, b) => a.caller.localeCompare(b.caller));
}
