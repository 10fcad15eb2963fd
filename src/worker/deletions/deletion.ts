/**
 * One deletion, from a checked request to what is known about the image: policy, ledger, Baidu, ledger.
 *
 * Promises: nothing is sent to Baidu before the ledger has the deletion on disk; what comes of it is a success or a failure of
 * the closed table, and is written back while the answer is on its way; a bug on the way becomes `internal_error` with the
 * true outcome. Never: knows HTTP beyond what a failure carries.
 */
import type { Answer } from '../baidu/answer.ts';
import type { Caller } from '../callers/caller.ts';
import type { ImageId } from '../image-id.ts';
import type { LastDeletion, Settlement } from '../ledger/rows.ts';
import type { SuccessOutcome } from '../outcome.ts';
import { type Failure, outcomeOf } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import type { RequestWaits } from '../runtime.ts';
import type { Gateway } from './gateway.ts';
import { blockedBeforeRead, blockedByName, needsName } from './policy.ts';
import { asNotAttempted, type UpstreamFailure, upstreamFailure, withLastDeletion } from './upstream.ts';

export interface DeletionRequest {
  /** Made by us; the row of the ledger bears it. */
  readonly id: string;
  /** The caller may have chosen it. */
  readonly requestId: string;
  readonly caller: Caller;
  /** Whom the caller's token was issued to, or `null` for other proofs. */
  readonly subject: string | null;
  readonly imageId: ImageId;
  /** An absent image is a success. */
  readonly allowMissing: boolean;
  /** The name that the image must bear. */
  readonly expectName: string | null;
}

/** The image is gone. */
export interface Gone {
  readonly outcome: SuccessOutcome;
  /** `true` if Baidu said so; `false` if it was gone after an attempt of ours whose effect is unknown. */
  readonly confirmed: boolean;
}

/** What was done, and what is known about it. */
interface Attempted {
  readonly result: Result<Gone, Failure>;
  /** Deletions sent to Baidu: 0, 1 or 2; `null` if a bug ended the counting after the first was sent. */
  readonly attempts: number | null;
  /** Baidu's last answer, to the deletion or to the read before it. */
  readonly answer: Answer | undefined;
  /** `null` unless a rule needed it. */
  readonly imageName: string | null;
  /** What a bug threw. */
  readonly thrown?: unknown;
}

export interface Deletion extends Attempted {
  /** Ends with `false` if the ledger did not take the outcome, so that its row says `unknown`; `null` if there is no row. */
  readonly settled: Promise<boolean> | null;
}

/** Deletes the image, unless something forbids it. Irreversible. */
export async function deleteImage(gateway: Gateway, request: DeletionRequest, waits: RequestWaits): Promise<Deletion> {
  const { policy, ledger, budgetsOf, deadlineMs, keyFingerprint, now } = gateway;
  const { id, requestId, imageId, caller, subject } = request;
  const endMs = now() + deadlineMs;
  const [blocker] = blockedBeforeRead(policy, imageId);
  if (blocker !== undefined) return { ...notAttempted(blocker), settled: null };

  const reservation = { id, requestId, caller: caller.id, subject, imageId, keyFingerprint };
  const reserved = await ledger.reserve(reservation, budgetsOf(caller), deadlineMs, waits);
  if (!reserved.ok) return { ...notAttempted(reserved.failure), settled: null };

  const attempted = await readAndDelete(gateway, request, reserved.value, endMs);
  const settled = ledger.settle(id, settlementOf(attempted), waits);
  waits.waitUntil(settled);
  return { ...attempted, settled };
}

async function readAndDelete(
  { images, policy }: Gateway,
  request: DeletionRequest,
  lastDeletion: LastDeletion | null,
  endMs: number,
): Promise<Attempted> {
  const { imageId, caller, expectName } = request;
  const failure = (upstream: UpstreamFailure, answer: Answer | undefined) =>
    resultOf(upstream, answer, request, lastDeletion);
  let sent = false;
  let imageName: string | null = null;
  try {
    if (needsName(policy, caller, expectName)) {
      const { result, answer } = await images.get(imageId, endMs);
      if (!result.ok)
        return { result: failure(asNotAttempted(result.failure), answer), attempts: 0, answer, imageName };
      imageName = result.value.name;
      const [blocker] = blockedByName(policy, caller, result.value, expectName);
      if (blocker !== undefined) return { ...notAttempted(blocker), answer, imageName };
    }
    sent = true;
    const { result, attempts, answer } = await images.delete(imageId, endMs);
    if (result.ok) {
      return { result: ok({ outcome: 'deleted', confirmed: result.value.confirmed }), attempts, answer, imageName };
    }
    const upstream = attempts === 0 ? asNotAttempted(result.failure) : result.failure;
    return { result: failure(upstream, answer), attempts, answer, imageName };
  } catch (thrown) {
    const result = failed({ code: 'internal_error', outcome: sent ? 'unknown' : 'not_attempted' } as const);
    return { result, attempts: sent ? null : 0, answer: undefined, imageName, thrown };
  }
}

function notAttempted(failure: Failure): Attempted {
  return { result: failed(failure), attempts: 0, answer: undefined, imageName: null };
}

/** A failure at Baidu is a failure, unless the image is absent and the caller is content with that. */
function resultOf(
  failure: UpstreamFailure,
  answer: Answer | undefined,
  { imageId, allowMissing, caller }: DeletionRequest,
  lastDeletion: LastDeletion | null,
): Attempted['result'] {
  if (failure.code === 'image_not_found' && allowMissing) return ok({ outcome: 'already_absent', confirmed: true });
  return failed(
    withLastDeletion(upstreamFailure(failure, answer, { imageId, call: 'deletion' }), lastDeletion, caller.id),
  );
}

function settlementOf({ result, attempts, answer, imageName }: Attempted): Settlement {
  const common = { attempts, upstreamRequestId: answer?.requestId ?? null, imageName };
  if (result.ok) return { ...common, ...result.value, code: null };
  const outcome = outcomeOf(result.failure);
  // An absent image without allowMissing is a failure, but Baidu said so all the same.
  return { ...common, outcome, confirmed: outcome === 'already_absent' ? true : null, code: result.failure.code };
}
