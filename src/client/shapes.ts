/**
 * Recognises the bodies of the gateway's responses; returns `null` for anything else.
 *
 * Promises: uses the guards from the definition of the OpenAPI document; members that a gateway of 1.0.0 leaves out are `null`.
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

/** The value, with `null` for an absent member. */
function withNull(member: string, value: unknown): unknown {
  return isRecord(value) ? { [member]: null, ...value } : value;
}
