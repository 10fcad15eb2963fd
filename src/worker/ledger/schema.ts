/**
 * The ledger's table, and every statement that runs on it.
 *
 * Promises: each query has an index, and each index a query. A test verifies that with SQLite's query plans.
 *
 * Source: https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/.
 */
import { ROW_OUTCOMES, type RowOutcome } from '../outcome.ts';
import { COUNTERS_TABLE } from './counters.ts';
import type { HistoryQuery } from './rows.ts';

/** The most terms of a compound SELECT in workerd's SQLite. */
const MAX_TERMS = 5;

export const SCHEMA_VERSION_TABLE =
  'CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0)';

/**
 * Each step raises the schema by one version. A released step never changes.
 *
 * `began_at` and `looks` are left over from version 1 and unused, but `began_at` must be set. `looked_at`: when the image was last
 * checked. `next_check_at`: when it is checked next, or null for never; every row whose outcome is unknown has one.
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
  // Updates only the unknown rows, because callers wait during the migration.
  `ALTER TABLE deletions ADD COLUMN verified INTEGER;
   ALTER TABLE deletions ADD COLUMN found_at INTEGER;
   ALTER TABLE deletions ADD COLUMN next_check_at INTEGER;
   UPDATE deletions SET next_check_at = reserved_at WHERE outcome = 'unknown';
   CREATE INDEX deletions_by_check ON deletions (looked_at IS NOT NULL, next_check_at) WHERE next_check_at IS NOT NULL;
   CREATE INDEX deletions_by_caller_and_image ON deletions (caller, image_id, reserved_at);
   DROP INDEX deletions_by_request;
   CREATE INDEX deletions_by_request_and_caller ON deletions (request_id, caller, reserved_at);`,
];

/** The rows that count against a budget: their image was or may have been deleted. */
const COUNTS = "outcome IN ('deleted', 'unknown') AND reserved_at > ?1";
/** Queries name their index: without statistics, SQLite would use a wider one for a caller. */
const [BY_OUTCOME, BY_CALLER, BY_IMAGE] = ['outcome', 'caller', 'image'].map(
  (name) => `deletions INDEXED BY deletions_by_${name}`,
);
/** The outcomes of rows whose request changed nothing. */
const WITHOUT_EFFECT = [
  'already_absent',
  'rejected',
  'not_attempted',
  'not_deleted',
] as const satisfies readonly RowOutcome[];

/** Every statement with a fixed text. */
export const SQL = {
  enter: `INSERT INTO deletions (id, request_id, caller, subject, image_id, key_fingerprint, reserved_at, began_at, next_check_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)`,
  byId: 'SELECT * FROM deletions WHERE id = ?',
  settle: `UPDATE deletions SET settled_at = ?, outcome = ?, confirmed = ?, code = ?, attempts = ?, upstream_request_id = ?,
    image_name = ? WHERE seq = ?`,
  checkNever: 'UPDATE deletions SET next_check_at = NULL WHERE seq = ?',
  /** For a row whose outcome is already final: what the request reported, and whether Baidu confirmed that outcome. */
  settleLate: `UPDATE deletions SET settled_at = ?, confirmed = ?, code = ?, attempts = ?, upstream_request_id = ?,
    image_name = ? WHERE seq = ?`,
  resolve: `UPDATE deletions SET outcome = ?, confirmed = ?, resolved_at = ?, looked_at = ?, next_check_at = NULL WHERE seq = ?`,
  verify: 'UPDATE deletions SET verified = ?, looked_at = ?, next_check_at = NULL WHERE seq = ?',
  checkLater: 'UPDATE deletions SET looked_at = ?, next_check_at = ?, found_at = ? WHERE seq = ?',
  hasten: 'UPDATE deletions SET next_check_at = ? WHERE seq = ?',
  /** Unknown rows of an image, oldest first. There are few, because only one at a time is open. */
  unknown: `SELECT * FROM deletions WHERE image_id = ? AND outcome = 'unknown' ORDER BY reserved_at, seq`,
  /** The rows of an image that a check can decide or verify. */
  checked: `SELECT * FROM deletions WHERE image_id = ? AND outcome IN ('unknown', 'deleted') AND next_check_at IS NOT NULL`,
  newestWith: `SELECT * FROM deletions WHERE image_id = ? AND outcome = ? ORDER BY reserved_at DESC, seq DESC LIMIT 1`,
  /** The image longest due, among those never checked (0) or checked before (1). Skips those in progress. */
  due: `SELECT image_id FROM deletions WHERE (looked_at IS NOT NULL) = ?1 AND next_check_at <= ?2
    AND image_id NOT IN (?3, ?4, ?5, ?6, ?7) ORDER BY next_check_at LIMIT 1`,
  nextCheck: `SELECT MIN(at) AS at FROM (SELECT MIN(next_check_at) AS at FROM deletions WHERE next_check_at IS NOT NULL
    AND (looked_at IS NOT NULL) = 0 UNION ALL SELECT MIN(next_check_at) FROM deletions WHERE next_check_at IS NOT NULL
    AND (looked_at IS NOT NULL) = 1)`,
  /** How many rows count: at least as many as images. */
  accountRows: `SELECT COUNT(*) AS count FROM ${BY_OUTCOME} WHERE ${COUNTS}`,
  callerRows: `SELECT COUNT(*) AS count FROM ${BY_CALLER} WHERE caller = ?2 AND ${COUNTS}`,
  accountCount: `SELECT COUNT(DISTINCT image_id) AS count FROM ${BY_OUTCOME} WHERE ${COUNTS}`,
  callerCount: `SELECT COUNT(DISTINCT image_id) AS count FROM ${BY_CALLER} WHERE caller = ?2 AND ${COUNTS}`,
  callerCounts: `SELECT caller, COUNT(DISTINCT image_id) AS count FROM ${BY_OUTCOME} WHERE ${COUNTS} GROUP BY caller`,
  accountHas: `SELECT 1 FROM ${BY_IMAGE} WHERE image_id = ?2 AND ${COUNTS} LIMIT 1`,
  callerHas: `SELECT 1 FROM ${BY_IMAGE} WHERE image_id = ?2 AND caller = ?3 AND ${COUNTS} LIMIT 1`,
  /** The newest row of the image that makes room when it leaves the budget, after the ?2 images before it. */
  accountLeaves: `SELECT MAX(reserved_at) AS at FROM ${BY_OUTCOME} WHERE ${COUNTS} GROUP BY image_id ORDER BY at LIMIT 1 OFFSET ?2`,
  callerLeaves: `SELECT MAX(reserved_at) AS at FROM ${BY_CALLER} WHERE caller = ?3 AND ${COUNTS} GROUP BY image_id ORDER BY at
    LIMIT 1 OFFSET ?2`,
  unresolved: `SELECT COUNT(*) AS count, MIN(reserved_at) AS oldest FROM deletions WHERE outcome = 'unknown'`,
  oldest: 'SELECT MIN(reserved_at) AS at FROM deletions WHERE outcome = ?',
  remove: `DELETE FROM deletions WHERE seq IN
    (SELECT seq FROM deletions WHERE outcome IN (${literals(ROW_OUTCOMES)}) AND reserved_at < ?1 LIMIT ?2)`,
  /** Oldest first. */
  removeWithoutEffect: `DELETE FROM deletions WHERE seq IN (SELECT seq FROM (${WITHOUT_EFFECT.map(
    (outcome) =>
      `SELECT * FROM (SELECT seq, reserved_at FROM deletions WHERE outcome = '${outcome}' AND reserved_at < ?1 ORDER BY reserved_at LIMIT ?2)`,
  ).join(' UNION ALL ')}) ORDER BY reserved_at LIMIT ?2)`,
  /** How many rows of a caller have this request id, counted up to a limit. */
  sameRequests: `SELECT COUNT(*) AS count FROM (SELECT 1 FROM deletions INDEXED BY deletions_by_request_and_caller
    WHERE caller = ? AND request_id = ? LIMIT ?)`,
} as const;

/** The history's indexes. In those `byOutcome`, the outcome comes before the time. */
const HISTORY_INDEXES = {
  request: { name: 'deletions_by_request_and_caller', byOutcome: false },
  callerAndImage: { name: 'deletions_by_caller_and_image', byOutcome: false },
  image: { name: 'deletions_by_image', byOutcome: true },
  caller: { name: 'deletions_by_caller', byOutcome: true },
  everything: { name: 'deletions_by_outcome', byOutcome: true },
} as const;
type HistoryIndex = keyof typeof HISTORY_INDEXES;

/**
 * The narrowest index for a query. `sameRequests` is how many rows the caller has with this request id, counted up to a limit: some
 * jobs always send the same id.
 */
export function historyIndex({ requestId, imageId, caller }: HistoryQuery, sameRequests: number): HistoryIndex {
  const isManyRequests = sameRequests > MAX_SAME_REQUESTS;
  if (caller !== null && imageId !== null && (requestId === null || isManyRequests)) return 'callerAndImage';
  if (requestId !== null) return 'request';
  if (imageId !== null) return 'image';
  return caller === null ? 'everything' : 'caller';
}

/** With more rows than this for one request id, the index by image is better. */
export const MAX_SAME_REQUESTS = 100;

/**
 * The statement for one page of history, with its bindings. If the index is `byOutcome`, a query without an outcome merges one ordered
 * search for each. So a page costs the same however many rows there are.
 */
export function historyStatement(
  query: HistoryQuery,
  historyIndex: HistoryIndex,
): { sql: string; bindings: (string | number)[] } {
  const { caller, imageId, requestId, outcome, sinceMs, untilMs, after, limit } = query;
  const { name, byOutcome } = HISTORY_INDEXES[historyIndex];
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
    `SELECT * FROM deletions INDEXED BY ${name} WHERE ${[...terms, ...more].join(' AND ')}`;
  const searches = byOutcome && outcome === null ? eachOutcome((each) => search(`outcome = ${each}`), page) : search();
  return { sql: `${searches} ${page}`, bindings };
}

/** One search per outcome, in two halves, because the platform allows five terms per compound. Each half returns a page. */
function eachOutcome(select: (outcome: string) => string, page: string): string {
  const searches = ROW_OUTCOMES.map((outcome) => select(`'${outcome}'`));
  return [searches.slice(0, MAX_TERMS), searches.slice(MAX_TERMS)]
    .map((half) => `SELECT * FROM (${half.join(' UNION ALL ')} ${page})`)
    .join(' UNION ALL ');
}

function literals(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ');
}
