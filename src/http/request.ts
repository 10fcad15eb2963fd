/**
 * What a caller may ask for, read strictly.
 *
 * Promises: everything that is not exactly understood is a failure, so that `?dryrun=1` cannot delete. Never: decodes the
 * id, or carries text of the request into a failure.
 */
import { type ImageId, isImageId } from '../baidu/images.ts';
import { isCallerId } from '../callers/table.ts';
import type { DeletionRequest } from '../deletions/deletion.ts';
import { type HistoryQuery, ROW_OUTCOMES } from '../ledger/store.ts';
import type { Failure, ParameterName } from '../problems/table.ts';
import { inTime } from '../runtime.ts';

/** Rows on one page of history. */
export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 500;
const MAX_NAME_CHARS = 256;

export interface HistoryRequest {
  /** Whose history; `null` for one's own. */
  readonly caller: string | null;
  readonly query: HistoryQuery;
}

/** As the caller addressed us; blank where the Host header makes no URL, so that what is built on it is relative. */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : '';
}

/** The path as it came in. A URL parser would make one path of several, by taking `..` at its word. */
export function pathOf(url: string): string {
  return /^[a-z]+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? '';
}

export function queryOf(url: string): URLSearchParams {
  // With its question mark: the parser drops one, and a second is part of a name.
  return new URLSearchParams(/\?[^#]*/.exec(url)?.[0]);
}

/** Reads `DELETE /images/{id}`. `rawId` is the path's segment as it was sent, not percent-decoded. */
export function parseDeletion(rawId: string, query: URLSearchParams): DeletionRequest | Failure {
  if (!isImageId(rawId)) return { code: 'invalid_image_id' };
  const fault = strangeParameter(query, ['allowMissing', 'expectName']);
  if (fault !== null) return fault;
  const allowMissing = query.get('allowMissing') ?? 'false';
  if (allowMissing !== 'true' && allowMissing !== 'false') return malformed('allowMissing');
  const expectName = query.get('expectName');
  if (expectName !== null && (expectName === '' || expectName.length > MAX_NAME_CHARS)) return malformed('expectName');
  return { imageId: rawId, allowMissing: allowMissing === 'true', expectName };
}

/** Reads `GET /images/{id}`. */
export function parsePreview(rawId: string, query: URLSearchParams): { imageId: ImageId } | Failure {
  if (!isImageId(rawId)) return { code: 'invalid_image_id' };
  return strangeParameter(query, []) ?? { imageId: rawId };
}

/** Reads `GET /deletions`. */
export function parseHistory(query: URLSearchParams): HistoryRequest | Failure {
  const fault = strangeParameter(query, ['caller', 'cursor', 'imageId', 'limit', 'outcome', 'since', 'until']);
  if (fault !== null) return fault;
  const imageId = query.get('imageId');
  if (imageId !== null && !isImageId(imageId)) return malformed('imageId');
  const givenOutcome = query.get('outcome');
  const outcome = ROW_OUTCOMES.find((known) => known === givenOutcome) ?? null;
  if (givenOutcome !== null && outcome === null) return malformed('outcome');
  const sinceMs = parseDateTime(query.get('since'));
  if (Number.isNaN(sinceMs)) return malformed('since');
  const untilMs = parseDateTime(query.get('until'));
  if (Number.isNaN(untilMs)) return malformed('until');
  const limit = parseLimit(query.get('limit'));
  if (limit === null) return malformed('limit');
  const cursor = query.get('cursor');
  const beforeSeq = cursor === null ? null : parseCursor(cursor);
  if (cursor !== null && beforeSeq === null) return malformed('cursor');
  const caller = query.get('caller');
  if (caller !== null && !isCallerId(caller)) return malformed('caller');
  return { caller, query: { imageId, outcome, sinceMs, untilMs, beforeSeq, limit } };
}

/** The cursor of the page after the row `seq`. It is opaque to callers: Base64 of a version and a number. */
export function cursorAfter(seq: number): string {
  return btoa(`1:${seq}`).replace(/=+$/, '');
}

function parseCursor(cursor: string): number | null {
  if (!/^[A-Za-z0-9]{1,32}$/.test(cursor)) return null;
  const seq = Number(/^1:(\d{1,15})$/.exec(decoded(cursor))?.[1] ?? 0);
  return seq > 0 && cursorAfter(seq) === cursor ? seq : null;
}

function decoded(base64: string): string {
  try {
    return atob(base64);
  } catch {
    return '';
  }
}

/** RFC 3339 `date-time`. `null` for none, `NaN` for none such: the 30th of February is not a day in March. */
function parseDateTime(text: string | null): number | null {
  if (text === null) return null;
  const [, day] = /^(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const midnightMs = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(midnightMs) || !new Date(midnightMs).toISOString().startsWith(`${day}T`)) return Number.NaN;
  return Date.parse(text);
}

function parseLimit(text: string | null): number | null {
  if (text === null) return DEFAULT_LIMIT;
  const limit = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= MAX_LIMIT ? limit : null;
}

function strangeParameter(query: URLSearchParams, known: readonly ParameterName[]): Failure | null {
  const names = [...query.keys()];
  const isKnown = (name: string) => known.some((candidate) => candidate === name);
  if (!names.every(isKnown)) return { code: 'invalid_request', fault: 'unknown_parameter' };
  if (new Set(names).size < names.length) return { code: 'invalid_request', fault: 'repeated_parameter' };
  return null;
}

function malformed(fault: ParameterName): Failure {
  return { code: 'invalid_request', fault };
}

/**
 * Whether the request has content. `Content-Length: 0` is none (RFC 9110 §8.6); without a length the stream tells, because
 * some HTTP versions leave it open until its end. A stream that breaks off, or neither says a word nor ends, was meant as one.
 */
export async function hasContent(request: Request): Promise<boolean> {
  const length = request.headers.get('content-length');
  if (length !== null) return length !== '0';
  if (request.body === null) return false;
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read());
      if (done) return false;
      if (value.byteLength > 0) break;
    }
  } catch {
    // Answered below.
  }
  reader.cancel().catch(() => undefined);
  return true;
}
