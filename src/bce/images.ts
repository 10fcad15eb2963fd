/**
 * The image calls of the BCC API, and the one place where their URL is built.
 *
 * Promises: the only URL that can be built is `<endpoint>/v2/image/<id>` for an id of the grammar, asserted before it is
 * signed; the outcome is what is known after the last attempt, and `unknown` where nothing is. Never: lists, shares or
 * changes images, or takes anything of a caller's request but the id.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE /v{version}/image/{imageId}, version 2).
 */
import type { Answer } from './answer.ts';
import { type AttemptTools, type Exchange, exchange, type TimeLimits } from './attempts.ts';
import type { BceClient } from './client.ts';
import { judge, type Verdict } from './verdict.ts';

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
  readonly limits: TimeLimits;
  readonly tools: AttemptTools;
}

export type DeleteResult = Verdict & {
  /** 1 or 2. */
  readonly attempts: number;
  /** The last attempt's answer, if one came. */
  readonly answer: Answer | undefined;
};

/** Deletes a custom image. Irreversible. @throws only on a bug */
export async function deleteImage(bcc: Bcc, id: ImageId): Promise<DeleteResult> {
  const result = await exchange(bcc.client, imageUrl(bcc.endpoint, id), 'DELETE', bcc.limits, bcc.tools);
  const answer = result.last.kind === 'answered' ? result.last.answer : undefined;
  return { ...conclude(result), attempts: result.attempts, answer };
}

/** `<endpoint>/v2/image/<id>`. @throws Error if that is not, to the letter, what a URL parser makes of it */
export function imageUrl(endpoint: string, id: ImageId): URL {
  const text = `${endpoint}/v2/image/${id}`;
  const url = new URL(text);
  const asBuilt = url.origin === endpoint && url.pathname === `/v2/image/${id}` && url.href === text;
  if (!asBuilt || !isImageId(id)) throw new Error('The image URL is not canonical.');
  return url;
}

/** What is known after all attempts. An earlier attempt that nobody saw the end of changes what the last one proves. */
function conclude({ last, earlierUnknown }: Exchange): Verdict {
  if (last.kind !== 'answered') {
    return { code: last.kind === 'lost' ? 'upstream_error' : 'upstream_timeout', outcome: 'unknown' };
  }
  const verdict = judge(last.answer);
  if (!earlierUnknown) return verdict;
  switch (verdict.code) {
    case 'image_not_found':
      // The answer to our own deletion was lost, and this is the proof that it took place.
      return { code: 'deleted', outcome: 'deleted' };
    case 'deleted':
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
      // Refused this time; what the first attempt did is as unknown as before.
      return { code: verdict.code, outcome: 'unknown' };
  }
}
