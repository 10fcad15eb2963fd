/**
 * The ledger's table, and every statement that runs on it.
 *
 * Promises: each query has its index and each index has its query, which a test asks SQLite about.
 *
 * Source: https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/.
 */
import { ROW_OUTCOMES } from '../outcome.ts';
import { COUNTERS_TABLE } from './counters.ts';
import type { HistoryQuery } from './rows.ts';

/** Of a compound SELECT, by the limits of workerd's SQLite. */
const MAX_TERMS = 5;

export const SCHEMA_VERSION_TABLE =
  'CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0)';

/**
 * Each step takes the schema one version further. A released step is never changed.
 *
 * `began_at` is `reserved_at`, until the clock turns out to have been ahead: then it is the time of that discovery. Budgets and
 * looks go by it, so that a clock that was wrong once does not block them until the wrong date.
 */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE deletions (
     seq INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     request_id TEXT NOT NULL,
     caller TEXT NOT NULL,
     subject TEXT,
     image_id TEXT NOT NULL,
     image_name TEXT,
     key_fingerprint TEXT NOT NULL,
     reserved_at INTEGER NOT NULL,
     began_at INTEGER NOT NULL,
     settled_at INTEGER,
     resolved_at INTEGER,
     outcome TEXT NOT NULL DEFAULT 'unknown',
     confirmed INTEGER,
     code TEXT,
     attempts INTEGER,
     upstream_request_id TEXT,
     looks INTEGER NOT NULL DEFAULT 0,
     looked_at INTEGER
   ) STRICT;
   CREATE INDEX deletions_by_outcome ON deletions (outcome, reserved_at);
   CREATE INDEX deletions_by_caller ON deletions (caller, outcome, reserved_at);
   CREATE INDEX deletions_by_image ON deletions (image_id, outcome, reserved_at);
   CREATE INDEX deletions_by_request ON deletions (request_id);
   ${COUNTERS_TABLE};`,
];

/** Every statement with a fixed text. */
export const SQL = {
  reserve: `INSERT INTO deletions (id, request_id, caller, subject, image_id, key_fingerprint, reserved_at, began_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)`,
  byId: 'SELECT * FROM deletions WHERE id = ?',
  settle: `UPDATE deletions SET settled_at = ?, outcome = ?, confirmed = ?, code = ?, attempts = ?, upstream_request_id = ?,
    image_name = ?, resolved_at = ? WHERE seq = ?`,
  lastDeleted: `SELECT * FROM deletions WHERE image_id = ? AND outcome = 'deleted' ORDER BY reserved_at DESC, seq DESC LIMIT 1`,
  takeBackInferred: `UPDATE deletions SET outcome = 'already_absent'
    WHERE image_id = ? AND outcome = 'deleted' AND confirmed = 0 AND resolved_at IS NOT NULL RETURNING *`,
  /** To the first of the rows that the same look decided. */
  passOnClaim: `UPDATE deletions SET outcome = 'deleted' WHERE seq = (SELECT seq FROM deletions WHERE image_id = ?
    AND outcome = 'already_absent' AND confirmed = 0 AND resolved_at = ? ORDER BY reserved_at, seq LIMIT 1) RETURNING *`,
  counting: `SELECT caller, image_id, began_at FROM deletions
    WHERE outcome IN ('deleted', 'unknown') AND reserved_at > ?1 AND began_at > ?1`,
  /** The clock was ahead when these were entered, whatever became of them. */
  fromTheFuture: `UPDATE deletions SET began_at = ?1 WHERE outcome IN (${literals(ROW_OUTCOMES)}) AND reserved_at > ?1 AND began_at > ?1`,
  lookedInTheFuture: `UPDATE deletions SET looked_at = ?1 WHERE outcome = 'unknown' AND looked_at > ?1`,
  unknown: `SELECT * FROM deletions WHERE outcome = 'unknown' ORDER BY reserved_at, seq`,
  unknownOfImage: `SELECT * FROM deletions WHERE image_id = ? AND outcome = 'unknown' ORDER BY reserved_at, seq`,
  resolve: 'UPDATE deletions SET outcome = ?, confirmed = ?, resolved_at = ?, looks = ?, looked_at = ? WHERE seq = ?',
  looked: 'UPDATE deletions SET looks = ?, looked_at = ? WHERE seq = ?',
  unresolved: `SELECT COUNT(*) AS count, MIN(began_at) AS oldest FROM deletions WHERE outcome = 'unknown'`,
  oldest: 'SELECT MIN(reserved_at) AS at FROM deletions WHERE outcome = ?',
  remove: `DELETE FROM deletions WHERE seq IN
    (SELECT seq FROM deletions WHERE outcome IN (${literals(ROW_OUTCOMES)}) AND reserved_at < ? LIMIT ?)`,
} as const;

/**
 * The statement for one page of history, with its bindings.
 *
 * The index of the narrowest filter serves it, and SQLite is not left the choice. The indexes have the outcome before the time, so
 * without an outcome it merges one ordered search for each: a page costs the same however many rows there are.
 */
export function historyStatement(query: HistoryQuery): { sql: string; bindings: (string | number)[] } {
  const { caller, imageId, requestId, outcome, sinceMs, untilMs, after, limit } = query;
  const bindings: (string | number)[] = [];
  const bind = (value: string | number) => `?${bindings.push(value)}`;
  const terms: string[] = [];
  if (requestId !== null) terms.push(`request_id = ${bind(requestId)}`);
  if (imageId !== null) terms.push(`image_id = ${bind(imageId)}`);
  if (caller !== null) terms.push(`caller = ${bind(caller)}`);
  if (outcome !== null) terms.push(`outcome = ${bind(outcome)}`);
  if (sinceMs !== null) terms.push(`reserved_at >= ${bind(sinceMs)}`);
  if (untilMs !== null) terms.push(`reserved_at < ${bind(untilMs)}`);
  if (after !== null) terms.push(`(reserved_at, seq) < (${bind(after.reservedAtMs)}, ${bind(after.seq)})`);
  const page = `ORDER BY reserved_at DESC, seq DESC LIMIT ${bind(limit)}`;
  const search = (...more: readonly string[]) =>
    `SELECT * FROM deletions INDEXED BY ${indexFor(query)} WHERE ${[...terms, ...more].join(' AND ')}`;
  const searches =
    outcome === null && requestId === null ? eachOutcome((each) => search(`outcome = ${each}`), page) : search();
  return { sql: `${searches} ${page}`, bindings };
}

function indexFor({ requestId, imageId, caller }: HistoryQuery): string {
  if (requestId !== null) return 'deletions_by_request';
  if (imageId !== null) return 'deletions_by_image';
  return caller === null ? 'deletions_by_outcome' : 'deletions_by_caller';
}

/** One search for each outcome. The platform allows five terms in one compound, so they come in two, which both have a page. */
function eachOutcome(select: (outcome: string) => string, page: string): string {
  const searches = ROW_OUTCOMES.map((outcome) => select(`'${outcome}'`));
  return [searches.slice(0, MAX_TERMS), searches.slice(MAX_TERMS)]
    .map((half) => `SELECT * FROM (${half.join(' UNION ALL ')} ${page})`)
    .join(' UNION ALL ');
}

function literals(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ');
}
