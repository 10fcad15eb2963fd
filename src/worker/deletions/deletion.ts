/**
 * One deletion, from a checked request to the outcome: policy, ledger, Baidu, ledger.
 *
 * Promises: nothing is sent to Baidu before the ledger has the deletion on disk; the result is a success or a failure of the
 * closed table, and is stored while the response is on its way; a bug while Baidu is asked becomes `internal_error` with the
 * true outcome. Never: knows more of HTTP than a failure does.
 */
import type { Answer } from '../baidu/answer.ts';
import { unlistedCode } from '../baidu/verdict.ts';
import type { Caller } from '../callers/caller.ts';
import type { ImageId } from '../image-id.ts';
import type { SameRequest, Settlement } from '../ledger/rows.ts';
import type { SuccessOutcome } from '../outcome.ts';
import { type Failure, outcomeOf } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import type { WaitUntil } from '../runtime.ts';
import type { Gateway } from './gateway.ts';
import type { Entered } from './ledger-stub.ts';
import { blockedBeforeRead, blockedByName, needsName } from './policy.ts';
import { asNotAttempted, type UpstreamFailure, upstreamFailure, withLastDeletion } from './upstream.ts';

export interface DeletionRequest {
  /** Made by us; the row of the ledger has it. */
  readonly id: string;
  /** The caller may have chosen it. */
  readonly requestId: string;
  readonly caller: Caller;
  /** Whom the caller's token was issued to, or `null` for other credentials. */
  readonly subject: string | null;
  readonly imageId: ImageId;
  /** An absent image is a success. */
  readonly allowMissing: boolean;
  /** The name that the image must have. */
  readonly expectName: string | null;
}

/** The image is gone. */
export interface Gone {
  readonly outcome: SuccessOutcome;
  /** `true` if Baidu said so; `false` if it was gone after an attempt whose effect is unknown. */
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
  /** The row of the same request, sent before, whose outcome is the answer; absent if there is none. */
  readonly first?: SameRequest;
  /** What the row says, if that is not what the caller is answered. */
  readonly settledAs?: Pick<Settlement, 'outcome' | 'confirmed'>;
  /** What a bug threw. */
  readonly thrown?: unknown;
}

export interface Deletion extends Attempted {
  /** Ends with `false` if the ledger did not take the outcome, so that its row says `unknown`; `null` if there is no row. */
  readonly settled: Promise<boolean> | null;
}

/** Deletes the image, unless something forbids it. Irreversible. @throws only on a bug, which leaves the outcome unknown */
export async function deleteImage(gateway: Gateway, request: DeletionRequest, waitUntil: WaitUntil): Promise<Deletion> {
  const { policy, ledger, budgetsOf, deadlineMs, keyFingerprint, now } = gateway;
  const { id, requestId, imageId, caller, subject } = request;
  const endMs = now() + deadlineMs;
  const [blocker] = blockedBeforeRead(policy, imageId);
  if (blocker !== undefined) return { ...notAttempted(blocker), settled: null };

  const reservation = { id, requestId, caller: caller.id, subject, imageId, keyFingerprint };
  const reserved = await ledger.reserve(reservation, budgetsOf(caller), deadlineMs, waitUntil);
  if (!reserved.ok) return { ...notAttempted(reserved.failure), settled: null };

  const attempted = await readAndDelete(gateway, request, reserved.value, endMs);
  const settled = ledger.settle(id, settlementOf(attempted));
  waitUntil(settled);
  return { ...attempted, settled };
}

async function readAndDelete(
  { images, policy }: Gateway,
  request: DeletionRequest,
  entered: Entered,
  endMs: number,
): Promise<Attempted> {
  const { imageId, caller, expectName } = request;
  let sent = false;
  let imageName: string | null = null;
  try {
    if (needsName(policy, caller, expectName)) {
      const { result, answer } = await images.get(imageId, endMs);
      if (!result.ok) {
        const failure = asNotAttempted(result.failure);
        return { ...concludeFailure(failure, answer, request, entered), attempts: 0, answer, imageName };
      }
      imageName = result.value.name;
      const [blocker] = blockedByName(policy, caller, result.value, expectName);
      if (blocker !== undefined) return { ...notAttempted(blocker), answer, imageName };
    }
    sent = true;
    const { result, attempts, answer } = await images.delete(imageId, endMs);
    const common = { attempts, answer, imageName };
    if (result.ok) return { result: ok({ outcome: 'deleted', confirmed: result.value.confirmed }), ...common };
    const failure = attempts === 0 ? asNotAttempted(result.failure) : result.failure;
    // The image was there: this request has read it, or a check has found it after our last deletion. So one of our deletions
    // has taken effect late, or something between us and Baidu has repeated this one.
    const wasThere = imageName !== null || entered.isAfterNotDeleted;
    if (failure.code === 'image_not_found' && wasThere) {
      if (failure.listed) return { result: ok({ outcome: 'deleted', confirmed: false }), ...common };
      // A code that nobody has seen may mean anything, even that the image is still there. A check will find out.
      const unknown = { code: 'upstream_unexpected', outcome: 'unknown' } as const;
      return { ...concludeFailure(unknown, answer, request, entered), ...common };
    }
    return { ...concludeFailure(failure, answer, request, entered), ...common };
  } catch (thrown) {
    const result = failed({ code: 'internal_error', outcome: sent ? 'unknown' : 'not_attempted' } as const);
    return { result, attempts: sent ? null : 0, answer: undefined, imageName, thrown };
  }
}

function notAttempted(failure: Failure): Attempted {
  return { result: failed(failure), attempts: 0, answer: undefined, imageName: null };
}

/** A failure at Baidu is a failure, unless the image is absent and the caller is content with that or deleted it before. */
function concludeFailure(
  failure: UpstreamFailure,
  answer: Answer | undefined,
  { imageId, allowMissing, caller }: DeletionRequest,
  { lastDeletion, sameRequest }: Entered,
): Pick<Attempted, 'result' | 'first' | 'settledAs'> {
  const told = withLastDeletion(
    upstreamFailure(failure, answer, { imageId, call: 'deletion' }),
    lastDeletion,
    caller.id,
  );
  if (failure.code !== 'image_not_found') return { result: failed(told) };
  const settledAs = { outcome: 'already_absent', confirmed: failure.listed } as const;
  // An unknown outcome of the same request becomes final by this absence, but only if its code is listed.
  if (sameRequest !== null && (sameRequest.isDeleted || failure.listed)) {
    const result = ok({ outcome: 'deleted', confirmed: sameRequest.confirmed } as const);
    return { result, first: sameRequest, settledAs };
  }
  return { result: allowMissing ? ok(settledAs) : failed(told), settledAs };
}

function settlementOf(attempted: Attempted): Settlement {
  const { result, settledAs, attempts, answer, imageName } = attempted;
  const unlistedAbsence = unlistedCode(answer) !== null;
  const words = settledAs ?? (result.ok ? result.value : { outcome: outcomeOf(result.failure), confirmed: null });
  const code = result.ok ? null : result.failure.code;
  return { ...words, code, attempts, upstreamRequestId: answer?.requestId ?? null, imageName, unlistedAbsence };
}
