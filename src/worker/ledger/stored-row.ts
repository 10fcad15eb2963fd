/** Converts rows of SQLite. */
import { ROW_OUTCOMES } from '../outcome.ts';
import type { DeletionRow } from './rows.ts';
import type { SqlRow } from './sql.ts';

export function toRow(columns: SqlRow): DeletionRow {
  const text = (name: string) => (columns[name] === null ? null : String(columns[name]));
  const number = (name: string) => (columns[name] === null ? null : Number(columns[name]));
  const boolean = (name: string) => (columns[name] === null ? null : columns[name] === 1);
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
    confirmed: boolean('confirmed'),
    verified: boolean('verified'),
    code: text('code'),
    attempts: number('attempts'),
    upstreamRequestId: text('upstream_request_id'),
    nextCheckAtMs: number('next_check_at'),
    checkedAtMs: number('looked_at'),
    foundAtMs: number('found_at'),
  };
}

/** SQLite has no booleans. */
export function toInteger(value: boolean | null): number | null {
  return value === null ? null : Number(value);
}
