/** Translates Baidu's failures into failures of the table, for deletion, preview and probe. */
import type { Answer } from '../baidu/answer.ts';
import type { CallFailure } from '../baidu/images.ts';
import type { Absent, UpstreamFailureCode } from '../baidu/verdict.ts';
import type { LastDeletion } from '../ledger/rows.ts';
import { logEvent } from '../log.ts';
import type { FailureOutcome } from '../outcome.ts';
import type { UpstreamFacts } from '../problems/facts.ts';
import type { Failure } from '../problems/failure.ts';
import type { Runtime } from '../runtime.ts';

/** Why a call to Baidu failed, and what that says about the deletion. */
export type UpstreamFailure =
  | Absent
  | {
      readonly code: Exclude<UpstreamFailureCode, Absent['code']>;
      readonly outcome: Exclude<FailureOutcome, Absent['outcome']>;
    };

/** A failed read means that no deletion was sent, unless Baidu has no such image. */
export function asNotAttempted(failure: CallFailure): UpstreamFailure {
  return failure.code === 'image_not_found' ? failure : { code: failure.code, outcome: 'not_attempted' };
}

/** The failure as the caller may see it. */
export function upstreamFailure(
  failure: UpstreamFailure,
  answer: Answer | undefined,
  about: Pick<UpstreamFacts, 'imageId' | 'call'>,
): Failure<UpstreamFailureCode> {
  const upstream = answer && {
    status: answer.status,
    code: answer.codes[0] ?? null,
    requestId: answer.requestId ?? null,
  };
  return { ...failure, ...about, upstream, retryAfterS: answer?.retryAfterS };
}

/** If the image is absent, adds when it was deleted. Adds by which request only if that was the caller's own. */
export function withLastDeletion<F extends Failure>(failure: F, last: LastDeletion | null, callerId: string): F {
  if (last === null || failure.code !== 'image_not_found') return failure;
  const requestId = last.caller === callerId ? last.requestId : null;
  return { ...failure, deletedBefore: { at: new Date(last.atMs).toISOString(), requestId } };
}

/**
 * Logs an absence with an unlisted code. Does nothing if `code` is `null`. `id` is that of the request, absent if the ledger made
 * the check.
 */
export function logUnlistedCode(
  runtime: Pick<Runtime, 'now' | 'log'>,
  { imageId, id }: { readonly imageId: string; readonly id?: string },
  code: string | null,
): void {
  if (code === null) return;
  logEvent(runtime, 'WARN', 'absence_unlisted', { 'gateway.request.id': id, 'image.id': imageId, 'bce.code': code });
}
