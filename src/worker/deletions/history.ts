/** The deletion history for callers: who may see which rows, and a row as JSON. */
import type { Caller } from '../callers/caller.ts';
import type { DeletionRow, HistoryQuery } from '../ledger/rows.ts';
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import type { DeletionJson } from './bodies.ts';

/** Limits a query to what the caller may see: anyone's rows with `deletions:read`, otherwise only its own. */
export function visibleTo(caller: Caller, query: HistoryQuery): Result<HistoryQuery, Failure<'permission_denied'>> {
  if (caller.scopes.has('deletions:read')) return ok(query);
  if (query.caller === null || query.caller === caller.id) return ok({ ...query, caller: caller.id });
  return failed({ code: 'permission_denied', missing: 'deletions:read' });
}

export function describeRow(row: DeletionRow): DeletionJson {
  const { requestId, caller, subject, imageId, imageName, outcome, confirmed, verified, code, attempts } = row;
  return {
    requestId,
    caller,
    subject,
    imageId,
    imageName,
    reservedAt: new Date(row.reservedAtMs).toISOString(),
    settledAt: isoTime(row.settledAtMs),
    resolvedAt: isoTime(row.resolvedAtMs),
    outcome,
    confirmed,
    verified,
    code,
    attempts,
    upstreamRequestId: row.upstreamRequestId,
    keyFingerprint: row.keyFingerprint,
  };
}

export function isoTime(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}
