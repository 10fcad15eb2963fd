/**
 * The deletion history as callers see it: rows of the ledger, a page at a time.
 *
 * Promises: newest first, and a page begins where the one before it ended, whatever was deleted in between. Never: shows
 * whose rows they are to somebody who may not ask.
 *
 * Source: RFC 8288 (`Link`).
 */

import { cursorAfter } from '../http/request.ts';
import type { Row } from '../ledger/store.ts';

/** A row as JSON. Times are ISO 8601; `settledAt` is `null` where nobody knows what became of the deletion. */
export function describeRow(row: Row, caller: string) {
  const { imageId, imageName, outcome, code, attempts, requestId, upstreamRequestId, keyFingerprint } = row;
  return {
    requestId,
    caller,
    imageId,
    imageName,
    reservedAt: new Date(row.reservedAtMs).toISOString(),
    settledAt: row.settledAtMs === null ? null : new Date(row.settledAtMs).toISOString(),
    outcome,
    code,
    attempts,
    upstreamRequestId,
    keyFingerprint,
  };
}

/** The `Link` to the page after `rows`, or `null` where this page is not full and so the last. */
export function nextLink(url: URL, rows: readonly Row[], limit: number): string | null {
  const last = rows.at(-1);
  if (last === undefined || rows.length < limit) return null;
  const next = new URL(url);
  next.searchParams.set('cursor', cursorAfter(last.seq));
  return `<${next.href}>; rel="next"`;
}
