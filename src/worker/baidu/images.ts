/**
 * The image calls of the BCC API, and the only place where their URLs are built.
 *
 * Promises: the only URLs are `<endpoint>/v2/image/<id>` and, for reads, `/sharedUsers` below it; id and URL are validated before
 * signing; the outcome is what the attempts prove, or else `unknown`. Never: lists, shares or changes images, or uses anything from a
 * caller's request but the id.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE /v{version}/image/{imageId}, version 2).
 */
import { type ImageId, isImageId } from '../image-id.ts';
import { isRecord } from '../json.ts';
import { failed, ok, type Result } from '../result.ts';
import type { Answer } from './answer.ts';
import { type Exchange, exchange, type Sender } from './attempts.ts';
import { isBare, UNEXPECTED, unlistedCode, type Verdict } from './verdict.ts';

/** Why a call failed, and what that says about the image. */
export type CallFailure = Exclude<Verdict, { readonly code: 'accepted' }>;

/** The attempts of a call, and its result. */
export interface Called<T> {
  /** 1 or 2, or 0 if the deadline had passed before the first. */
  readonly attempts: number;
  /** The last response, if any arrived. */
  readonly answer: Answer | undefined;
  readonly result: Result<T, CallFailure>;
}

/** The fields of ImageModel by which a person recognises an image. Source: /doc/BCC/s/ajwvynv78. */
export interface Image {
  readonly id: ImageId;
  readonly name: string;
  /** An open set: `Custom`, `System`, `Integration`, `Sharing`, and relatives such as `BbcCustom`. */
  readonly type: string;
  /** One of `IMAGE_STATUSES`, or one that Baidu has not documented. */
  readonly status: string;
  readonly desc: string | null;
  readonly osName: string | null;
  readonly osVersion: string | null;
  readonly createTime: string | null;
}

/**
 * Whether the image exists. `isDocumented`: its status is one of `IMAGE_STATUSES`. `unlistedCode`: the code with which Baidu reported
 * an absence, if no list has it; otherwise `null`.
 */
export type ImageCheck =
  | { readonly seen: 'found'; readonly isDocumented: boolean }
  | { readonly seen: 'absent' }
  | { readonly seen: 'failed'; readonly unlistedCode: string | null };

/** A deletion was sent, and the image is gone. */
export interface Deleted {
  /** `true` if Baidu confirmed the deletion; `false` if an earlier attempt may have, and the image is gone. */
  readonly confirmed: boolean;
}

/** `endMs` is the deadline of a call: milliseconds since the epoch. Each call throws only on a bug. */
export interface ImageApi {
  /** Deletes a custom image. Irreversible. */
  delete(id: ImageId, endMs: number): Promise<Called<Deleted>>;
  get(id: ImageId, endMs: number): Promise<Called<Image>>;
  /** Checks whether the image exists: one attempt of at most 3 s. */
  check(id: ImageId): Promise<ImageCheck>;
  /**
   * How many accounts a custom image is shared with. `get` does not return that.
   * Source: https://cloud.baidu.com/doc/BCC/s/hjwvynvw4 (GET /v{version}/image/{imageId}/sharedUsers).
   */
  countSharedUsers(id: ImageId, endMs: number): Promise<Called<number>>;
}

/** More characters than Baidu allows in any of these fields. */
const MAX_TEXT_CHARS = 256;

/** The statuses of ImageModel, with both spellings that SDKs use for a failed creation. Source: /doc/BCC/s/ajwvynv78. */
const IMAGE_STATUSES: ReadonlySet<unknown> = new Set([
  'Creating',
  'Available',
  'NotAvailable',
  'Error',
  'CreateFailed',
  'CreatedFailed',
]);
/** Many images may be waiting for a check, so a slow one must not delay the others for long. */
const MAX_CHECK_MS = 3_000;

/** `endpoint` is an origin without a trailing slash. */
export function createImageApi(endpoint: string, sender: Sender): ImageApi {
  async function read<T>(url: URL, endMs: number, parse: (body: unknown) => T | null): Promise<Called<T>> {
    const exchanged = await exchange(sender, 'GET', url, endMs);
    return called(exchanged, readResult(exchanged, parse));
  }
  return {
    async delete(id, endMs) {
      const exchanged = await exchange(sender, 'DELETE', imageUrl(endpoint, id), endMs);
      return called(exchanged, conclude(exchanged));
    },
    get: (id, endMs) => read(imageUrl(endpoint, id), endMs, (body) => parseImage(body, id)),
    async check(id) {
      const endMs = sender.runtime.now() + MAX_CHECK_MS;
      return checkOf(await exchange(sender, 'GET', imageUrl(endpoint, id), endMs, 1), id);
    },
    countSharedUsers: (id, endMs) =>
      read(imageUrl(endpoint, id, '/sharedUsers'), endMs, (body) => {
        const users = isRecord(body) ? body['users'] : undefined;
        return Array.isArray(users) ? users.length : null;
      }),
  };
}

/** `<endpoint>/v2/image/<id>`. @throws Error if a URL parser would change a character of it */
export function imageUrl(endpoint: string, id: ImageId, below: '' | '/sharedUsers' = ''): URL {
  const path = `/v2/image/${id}${below}`;
  const url = new URL(endpoint + path);
  const asBuilt = url.origin === endpoint && url.href === endpoint + path;
  if (!asBuilt || !isImageId(id)) throw new Error('The image URL is not canonical.');
  return url;
}

function called<T>({ attempts, last }: Exchange, result: Called<T>['result']): Called<T> {
  return { attempts, answer: last.answer, result };
}

function readResult<T>({ last }: Exchange, parse: (body: unknown) => T | null): Called<T>['result'] {
  if (last.kind !== 'answered') return failed(failureWithoutAnswer(last.kind));
  const { answer, verdict } = last;
  if (isRefusalToDelete(verdict.code)) return failed(UNEXPECTED);
  if (verdict.code !== 'accepted') return failed(verdict);
  const value = parse(answer.body.value);
  return value === null ? failed(UNEXPECTED) : ok(value);
}

/** Not documented for reads. */
function isRefusalToDelete(code: Verdict['code']): boolean {
  return code === 'image_not_custom' || code === 'image_creating' || code === 'image_shared';
}

function checkOf({ last }: Exchange, id: ImageId): ImageCheck {
  if (last.kind !== 'answered') return { seen: 'failed', unlistedCode: null };
  const { answer, verdict } = last;
  const image = verdict.code === 'accepted' ? imageIn(answer.body.value, id) : null;
  if (image !== null) return { seen: 'found', isDocumented: IMAGE_STATUSES.has(image['status']) };
  if (verdict.code === 'image_not_found' && verdict.listed) return { seen: 'absent' };
  return { seen: 'failed', unlistedCode: unlistedCode(answer) };
}

/** The requested image's members, or `null` if the body has a different image or none. */
function imageIn(body: unknown, id: ImageId): Readonly<Record<string, unknown>> | null {
  const image = isRecord(body) ? body['image'] : undefined;
  return isRecord(image) && image['id'] === id ? image : null;
}

/** `null` unless the body fully describes the requested image; without that, no rule can be applied. */
function parseImage(body: unknown, id: ImageId): Image | null {
  const image = imageIn(body, id);
  if (image === null) return null;
  const text = (name: string) => {
    const value = image[name];
    return typeof value === 'string' && value.length <= MAX_TEXT_CHARS ? value : null;
  };
  const [name, type, status] = [text('name'), text('type'), text('status')];
  if (name === null || type === null || status === null) return null;
  const [desc, osName, osVersion, createTime] = [text('desc'), text('osName'), text('osVersion'), text('createTime')];
  return { id, name, type, status, desc, osName, osVersion, createTime };
}

function failureWithoutAnswer(kind: 'lost' | 'timed_out'): CallFailure {
  return { code: kind === 'lost' ? 'upstream_error' : 'upstream_timeout', outcome: 'unknown' };
}

/** What all attempts prove. An earlier attempt with unknown effect changes what the last one proves. */
function conclude({ last, earlier }: Exchange): Called<Deleted>['result'] {
  if (last.kind !== 'answered') return failed(failureWithoutAnswer(last.kind));
  const { answer, verdict } = last;
  if (verdict.code === 'accepted') {
    // A deletion is documented to return no parameters.
    return isBare(answer.body) ? ok({ confirmed: true }) : failed(UNEXPECTED);
  }
  if (earlier === 'nothing') return failed(verdict);
  // The earlier attempt may have deleted the image, or may still delete it.
  if (verdict.code === 'image_not_found') {
    // An unlisted code may mean anything. A later check decides.
    return verdict.listed ? ok({ confirmed: false }) : failed(UNEXPECTED);
  }
  return failed({ code: verdict.code, outcome: 'unknown' });
}
