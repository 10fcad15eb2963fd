/**
 * What a caller may ask for, read strictly.
 *
 * Promises: everything that is not exactly understood is a failure, so that `?dryrun=1` cannot delete. Never: decodes the
 * id, or carries text of the request into a failure.
 */
import { isImageId } from './bce/images.ts';
import type { DeletionRequest } from './deletion.ts';
import type { Failure } from './problem.ts';

/** Reads `DELETE /images/{id}`. `rawId` is the path's segment as it was sent, not percent-decoded. */
export function parseDeletion(rawId: string, query: URLSearchParams): DeletionRequest | Failure {
  if (!isImageId(rawId)) return { code: 'invalid_image_id' };
  const names = [...query.keys()];
  if (names.some((name) => name !== 'allowMissing')) return { code: 'invalid_request', fault: 'unknown_parameter' };
  if (names.length > 1) return { code: 'invalid_request', fault: 'repeated_parameter' };
  const allowMissing = query.get('allowMissing') ?? 'false';
  if (allowMissing !== 'true' && allowMissing !== 'false') {
    return { code: 'invalid_request', fault: 'bad_allow_missing' };
  }
  return { imageId: rawId, allowMissing: allowMissing === 'true' };
}

/**
 * Whether the request has content. `Content-Length: 0` is none (RFC 9110 §8.6); without a length the stream tells, because
 * some HTTP versions leave it open until its end.
 */
export async function hasContent(request: Request): Promise<boolean> {
  const length = request.headers.get('content-length');
  if (length !== null) return length !== '0';
  if (request.body === null) return false;
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return false;
    if (value.byteLength > 0) {
      reader.cancel().catch(() => undefined);
      return true;
    }
  }
}
