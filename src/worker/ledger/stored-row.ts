/**
 * A row as SQLite keeps it, and as the code has it.
 *
 * Promises: pure. Never: runs a statement.
 */
import { ROW_OUTCOMES } from '../outcome.ts';
import type { UnknownRow } from './resolution.ts';
import type { DeletionRow } from './rows.ts';
import type { SqlRow } from './sql.ts';

export interface StoredRow extends DeletionRow {
  readonly beganAtMs: number;
  readonly looks: number;
  readonly lookedAtMs: number | null;
}

export function toStoredRow(columns: SqlRow): StoredRow {
  const text = (name: string) => (columns[name] === null ? null : String(columns[name]));
  const number = (name: string) => (columns[name] === null ? null : Number(columns[name]));
  return {
    seq: Number(columns['seq']),
    id: String(columns['id']),
    requestId: String(columns['request_id']),
    caller: String(columns['caller']),
    subject: text('subject'),
    imageId: String(columns['image_id']),
    imageName: text('image_name'),
    keyFingerprint: String(columns['key_fingerprint']),
    reservedAtMs: Number(columns['reserved_at']),
    settledAtMs: number('settled_at'),
    resolvedAtMs: number('resolved_at'),
    outcome: ROW_OUTCOMES.find((outcome) => outcome === columns['outcome']) ?? 'unknown',
    confirmed: columns['confirmed'] === null ? null : columns['confirmed'] === 1,
    code: text('code'),
    attempts: number('attempts'),
    upstreamRequestId: text('upstream_request_id'),
    beganAtMs: Number(columns['began_at']),
    looks: Number(columns['looks']),
    lookedAtMs: number('looked_at'),
  };
}

export function toDeletionRow({
  beganAtMs: _beganAtMs,
  looks: _looks,
  lookedAtMs: _lookedAtMs,
  ...row
}: StoredRow): DeletionRow {
  return row;
}

export function toUnknownRow({
  seq,
  imageId,
  beganAtMs,
  settledAtMs,
  attempts,
  looks,
  lookedAtMs,
}: StoredRow): UnknownRow {
  // A bug may have ended the counting after the first deletion was sent; then a settled row has no number.
  return { seq, imageId, beganAtMs, sent: settledAtMs !== null && attempts !== 0, looks, lookedAtMs };
}

/** SQLite has no booleans. */
export function toInteger(value: boolean | null): number | null {
  return value === null ? null : Number(value);
}
