/** Baidu's failure as one of ours, for deletion and preview alike. */
import type { Answer } from '../baidu/answer.ts';
import type { UpstreamFailureCode } from '../baidu/verdict.ts';
import type { ImageId } from '../image-id.ts';
import type { LastDeletion } from '../ledger/rows.ts';
import type { FailureOutcome } from '../outcome.ts';
import type { Failure } from '../problems/failure.ts';

/** Why a call to Baidu failed, and what that says about the deletion. */
export interface UpstreamFailure {
  readonly code: UpstreamFailureCode;
  readonly outcome: FailureOutcome;
}

/** A read that failed says that no deletion was sent, unless it says that there is no image. */
export function asNotAttempted({ code, outcome }: UpstreamFailure): UpstreamFailure {
  return { code, outcome: outcome === 'already_absent' ? outcome : 'not_attempted' };
}

/** The failure that a caller may see. */
export function upstreamFailure(
  { code, outcome }: UpstreamFailure,
  answer: Answer | undefined,
  imageId: ImageId,
): Failure<UpstreamFailureCode> {
  const upstream = answer && { status: answer.status, code: answer.code ?? null, requestId: answer.requestId ?? null };
  return { code, outcome, imageId, upstream, retryAfterS: answer?.retryAfterS };
}

/** Tells a caller whose image is absent when it was deleted; by which request, only if that was the caller's own. */
export function withLastDeletion<F extends Failure>(failure: F, last: LastDeletion | null, callerId: string): F {
  if (last === null || failure.code !== 'image_not_found') return failure;
  const requestId = last.caller === callerId ? last.requestId : null;
  return { ...failure, deletedBefore: { at: new Date(last.atMs).toISOString(), requestId } };
}
