/**
 * The image calls of the BCC API, and the one place where their URL is built.
 *
 * Promises: the only URLs that can be built are `<endpoint>/v2/image/<id>` and, to read, `/sharedUsers` below it, for an id
 * of the grammar, asserted before they are signed; the outcome is what is known after the last attempt, and `unknown` where
 * nothing is. Never: lists, shares or changes images, or takes anything of a caller's request but the id.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE /v{version}/image/{imageId}, version 2).
 */
import { isRecord } from '../json.ts';
import type { Answer } from './answer.ts';
import { type AttemptTools, type Exchange, exchange, type TimeLimits } from './attempts.ts';
import type { BceClient } from './client.ts';
import { judge, saysNothing, type Verdict } from './verdict.ts';

declare const checked: unique symbol;
/** A string that `isImageId` has seen. */
export type ImageId = string & { readonly [checked]: true };

/** Every id on record is `m-` and 8 characters. What matters is what the grammar leaves out: `/ . % ? #`, other prefixes. */
export const IMAGE_ID = /^m-[A-Za-z0-9]{6,32}$/;

export function isImageId(text: string): text is ImageId {
  return IMAGE_ID.test(text);
}

/** Everything a call needs. `endpoint` is an origin without a trailing slash. */
export interface Bcc {
  readonly client: BceClient;
  readonly endpoint: string;
  readonly tools: AttemptTools;
}

/** What became of a call: the attempts it took, and the last answer, if one came. */
interface Called {
  /** 1 or 2, or 0 where the time was over before it began. */
  readonly attempts: number;
  readonly answer: Answer | undefined;
}

export type Failed = Extract<Verdict, { outcome: string }>;
export type DeleteResult = Called & (Failed | { readonly code: 'deleted' });
/** For a read, `outcome` says `already_absent` or nothing of interest. */
export type ReadResult<T> = Called & (Failed | { readonly code: 'read'; readonly value: T });

/** The part of ImageModel by which a person recognises an image. Source: /doc/BCC/s/ajwvynv78. */
export interface Image {
  readonly id: ImageId;
  readonly name: string;
  /** An open set: `Custom`, `System`, `Integration`, `Sharing`, and kin such as `BbcCustom`. */
  readonly type: string;
  /** `Creating`, `Available`, `NotAvailable`, `Error`, `CreateFailed` or `CreatedFailed`. */
  readonly status: string;
  readonly desc: string | null;
  readonly osName: string | null;
  readonly osVersion: string | null;
  readonly createTime: string | null;
}

/** Longer texts than Baidu lets anybody enter. */
const MAX_TEXT_CHARS = 256;

/** Deletes a custom image. Irreversible. @throws only on a bug */
export async function deleteImage(bcc: Bcc, id: ImageId, limits: TimeLimits): Promise<DeleteResult> {
  const result = await exchange(bcc.client, imageUrl(bcc.endpoint, id), 'DELETE', limits, bcc.tools);
  return { ...calledOf(result), ...conclude(result) };
}

/** Reads an image. @throws only on a bug */
export function getImage(bcc: Bcc, id: ImageId, limits: TimeLimits): Promise<ReadResult<Image>> {
  return read(bcc, imageUrl(bcc.endpoint, id), limits, (body) => parseImage(body, id));
}

/**
 * Reads how many accounts a custom image is shared with. The image itself does not tell. @throws only on a bug
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/hjwvynvw4 (GET /v{version}/image/{imageId}/sharedUsers).
 */
export function countSharedUsers(bcc: Bcc, id: ImageId, limits: TimeLimits): Promise<ReadResult<number>> {
  return read(bcc, imageUrl(bcc.endpoint, id, '/sharedUsers'), limits, (body) => {
    const users = isRecord(body) ? body['users'] : undefined;
    return Array.isArray(users) ? users.length : null;
  });
}

/** `<endpoint>/v2/image/<id>`. @throws Error if that is not, to the letter, what a URL parser makes of it */
export function imageUrl(endpoint: string, id: ImageId, below: '' | '/sharedUsers' = ''): URL {
  const path = `/v2/image/${id}${below}`;
  const url = new URL(endpoint + path);
  const asBuilt = url.origin === endpoint && url.pathname === path && url.href === endpoint + path;
  if (!asBuilt || !isImageId(id)) throw new Error('The image URL is not canonical.');
  return url;
}

async function read<T>(
  bcc: Bcc,
  url: URL,
  limits: TimeLimits,
  parse: (body: unknown) => T | null,
): Promise<ReadResult<T>> {
  const result = await exchange(bcc.client, url, 'GET', limits, bcc.tools);
  const called = calledOf(result);
  if (result.last.kind !== 'answered') return { ...called, ...noAnswer(result.last.kind) };
  const verdict = judge(result.last.answer);
  if (verdict.code !== 'accepted') return { ...called, ...verdict };
  const { body } = result.last.answer;
  const value = body.kind === 'json' ? parse(body.value) : null;
  return value === null
    ? { ...called, code: 'upstream_unexpected', outcome: 'unknown' }
    : { ...called, code: 'read', value };
}

/** `null` for anything that is not the image that was asked for: then no rule can be held against it. */
function parseImage(body: unknown, id: ImageId): Image | null {
  const image = isRecord(body) ? body['image'] : undefined;
  if (!isRecord(image) || image['id'] !== id) return null;
  const text = (name: string) => {
    const value = image[name];
    return typeof value === 'string' && value.length <= MAX_TEXT_CHARS ? value : null;
  };
  const [name, type, status] = [text('name'), text('type'), text('status')];
  if (name === null || type === null || status === null) return null;
  const [desc, osName, osVersion, createTime] = [text('desc'), text('osName'), text('osVersion'), text('createTime')];
  return { id, name, type, status, desc, osName, osVersion, createTime };
}

function calledOf({ attempts, last }: Exchange): Called {
  return { attempts, answer: last.kind === 'answered' ? last.answer : undefined };
}

function noAnswer(kind: 'lost' | 'timed_out'): Failed {
  return { code: kind === 'lost' ? 'upstream_error' : 'upstream_timeout', outcome: 'unknown' };
}

/** What is known after all attempts. An earlier attempt that nobody saw the end of changes what the last one proves. */
function conclude({ last, earlier }: Exchange): Failed | { code: 'deleted' } {
  if (last.kind !== 'answered') return noAnswer(last.kind);
  const verdict = judge(last.answer);
  switch (verdict.code) {
    case 'accepted':
      // A deletion returns no parameters. What comes with some is something that nobody has documented.
      return saysNothing(last.answer.body) ? { code: 'deleted' } : { code: 'upstream_unexpected', outcome: 'unknown' };
    case 'image_not_found':
      // After a lost answer to our own deletion this is the proof that it took place.
      return earlier === 'lost' ? { code: 'deleted' } : verdict;
    case 'image_not_custom':
    case 'image_creating':
    case 'image_shared':
      // These speak of the image as it stands now.
      return verdict;
    case 'upstream_rejected_credentials':
    case 'upstream_throttled':
    case 'upstream_unexpected':
    case 'upstream_error':
    case 'upstream_timeout':
      // Refused this time; what an earlier attempt did is as unknown as before.
      return earlier === 'none' ? verdict : { code: verdict.code, outcome: 'unknown' };
  }
}
