/**
 * The deletion ledger of one caller, in SQLite.
 *
 * Promises: a row is born `unknown` and keeps that until it is settled, so that a crash at any moment leaves the truth; the
 * budget counts exactly the last 24 hours; what an operation costs does not grow with the number of rows, and counting a budget is bounded by the budget. Never: has a
 * clock, or forgets a row before its retention.
 *
 * Times are milliseconds since the epoch. Source: https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/.
 */

import { ROW_OUTCOMES } from '../outcome.ts';
import type { DeletionRow, HistoryQuery, Reservation, Reserved, Settlement } from './rows.ts';
import { MIGRATIONS, SCHEMA_VERSION_TABLE, SQL } from './schema.ts';

export const BUDGET_WINDOW_MS = 24 * 60 * 60 * 1000;
/** How many rows one alarm removes, so that it never blocks the object for long. */
export const REMOVAL_BATCH = 5_000;

type SqlRow = Record<string, ArrayBuffer | string | number | null>;

/** The part of `SqlStorage` that is used. */
export interface Sql {
  exec(query: string, ...bindings: (string | number | null)[]): { toArray(): SqlRow[]; one(): SqlRow };
}

export class LedgerStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The schema's version, 0 for an object that has stored nothing yet. */
  version(): number {
    const [table] = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").toArray();
    return table === undefined ? 0 : Number(this.#sql.exec('SELECT version FROM schema_version').one()['version']);
  }

  /** Brings the schema forward. @throws Error if the ledger was written by a newer release, whose rows we might misread */
  migrate(steps: readonly string[] = MIGRATIONS): void {
    const from = this.version();
    if (from > steps.length) throw new Error('The ledger has a newer schema than this release.');
    if (from === steps.length) return;
    if (from === 0) this.#sql.exec(SCHEMA_VERSION_TABLE);
    for (const step of steps.slice(from)) this.#sql.exec(step);
    this.#sql.exec('UPDATE schema_version SET version = ?', steps.length);
  }

  /** Enters a deletion, or says for how many seconds the budget stays spent. */
  reserve(reservation: Reservation, budget: number, nowMs: number): Reserved {
    const retryAfterS = this.retryAfterS(budget, nowMs);
    if (retryAfterS !== null) return { retryAfterS };
    // Never before the newest row, even if the clock goes back: then order by `seq` is order by time.
    const atMs = Math.max(nowMs, this.#time(SQL.newest) ?? 0);
    const { requestId, imageId, keyFingerprint } = reservation;
    return { seq: Number(this.#sql.exec(SQL.reserve, requestId, imageId, keyFingerprint, atMs).one()['seq']) };
  }

  /** `null` while the budget has room; else the seconds until the deletion that has to stop counting does. */
  retryAfterS(budget: number, nowMs: number): number | null {
    const sinceMs = nowMs - BUDGET_WINDOW_MS;
    const counted = Number(this.#sql.exec(SQL.counted, sinceMs).one()['counted']);
    if (counted < budget) return null;
    // With a budget of 0 there is none to wait for, and never will be: then it is the whole window.
    const blockingMs = this.#time(SQL.nthCounted, sinceMs, counted - budget) ?? nowMs;
    return Math.ceil((blockingMs - sinceMs) / 1000);
  }

  /** Writes what became of it. A row is settled once; a second word changes nothing. */
  settle(seq: number, settlement: Settlement, nowMs: number): void {
    const { outcome, code, attempts, upstreamRequestId, imageName } = settlement;
    this.#sql.exec(SQL.settle, nowMs, outcome, code, attempts, upstreamRequestId, imageName, seq);
  }

  /** The caller's last deletion of this image, if there was one. */
  lastDeleted(imageId: string): DeletionRow | null {
    const [row] = this.#sql.exec(SQL.lastDeleted, imageId).toArray();
    return row === undefined ? null : toDeletionRow(row);
  }

  /** Newest first. */
  history({ imageId, outcome, sinceMs, untilMs, beforeSeq, limit }: HistoryQuery): DeletionRow[] {
    const from = sinceMs === null ? 0 : this.#firstSince(sinceMs);
    const to = Math.min(
      untilMs === null ? Number.MAX_SAFE_INTEGER : this.#firstSince(untilMs),
      beforeSeq ?? Number.MAX_SAFE_INTEGER,
    );
    const range = [from, to, limit];
    if (imageId !== null && outcome !== null) {
      return this.#rows(SQL.historyOfImageAndOutcome, imageId, outcome, ...range);
    }
    if (imageId !== null) return this.#rows(SQL.historyOfImage, imageId, ...range);
    if (outcome !== null) return this.#rows(SQL.historyOfOutcome, outcome, ...range);
    return this.#rows(SQL.history, ...range);
  }

  /** The time of the oldest row, or `null` where there is none. */
  oldestMs(): number | null {
    return this.#time(SQL.oldest);
  }

  /** Removes a batch of rows from before `beforeMs`. Returns the time of the oldest row that is left, or `null`. */
  remove(beforeMs: number): number | null {
    this.#sql.exec(SQL.remove, beforeMs, REMOVAL_BATCH);
    return this.oldestMs();
  }

  /** The first row at or after a time, or beyond the last. Rows are in the order of time. */
  #firstSince(timeMs: number): number {
    const [row] = this.#sql.exec(SQL.firstSince, timeMs).toArray();
    return row === undefined ? Number.MAX_SAFE_INTEGER : Number(row['seq']);
  }

  #time(sql: string, ...bindings: number[]): number | null {
    const [row] = this.#sql.exec(sql, ...bindings).toArray();
    return row === undefined ? null : Number(row['at']);
  }

  #rows(sql: string, ...bindings: (string | number)[]): DeletionRow[] {
    return this.#sql
      .exec(sql, ...bindings)
      .toArray()
      .map(toDeletionRow);
  }
}

function toDeletionRow(columns: SqlRow): DeletionRow {
  const text = (name: string) => (columns[name] === null ? null : String(columns[name]));
  return {
    seq: Number(columns['seq']),
    requestId: String(columns['request_id']),
    imageId: String(columns['image_id']),
    imageName: text('image_name'),
    keyFingerprint: String(columns['key_fingerprint']),
    reservedAtMs: Number(columns['reserved_at']),
    settledAtMs: columns['settled_at'] === null ? null : Number(columns['settled_at']),
    outcome: ROW_OUTCOMES.find((outcome) => outcome === columns['outcome']) ?? 'unknown',
    code: text('code'),
    attempts: columns['attempts'] === null ? null : Number(columns['attempts']),
    upstreamRequestId: text('upstream_request_id'),
  };
}
