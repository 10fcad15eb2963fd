/**
 * The ledger's tables, and every statement that runs for a request.
 *
 * Promises: each query has its index, which a test asks SQLite about.
 *
 * Source: https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/.
 */

export const SCHEMA_VERSION_TABLE =
  'CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0)';

/** Which rows count against the budget. SQLite uses the partial index only for queries with these very words. */
const COUNTS = "outcome NOT IN ('rejected', 'not_attempted') AND attempts IS NOT 0";

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
     WHERE ${COUNTS};`,
  `CREATE INDEX deletions_by_image ON deletions (image_id);
   CREATE INDEX deletions_by_image_and_outcome ON deletions (image_id, outcome);
   CREATE INDEX deletions_by_outcome ON deletions (outcome);`,
];

/** Every statement that runs for a request, for the test that asks SQLite how it would run each. */
export const SQL = {
  newest: 'SELECT reserved_at AS at FROM deletions ORDER BY seq DESC LIMIT 1',
  oldest: 'SELECT reserved_at AS at FROM deletions ORDER BY seq LIMIT 1',
  counted: `SELECT COUNT(*) AS counted FROM deletions
    WHERE ${COUNTS} AND reserved_at > ?`,
  nthCounted: `SELECT reserved_at AS at FROM deletions
    WHERE ${COUNTS} AND reserved_at > ? ORDER BY reserved_at LIMIT 1 OFFSET ?`,
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
