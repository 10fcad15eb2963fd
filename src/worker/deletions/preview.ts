/**
 * Describes an image, and says whether this caller could delete it now, by the same rules as a deletion.
 *
 * Promises: sends Baidu nothing but GET; lists every blocker under the code with which a deletion would fail; answers `null` if
 * sharing could not be read. Never: reserves or settles, or predicts anything about later.
 */
import type { Answer } from '../baidu/answer.ts';
import type { CallFailure, Image } from '../baidu/images.ts';
import type { Caller } from '../callers/caller.ts';
import type { ImageId } from '../image-id.ts';
import type { Outlook } from '../ledger/rows.ts';
import { detailOf, type Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import type { PreviewBody } from './bodies.ts';
import type { Gateway } from './gateway.ts';
import { inProgress } from './ledger-stub.ts';
import { blockedBeforeRead, blockedByName, blockedByState, isCustom } from './policy.ts';
import { asNotAttempted, upstreamFailure, withLastDeletion } from './upstream.ts';

/** The image as Baidu describes it, and what the rules say about it. */
export interface Preview extends Image, Pick<PreviewBody, 'sharedWith' | 'deletable' | 'blockers'> {}

export interface Previewed {
  readonly result: Result<Preview, Failure>;
  /** Calls to Baidu. */
  readonly attempts: number;
  readonly answer: Answer | undefined;
}

/** Reads the image and applies every rule. @throws only on a bug */
export async function previewImage(gateway: Gateway, caller: Caller, imageId: ImageId): Promise<Previewed> {
  const { images, policy, ledger, budgetsOf, now, deadlineMs } = gateway;
  const endMs = now() + deadlineMs;
  const [read, peeked] = await Promise.all([
    images.get(imageId, endMs),
    ledger.peek(caller.id, imageId, budgetsOf(caller)),
  ]);
  const notPreviewed = (failure: CallFailure, { attempts, answer }: Pick<Previewed, 'attempts' | 'answer'>) => {
    const told = upstreamFailure(asNotAttempted(failure), answer, { imageId, call: 'preview' });
    const lastDeletion = peeked.ok ? peeked.value.lastDeletion : null;
    return { result: failed(withLastDeletion(told, lastDeletion, caller.id)), attempts, answer };
  };
  if (!read.result.ok) return notPreviewed(read.result.failure, read);
  const image = read.result.value;

  const sharing = isCustom(image.type) ? await images.countSharedUsers(imageId, endMs) : null;
  // The image was deleted between the two reads.
  if (sharing?.result.ok === false && sharing.result.failure.code === 'image_not_found') {
    return notPreviewed(sharing.result.failure, sharing);
  }
  const sharedWith = sharing?.result.ok === true ? sharing.result.value : null;
  const isSharingUnknown = sharing?.result.ok === false;

  const blockers = [
    ...blockedBeforeRead(policy, imageId),
    ...blockedByScope(caller),
    ...blockedByName(policy, caller, image, null),
    ...blockedByState(image, sharedWith),
    ...blockedByLedger(peeked, caller, imageId),
  ];
  return {
    result: ok({
      ...image,
      sharedWith,
      deletable: isDeletable(blockers, isSharingUnknown),
      blockers: blockers.map((failure) => ({ code: failure.code, detail: detailOf(failure) })),
    }),
    attempts: read.attempts + (sharing?.attempts ?? 0),
    // If the second read failed, its response shows the operator why.
    answer: isSharingUnknown ? sharing.answer : read.answer,
  };
}

function blockedByScope({ scopes }: Caller): Failure[] {
  return scopes.has('images:delete') ? [] : [{ code: 'permission_denied', missing: 'images:delete' }];
}

function blockedByLedger(
  peeked: Result<Outlook, Failure<'ledger_unavailable'>>,
  { id: caller }: Caller,
  imageId: ImageId,
): Failure[] {
  if (!peeked.ok) return [peeked.failure];
  const { open, exhausted } = peeked.value;
  const blockers: Failure[] = open === null ? [] : [inProgress(open, { caller, imageId, requestId: null })];
  return exhausted === null ? blockers : [...blockers, { code: 'budget_exhausted', ...exhausted }];
}

function isDeletable(blockers: readonly Failure[], isSharingUnknown: boolean): boolean | null {
  if (blockers.length > 0) return false;
  return isSharingUnknown ? null : true;
}
