/**
 * The URLs of the deletion history: its pages, and the rows of one deletion.
 *
 * Promises: a page begins right after the last row of the page before it, whatever was deleted in between.
 *
 * Source: RFC 8288 (`Link`).
 */
import { isoTime } from '../deletions/history.ts';
import type { Cursor, DeletionRow, HistoryQuery } from '../ledger/rows.ts';

export const DELETIONS_PATH = '/deletions';

/** The `Link` to the page after `rows`, the result of `query`; `null` if `rows` is not full and so is the last page. */
export function nextLink(origin: string, query: HistoryQuery, rows: readonly DeletionRow[]): string | null {
  const { caller, imageId, requestId, outcome, sinceMs, untilMs, limit } = query;
  const last = rows[limit - 1];
  if (last === undefined) return null;
  const [since, until] = [isoTime(sinceMs), isoTime(untilMs)];
  const texts = { caller, imageId, requestId, outcome, since, until, limit: `${limit}`, cursor: cursorAfter(last) };
  const search = new URLSearchParams(
    Object.entries(texts).flatMap(([name, text]) => (text === null ? [] : [[name, text]])),
  );
  return `<${origin}${DELETIONS_PATH}?${search}>; rel="next"`;
}

/** The cursor of the page after a row. Opaque to callers: Base64 of a version, a time and a number. */
export function cursorAfter({ reservedAtMs, seq }: Cursor): string {
  return btoa(`1:${reservedAtMs}:${seq}`).replaceAll('=', '');
}

/** The position in a cursor, or `undefined` if `cursorAfter` did not make it. */
export function parseCursor(text: string): Cursor | undefined {
  const found = /^1:(\d{1,15}):(\d{1,15})$/.exec(decodeBase64(text));
  const cursor = { reservedAtMs: Number(found?.[1]), seq: Number(found?.[2]) };
  return cursor.seq > 0 && cursorAfter(cursor) === text ? cursor : undefined;
}

/** Where a caller finds the final outcome of its deletion. */
export function deletionUrl(origin: string, caller: string, imageId: string, requestId: string): string {
  return `${origin}${DELETIONS_PATH}?${new URLSearchParams({ caller, imageId, requestId })}`;
}

function decodeBase64(text: string): string {
  try {
    return atob(text);
  } catch {
    return '';
  }
}
