/**
 * Decides when to check an image after a deletion, how long it stays taken, and what one check proves about each of its rows.
 *
 * Promises: pure. Never: reads an image or touches storage. Times are milliseconds since the epoch.
 */

import { DAY_MS, HOUR_MS } from '../time.ts';
import type { DeletionRow } from './rows.ts';

/**
 * How long a request may run after its reservation: the greatest deadline of 20 s, plus 3 s for clock differences and the
 * settlement. An image is taken for that long, or until its first planned check.
 */
export const REQUEST_OVER_MS = 23_000;
/** A refused caller makes a check of the open row due, but at most this often. */
export const HASTENED_CHECK_MS = 5_000;

/** The planned checks, in whole seconds after a reservation: strictly growing, never empty. */
export type Schedule = readonly number[];

/** What one check of an image found. `failed` proves nothing. */
export type Finding = 'found' | 'absent' | 'failed';

/** A finding, when its read began, and which key signed the read. */
export interface Check {
  readonly finding: Finding;
  /** Whether Baidu reported an absence with an unlisted code. Then the check has failed. */
  readonly unlistedAbsence: boolean;
  readonly beganAtMs: number;
  readonly keyFingerprint: string;
}

/** What a check means for one row. */
export type Step =
  /** The unknown outcome becomes final. */
  | { readonly kind: 'resolved'; readonly outcome: 'deleted' | 'not_deleted' }
  /** A deletion was verified. `null`: the planned checks are over, and none was conclusive. */
  | { readonly kind: 'verified'; readonly verified: boolean | null }
  /** Nothing is decided. */
  | {
      readonly kind: 'open';
      readonly nextCheckAtMs: number;
      readonly foundAtMs: number | null;
      /** Whether this is the row's first undecided check more than a day after its reservation. */
      readonly isOverdue: boolean;
    };

/** How many milliseconds after its reservation a request counts as over. An earlier first check means an earlier end. */
export function requestOverMs(schedule: Schedule): number {
  return Math.min(REQUEST_OVER_MS, firstCheckMs(schedule));
}

/** How long after a reservation the first check is planned, in milliseconds. */
export function firstCheckMs([firstS = 0]: Schedule): number {
  return firstS * 1000;
}

/** How long after a reservation the last check is planned, in milliseconds. No image stays taken for longer. */
export function lastCheckMs(schedule: Schedule): number {
  return (schedule.at(-1) ?? 0) * 1000;
}

/** What `check` means for a row of its image that is unknown, or deleted and not yet verified; `null` if nothing. */
export function stepAfter(
  { finding, beganAtMs, keyFingerprint }: Check,
  row: DeletionRow,
  schedule: Schedule,
): Step | null {
  const ageMs = beganAtMs - row.reservedAtMs;
  const isDue = row.nextCheckAtMs !== null && row.nextCheckAtMs <= beganAtMs;
  if (ageMs < requestOverMs(schedule)) {
    // Due too early: the row was reserved under a different schedule. Otherwise it would stay due and be checked again and again.
    const nextCheckAtMs = row.reservedAtMs + requestOverMs(schedule);
    return isDue ? { kind: 'open', nextCheckAtMs, foundAtMs: null, isOverdue: false } : null;
  }
  const isLast = ageMs >= lastCheckMs(schedule);
  if (row.outcome === 'unknown') {
    if (finding === 'absent') return { kind: 'resolved', outcome: 'deleted' };
    if (finding === 'found' && isLast) return { kind: 'resolved', outcome: 'not_deleted' };
  } else {
    // A check signed with another key may concern another account.
    const proves = keyFingerprint === row.keyFingerprint;
    if (finding === 'absent' && proves) return { kind: 'verified', verified: true };
    if (isLast) return { kind: 'verified', verified: finding === 'found' && proves ? false : null };
  }
  return {
    kind: 'open',
    nextCheckAtMs: isDue
      ? nextCheckMs(row.reservedAtMs, schedule, beganAtMs)
      : Math.max(row.nextCheckAtMs ?? 0, beganAtMs + HASTENED_CHECK_MS),
    foundAtMs: finding === 'found' ? beganAtMs : row.foundAtMs,
    isOverdue: ageMs > DAY_MS && (row.checkedAtMs === null || row.checkedAtMs - row.reservedAtMs <= DAY_MS),
  };
}

/** The next planned time; after the last one, hourly for a day, then daily. */
function nextCheckMs(reservedAtMs: number, schedule: Schedule, nowMs: number): number {
  const planned = schedule.map((afterS) => reservedAtMs + afterS * 1000).find((timeMs) => timeMs > nowMs);
  const isFirstDay = nowMs - reservedAtMs - lastCheckMs(schedule) < DAY_MS;
  return planned ?? nowMs + (isFirstDay ? HOUR_MS : DAY_MS);
}
