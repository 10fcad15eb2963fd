/**
 * The deletion ledger of one caller, in SQLite.
 *
 * Promises: a row is born `unknown` and keeps that until it is settled, so that a crash at any moment leaves the truth; the
 * budget counts exactly the last 24 hours; what an operation costs does not grow with the number of rows, and counting a budget is bounded by the budget. Never: has a
 * clock, or forgets a row before its retention.
 *
 * Times are milliseconds since the epoch. Source: https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/.
 */

/** What became of a deletion. A row that was never settled is `unknown`. */
export const ROW_OUTCOMES = ['deleted', 'already_absent', 'rejected', 'not_attempted', 'unknown'] as const;
export type RowOutcome = (typeof ROW_OUTCOMES)[number];

export interface Reservation {
  readonly requestId: string;
  readonly imageId: string;
  readonly keyFingerprint: string;
}

export interface Settlement {
  readonly outcome: RowOutcome;
  /** The problem's code, or `null` on success. */
  readonly code: string | null;
  /** Deletions sent to Baidu: 0, 1 or 2. */
  readonly attempts: number;
  readonly upstreamRequestId: string | null;
  readonly imageName: string | null;
}

export interface Row extends Reservation, Omit<Settlement, 'attempts'> {
  /** `null` until it is settled. */
  readonly attempts: number | null;
  /** Grows with every row; what a page ends with and the next begins after. */
  readonly seq: number;
  readonly reservedAtMs: number;
  readonly settledAtMs: number | null;
}

export interface HistoryQuery {
  readonly imageId: string | null;
  readonly outcome: RowOutcome | null;
  /** Inclusive. */
  readonly sinceMs: number | null;
  /** Exclusive. */
  readonly untilMs: number | null;
  /** Only rows before this one. */
  readonly beforeSeq: number | null;
  readonly limit: number;
}

export type Reserved = { readonly seq: number } | { readonly retryAfterS: number };

/** What stands in the way of a reservation now, and the caller's last deletion of an image. */
export interface Outlook {
  /** Seconds until the budget has room, or `null` if it has. */
  readonly retryAfterS: number | null;
  readonly deleted: Row | null;
}

/** The ledger of one caller, as the gateway sees it. The Durable Object is one. */
export interface CallerLedger {
  reserve(reservation: Reservation, budget: number): Promise<Reserved>;
  settle(seq: number, imageId: string, settlement: Settlement): Promise<Row | null>;
  outlook(imageId: string, budget: number): Promise<Outlook>;
  history(query: HistoryQuery): Promise<Row[]>;
}

export const BUDGET_WINDOW_MS = 24 * 60 * 60 * 1000;
/** How many rows one alarm removes, so that it never blocks the object for long. */
export const REMOVAL_BATCH = 5_000;

/** Each step takes the schema one version further. A released step is never changed. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE deletions (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     request_id TEXT NOT NULL,
     image_id TEXT NOT NULL,
     image_name TEXT,
     key_fingerprint TEXT NOT NULL,
     reserved_at INTEGER NOT NULL,
     settled_at INTEGER,
     outcome TEXT NOT NULL DEFAULT 'unknown',
     code TEXT,
     attempts INTEGER,
     upstream_request_id TEXT
   ) STRICT;
   CREATE INDEX deletions_by_time ON deletions (reserved_at);
   CREATE INDEX deletions_counted ON deletions (reserved_at, outcome, attempts)
     WHERE outcome NOT IN ('rejected', 'not_attempted') AND attempts IS NOT 0;`,
  `CREATE INDEX deletions_by_image ON deletions (image_id);
   CREATE INDEX deletions_by_image_and_outcome ON deletions (image_id, outcome);
   CREATE INDEX deletions_by_outcome ON deletions (outcome);`,
];

/** Every statement that runs for a request, for the test that asks SQLite how it would run each. */
export const SQL = {
  newest: 'SELECT reserved_at AS at FROM deletions ORDER BY seq DESC LIMIT 1',
  oldest: 'SELECT reserved_at AS at FROM deletions ORDER BY seq LIMIT 1',
  counted: `SELECT COUNT(*) AS counted FROM deletions
    WHERE outcome NOT IN ('rejected', 'not_attempted') AND attempts IS NOT 0 AND reserved_at > ?`,
  nthCounted: `SELECT reserved_at AS at FROM deletions
    WHERE outcome NOT IN ('rejected', 'not_attempted') AND attempts IS NOT 0 AND reserved_at > ? ORDER BY reserved_at LIMIT 1 OFFSET ?`,
  reserve:
    'INSERT INTO deletions (request_id, image_id, key_fingerprint, reserved_at) VALUES (?, ?, ?, ?) RETURNING seq',
  settle: `UPDATE deletions SET settled_at = ?, outcome = ?, code = ?, attempts = ?, upstream_request_id = ?, image_name = ?
    WHERE seq = ? AND settled_at IS NULL`,
  lastDeleted: `SELECT * FROM deletions WHERE image_id = ? AND outcome = 'deleted' ORDER BY seq DESC LIMIT 1`,
  firstSince: 'SELECT seq FROM deletions WHERE reserved_at >= ? ORDER BY reserved_at, seq LIMIT 1',
  history: 'SELECT * FROM deletions WHERE seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?',
  historyOfImage: 'SELECT * FROM deletions WHERE image_id = ? AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?',
  historyOfOutcome: 'SELECT * FROM deletions WHERE outcome = ? AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?',
  historyOfImageAndOutcome: `SELECT * FROM deletions WHERE image_id = ? AND outcome = ? AND seq >= ? AND seq < ?
    ORDER BY seq DESC LIMIT ?`,
  remove:
    'DELETE FROM deletions WHERE seq IN (SELECT seq FROM deletions WHERE reserved_at < ? ORDER BY reserved_at LIMIT ?)',
} as const;

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
    if (from === 0)
      this.#sql.exec('CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0)');
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
  lastDeleted(imageId: string): Row | null {
    const [row] = this.#sql.exec(SQL.lastDeleted, imageId).toArray();
    return row === undefined ? null : rowOf(row);
  }

  /** Newest first. */
  history({ imageId, outcome, sinceMs, untilMs, beforeSeq, limit }: HistoryQuery): Row[] {
    const from = sinceMs === null ? 0 : this.#firstSince(sinceMs);
    const to = Math.min(
      untilMs === null ? Number.MAX_SAFE_INTEGER : this.#firstSince(untilMs),
      beforeSeq ?? Number.MAX_SAFE_INTEGER,
    );
    const range = [from, to, limit];
    if (imageId !== null && outcome !== null)
      return this.#rows(SQL.historyOfImageAndOutcome, imageId, outcome, ...range);
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

  #rows(sql: string, ...bindings: (string | number)[]): Row[] {
    return this.#sql
      .exec(sql, ...bindings)
      .toArray()
      .map(rowOf);
  }
}

function rowOf(columns: SqlRow): Row {
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
