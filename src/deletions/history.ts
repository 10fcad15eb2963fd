/**
 * The deletion history as callers see it: rows of the ledger, a page at a time.
 *
 * Promises: newest first; a page begins after the row with which the one before it ended, whatever was deleted in between.
 *
 * Source: RFC 8288 (`Link`).
 */
import type { DeletionRow } from '../ledger/rows.ts';
import type { RowOutcome } from '../outcome.ts';

/** A row as JSON. Times are ISO 8601; `settledAt` is `null` as long as nobody has said what became of the deletion. */
export interface Deletion {
  readonly requestId: string;
  readonly caller: string;
  readonly imageId: string;
  readonly imageName: string | null;
  readonly reservedAt: string;
  readonly settledAt: string | null;
  readonly outcome: RowOutcome;
  readonly code: string | null;
  readonly attempts: number | null;
  readonly upstreamRequestId: string | null;
  readonly keyFingerprint: string;
}

export function describeRow(row: DeletionRow, caller: string): Deletion {
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

/** The `Link` to the page after `rows`, or `null` if this page is not full and so the last. */
export function nextLink(url: URL, rows: readonly DeletionRow[], limit: number): string | null {
  const last = rows.at(-1);
  if (last === undefined || rows.length < limit) return null;
  const next = new URL(url);
  next.searchParams.set('cursor', cursorAfter(last.seq));
  return `<${next.href}>; rel="next"`;
}

/** The cursor of the page after the row `seq`. Callers must not read it: Base64 of a version and a number. */
export function cursorAfter(seq: number): string {
  return btoa(`1:${seq}`).replace(/=+$/, '');
}

/** The `seq` in a cursor, or `undefined` if `cursorAfter` did not make it. */
export function parseCursor(cursor: string): number | undefined {
  const seq = Number(/^1:(\d{1,15})$/.exec(decodeBase64(cursor))?.[1] ?? 0);
  return seq > 0 && cursorAfter(seq) === cursor ? seq : undefined;
}

function decodeBase64(text: string): string {
  if (!/^[A-Za-z0-9]{1,32}$/.test(text)) return '';
  try {
    return atob(text);
  } catch {
    return '';
  }
}
