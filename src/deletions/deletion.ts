/**
 * One deletion, from a checked request to what is known about the image: policy, ledger, Baidu, ledger.
 *
 * Promises: nothing is sent to Baidu before the ledger has the deletion on disk; what comes of it is a success or a failure of
 * the closed table, and is written back; a bug on the way becomes `internal_error` with the true outcome. Never: knows HTTP
 * beyond what a failure carries.
 */
import type { Answer } from '../baidu/answer.ts';
import type { Caller } from '../callers/caller.ts';
import type { ImageId } from '../image-id.ts';
import type { Settlement } from '../ledger/rows.ts';
import type { SuccessOutcome } from '../outcome.ts';
import { type Failure, outcomeOf } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import type { WaitUntil } from '../runtime.ts';
import type { Gateway } from './gateway.ts';
import { blockedBeforeRead, blockedByName, needsName } from './policy.ts';
import { asNotAttempted, type UpstreamFailure, upstreamFailure, withEarlier } from './upstream.ts';

export interface DeletionRequest {
  readonly requestId: string;
  readonly caller: Caller;
  readonly imageId: ImageId;
  /** An absent image is a success. */
  readonly allowMissing: boolean;
  /** The name that the image must bear. */
  readonly expectName: string | null;
}

/** What was done, and what is known about it. */
interface Attempted {
  readonly result: Result<SuccessOutcome, Failure>;
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
  /** `false` if the ledger did not take the outcome, so that its row says `unknown`; absent if there is no row. */
  readonly settled?: boolean;
}

/** Deletes the image, unless something forbids it. Irreversible. */
export async function deleteImage(gateway: Gateway, request: DeletionRequest, waitUntil: WaitUntil): Promise<Deletion> {
  const endMs = gateway.now() + gateway.deadlineMs;
  const { imageId, requestId, caller } = request;
  const [blocker] = blockedBeforeRead(gateway.policy, imageId);
  if (blocker !== undefined) return notAttempted(blocker);

  const ledger = gateway.ledgerOf(caller.id);
  const reservation = { requestId, imageId, keyFingerprint: gateway.keyFingerprint };
  const reserved = await ledger.reserve(reservation, gateway.budgetOf(caller), gateway.deadlineMs, waitUntil);
  if (!reserved.ok) return notAttempted(reserved.failure);

  const attempted = await readAndDelete(gateway, request, endMs);
  if (attempted.thrown !== undefined) return attempted;
  const { settled, earlier } = await ledger.settle(reserved.value.seq, imageId, settlementOf(attempted));
  const { result } = attempted;
  return { ...attempted, result: result.ok ? result : failed(withEarlier(result.failure, earlier)), settled };
}

async function readAndDelete(gateway: Gateway, request: DeletionRequest, endMs: number): Promise<Attempted> {
  const { images, policy } = gateway;
  const { imageId, caller, expectName } = request;
  let sent = false;
  let imageName: string | null = null;
  try {
    if (needsName(policy, caller, expectName)) {
      const { result, answer } = await images.get(imageId, endMs);
      if (!result.ok) {
        return { result: resultOf(asNotAttempted(result.failure), answer, request), attempts: 0, answer, imageName };
      }
      imageName = result.value.name;
      const [blocker] = blockedByName(policy, caller, result.value, expectName);
      if (blocker !== undefined) return { ...notAttempted(blocker), answer, imageName };
    }
    sent = true;
    const { result, attempts, answer } = await images.delete(imageId, endMs);
    if (result.ok) return { result, attempts, answer, imageName };
    const failure = attempts === 0 ? asNotAttempted(result.failure) : result.failure;
    return { result: resultOf(failure, answer, request), attempts, answer, imageName };
  } catch (thrown) {
    const outcome = sent ? 'unknown' : 'not_attempted';
    const result = failed({ code: 'internal_error', outcome } as const);
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
  { imageId, allowMissing }: DeletionRequest,
): Attempted['result'] {
  if (failure.code === 'image_not_found' && allowMissing) return ok('already_absent');
  return failed(upstreamFailure(failure, answer, imageId));
}

function settlementOf({ result, attempts, answer, imageName }: Attempted): Settlement {
  const [outcome, code] = result.ok ? [result.value, null] : [outcomeOf(result.failure), result.failure.code];
  return { outcome, code, attempts: attempts ?? 0, upstreamRequestId: answer?.requestId ?? null, imageName };
}
