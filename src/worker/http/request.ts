/**
 * Parses requests strictly.
 *
 * Promises: anything not understood exactly is a failure. Never: decodes the id, or quotes the request in a failure.
 */
import { IMAGE_ID_RULE, type ImageId, isImageId } from '../image-id.ts';
import type { MayKeep } from '../kept-text.ts';
import type { HistoryQuery } from '../ledger/rows.ts';
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import { type StartTimer, withTimeout } from '../runtime.ts';
import { DELETION_PARAMETERS, HISTORY_PARAMETERS, READINESS_PARAMETERS, readQuery } from './query.ts';

type Fault = Failure<'invalid_request' | 'invalid_image_id'>;

const IMAGES_PATH = '/images/';
export const IMAGE_ROUTE = `${IMAGES_PATH}:id`;

/** `uri-host [":" port]` (RFC 9110 §7.2). Runtimes put it into the URL unchecked, where a slash would change the path. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d*)?$/i;

/** Whether the Host header is valid. A request may have none. */
export function isHost(host: string | undefined): boolean {
  return host === undefined || HOST.test(host);
}

/**
 * The path as sent; a URL parser would resolve `..` in it. Only a segment `*` is encoded, because the router would take it for its own
 * wildcard and run every handler twice.
 */
export function pathOf(url: string): string {
  const path = /^[a-z]+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? '';
  return path.replace(/(?<=\/)\*(?=\/|$)/g, '%2A');
}

/** The path segment after `/images/`, undecoded; empty on other paths. */
export function imageIdSegment(path: string): string {
  return path.startsWith(IMAGES_PATH) ? path.slice(IMAGES_PATH.length) : '';
}

/** A parsed `DELETE /images/{id}`. */
export interface DeletionOrder {
  readonly imageId: ImageId;
  readonly allowMissing: boolean;
  readonly expectName: string | null;
}

/** Reads `DELETE /images/{id}`. */
export async function readDeletion(
  request: Request,
  path: string,
  mayKeep: MayKeep,
  startTimer: StartTimer,
): Promise<Result<DeletionOrder, Fault>> {
  const imageId = readImageId(path, mayKeep);
  if (!imageId.ok) return imageId;
  const query = readQuery(queryOf(request.url), DELETION_PARAMETERS, mayKeep);
  if (!query.ok) return query;
  if (await hasContent(request, startTimer)) return failed({ code: 'invalid_request', fault: 'unexpected_body' });
  return ok({ imageId: imageId.value, ...query.value });
}

/** Reads `GET /images/{id}`. */
export function readPreview({ url }: Request, path: string, mayKeep: MayKeep): Result<ImageId, Fault> {
  const imageId = readImageId(path, mayKeep);
  if (!imageId.ok) return imageId;
  const query = readQuery(queryOf(url), [], mayKeep);
  return query.ok ? imageId : query;
}

/** Reads `GET /readyz`. */
export function readReadiness({ url }: Request, mayKeep: MayKeep): Result<{ readonly upstream: boolean }, Fault> {
  return readQuery(queryOf(url), READINESS_PARAMETERS, mayKeep);
}

/** Reads `GET /deletions`. */
export function readHistory({ url }: Request, mayKeep: MayKeep): Result<HistoryQuery, Fault> {
  const read = readQuery(queryOf(url), HISTORY_PARAMETERS, mayKeep);
  if (!read.ok) return read;
  const { since, until, cursor, ...rest } = read.value;
  return ok({ ...rest, sinceMs: since, untilMs: until, after: cursor });
}

function readImageId(path: string, mayKeep: MayKeep): Result<ImageId, Fault> {
  const segment = imageIdSegment(path);
  if (!isImageId(segment)) return failed({ code: 'invalid_image_id', rule: IMAGE_ID_RULE });
  return mayKeep(segment) ? ok(segment) : failed({ code: 'invalid_request', fault: 'holds_credential' });
}

function queryOf(url: string): URLSearchParams {
  // Keeps the question mark: the parser drops the first one, and a second belongs to a name.
  return new URLSearchParams(/\?[^#]*/.exec(url)?.[0]);
}

/**
 * Whether the request has content. Only the stream shows that: through a binding the calling Worker chooses `Content-Length`, and
 * HTTP/2 does not require it. A stream that fails or does not end in time counts as content.
 */
async function hasContent({ body }: Request, startTimer: StartTimer): Promise<boolean> {
  if (body === null) return false;
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  const hasBytes = await withTimeout(findBytes(reader), startTimer).catch(() => true);
  if (hasBytes) reader.cancel().catch(() => undefined);
  return hasBytes;
}

/** Whether any chunk is not empty. A chunk that is not bytes counts as content, too. */
async function findBytes(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<boolean> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done || value.byteLength !== 0) return !done;
  }
}
