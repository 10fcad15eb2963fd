/**
 * When a row whose outcome is unknown is looked at, and what a look at its image proves.
 *
 * Promises: pure. Never: reads an image or touches storage. Times are milliseconds since the epoch.
 */
import type { ResolvedOutcome } from '../outcome.ts';

/** What one look at an image said. `failed`: nothing. */
export type Look = 'absent' | 'there' | 'failed';

/** What a row with an unknown outcome tells about itself. */
export interface UnknownRow {
  readonly seq: number;
  readonly imageId: string;
  /** When it was reserved, by a clock that was not ahead. */
  readonly beganAtMs: number;
  /** Whether a deletion is known to have been sent. */
  readonly sent: boolean;
  /** How many of the planned looks are over. */
  readonly looks: number;
  readonly lookedAtMs: number | null;
}

/** What follows from a look for one row: its fate, or the number of planned looks that are over now. */
export type Step =
  | { readonly seq: number; readonly outcome: ResolvedOutcome; readonly confirmed: false | null }
  | { readonly seq: number; readonly outcome: 'unknown'; readonly looks: number };

const HOUR_MS = 60 * 60 * 1000;
export const DAY_MS = 24 * HOUR_MS;

/** When the row is to be looked at next. `afterS` are the planned looks, in seconds after the reservation. */
export function nextLookMs({ beganAtMs, looks, lookedAtMs }: UnknownRow, afterS: readonly number[]): number {
  const plannedS = afterS[looks];
  if (plannedS !== undefined) return beganAtMs + plannedS * 1000;
  // The planned looks are over and the last one failed: every hour for a day, then every day.
  const lastMs = lookedAtMs ?? beganAtMs;
  const lastPlannedMs = beganAtMs + (afterS.at(-1) ?? 0) * 1000;
  return lastMs + (lastMs - lastPlannedMs < DAY_MS ? HOUR_MS : DAY_MS);
}

export function isDue(row: UnknownRow, afterS: readonly number[], nowMs: number): boolean {
  return nextLookMs(row, afterS) <= nowMs;
}

/** Whether the request that made the row is certainly over: the first planned look comes after every deadline. */
function isOver({ beganAtMs }: UnknownRow, afterS: readonly number[], nowMs: number): boolean {
  return nowMs - beganAtMs >= (afterS[0] ?? 0) * 1000;
}

/** Whether the failed look at `nowMs` is the first at this image that comes more than a day after the reservation of a row. */
export function becomesOverdue(rows: readonly UnknownRow[], afterS: readonly number[], nowMs: number): boolean {
  const isOverdue = ({ beganAtMs }: UnknownRow, atMs: number | null) => atMs !== null && atMs - beganAtMs > DAY_MS;
  return (
    rows.some((row) => isDue(row, afterS, nowMs) && isOverdue(row, nowMs)) &&
    !rows.some((row) => isOverdue(row, row.lookedAtMs))
  );
}

/**
 * What a look that began at `nowMs` means for all unknown rows of one image, in the order of the ledger. `isClaimed`: another row
 * says already that it deleted the image.
 */
export function stepsAfterLook(
  look: Look,
  rows: readonly UnknownRow[],
  isClaimed: boolean,
  afterS: readonly number[],
  nowMs: number,
): Step[] {
  if (look === 'absent') {
    const over = rows.filter((row) => isOver(row, afterS, nowMs));
    const claimant = isClaimed ? undefined : (over.find(({ sent }) => sent) ?? over[0]);
    return over.map((row) => ({
      seq: row.seq,
      outcome: row === claimant ? 'deleted' : 'already_absent',
      confirmed: false,
    }));
  }
  return rows
    .filter((row) => isDue(row, afterS, nowMs))
    .map(({ seq, beganAtMs }) => {
      const looks = afterS.filter((plannedS) => beganAtMs + plannedS * 1000 <= nowMs).length;
      if (look === 'there' && looks === afterS.length) return { seq, outcome: 'not_deleted', confirmed: null };
      return { seq, outcome: 'unknown', looks };
    });
}
