/**
 * A body of the gateway, or `null` if it is anything else.
 *
 * Promises: the guards are those of the document's own statement of the bodies; what a gateway of 1.0.0 leaves out is `null`.
 */
import { BODIES } from '../openapi/bodies.ts';
import type { DeletionJson, ReadinessBody } from '../worker/deletions/bodies.ts';
import { isRecord } from '../worker/json.ts';

/** The rows of a page of history. */
export function rowsIn(body: unknown): readonly DeletionJson[] | null {
  const rows = isRecord(body) ? body['deletions'] : undefined;
  const page = { deletions: Array.isArray(rows) ? rows.map((row) => withNull('verified', row)) : rows };
  return BODIES.HistoryPage.is(page) ? page.deletions : null;
}

export function readinessIn(body: unknown): ReadinessBody | null {
  const readiness = withNull('control', body);
  return BODIES.Readiness.is(readiness) ? readiness : null;
}

/** The value, with `null` for a member that is absent. */
function withNull(member: string, value: unknown): unknown {
  return isRecord(value) ? { [member]: null, ...value } : value;
}
