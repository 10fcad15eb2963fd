/**
 * One deletion, from a checked request to what is known of the image: policy, ledger, Baidu, ledger.
 *
 * Promises: nothing is sent to Baidu before the ledger has the deletion on disk; whatever comes of it is a success or a
 * failure of the closed table, and is written back. Never: knows HTTP beyond what a failure carries.
 */

import type { Answer } from '../baidu/answer.ts';
import type { TimeLimits } from '../baidu/attempts.ts';
import { type Bcc, deleteImage, type Failed, getImage, type ImageId } from '../baidu/images.ts';
import type { Caller } from '../callers/table.ts';
import type { CallerLedger, Row, Settlement } from '../ledger/store.ts';
import { type Failure, type Outcome, outcomeOf } from '../problems/table.ts';
import { inTime } from '../runtime.ts';
import { blockedBeforeRead, blockedByName, needsName, type Policy } from './policy.ts';

export interface DeletionRequest {
  readonly imageId: ImageId;
  /** An absent image is a success. */
  readonly allowMissing: boolean;
  /** The name that the image must bear. */
  readonly expectName: string | null;
}

/** What one caller's request works with. */
export interface CallerTools {
  readonly bcc: Bcc;
  readonly policy: Policy;
  readonly caller: Caller;
  /** A new stub each time: one whose object was restarted stays broken. */
  readonly ledger: () => CallerLedger;
  /** Deletions within 24 hours. */
  readonly budget: number;
  readonly attemptTimeoutMs: number;
  /** From the reservation, or the first read, to Baidu's last answer. */
  readonly deadlineMs: number;
}

export interface DeletionTools extends CallerTools {
  readonly requestId: string;
  readonly keyFingerprint: string;
  /** Called immediately before a deletion is sent. */
  readonly onSend: () => void;
  /** Takes work that nobody waits for and that must be done all the same. */
  readonly linger: (work: Promise<unknown>) => void;
}

export type Result = Failure | { readonly success: 'deleted' | 'already_absent' };

/** What was done, and what is known of it. */
interface Attempted {
  readonly result: Result;
  /** Deletions sent to Baidu: 0, 1 or 2. */
  readonly attempts: number;
  /** Baidu's last answer, to the deletion or to the read before it. */
  readonly answer: Answer | undefined;
  /** Where a rule asked for it. */
  readonly imageName: string | null;
}

/** Longer than the others' patience, because it is part of the deadline: a ledger that sleeps must be woken. Milliseconds. */
const RESERVE_PATIENCE_MS = 5_000;

export interface Deletion extends Attempted {
  /** `false` where the ledger would not take what came of it, and its row says `unknown`; absent where there is no row. */
  readonly settled?: boolean;
}

/** Deletes the image, unless something forbids it. Irreversible. @throws only on a bug; a row in the ledger then says `unknown` */
export async function runDeletion(request: DeletionRequest, tools: DeletionTools): Promise<Deletion> {
  const { policy, ledger, budget, requestId, keyFingerprint, bcc } = tools;
  const { imageId } = request;
  const limits = { attemptTimeoutMs: tools.attemptTimeoutMs, endMs: bcc.tools.now() + tools.deadlineMs };
  /** The second word of a row changes nothing, so a ledger whose answer was lost may be told again. */
  const settle = (seq: number, done: Attempted) => {
    const once = () => inTime(ledger().settle(seq, imageId, settlementOf(done)));
    return once()
      .catch(once)
      .catch(() => undefined);
  };

  const [blocker] = blockedBeforeRead(policy, imageId);
  if (blocker !== undefined) return nothingSent(blocker);
  const reserving = ledger().reserve({ requestId, imageId, keyFingerprint }, budget);
  const reserved = await inTime(reserving, Math.min(RESERVE_PATIENCE_MS, tools.deadlineMs)).catch(() => null);
  if (reserved === null) {
    const refused = nothingSent({ code: 'ledger_unavailable' });
    // It may be entered yet. Then the row must not count for what was never sent.
    tools.linger(reserving.then((late) => ('seq' in late ? settle(late.seq, refused) : null)).catch(() => null));
    return refused;
  }
  if ('retryAfterS' in reserved) {
    return nothingSent({ code: 'budget_exhausted', budget, retryAfterS: reserved.retryAfterS });
  }

  const done = await attempt(request, tools, limits);
  const earlier = await settle(reserved.seq, done);
  return { ...done, result: withEarlier(done.result, earlier ?? null), settled: earlier !== undefined };
}

async function attempt(request: DeletionRequest, tools: DeletionTools, limits: TimeLimits): Promise<Attempted> {
  const { imageId, allowMissing, expectName } = request;
  const { bcc, policy, caller } = tools;
  let imageName: string | null = null;
  if (needsName(policy, caller, expectName)) {
    const read = await getImage(bcc, imageId, limits);
    if (read.code !== 'read') {
      return { ...nothingSent(resultOf(beforeDeletion(read), read.answer, request)), answer: read.answer };
    }
    imageName = read.value.name;
    const [blocker] = blockedByName(policy, caller, read.value, expectName);
    if (blocker !== undefined) return { ...nothingSent(blocker), answer: read.answer, imageName };
  }
  tools.onSend();
  const sent = await deleteImage(bcc, imageId, limits);
  const { attempts, answer } = sent;
  if (sent.code === 'deleted') return { result: { success: 'deleted' }, attempts, answer, imageName };
  const failed = attempts === 0 ? beforeDeletion(sent) : sent;
  return { result: resultOf(failed, answer, { imageId, allowMissing }), attempts, answer, imageName };
}

function nothingSent(result: Result): Attempted {
  return { result, attempts: 0, answer: undefined, imageName: null };
}

/** A read that failed says of the deletion that there was none, unless it says that there is no image. */
export function beforeDeletion({ code, outcome }: Failed): { code: Failed['code']; outcome: Outcome } {
  return { code, outcome: outcome === 'already_absent' ? outcome : 'not_attempted' };
}

function resultOf(
  failed: { code: Failed['code']; outcome: Outcome },
  answer: Answer | undefined,
  { imageId, allowMissing }: Pick<DeletionRequest, 'imageId' | 'allowMissing'>,
): Result {
  if (failed.code === 'image_not_found' && allowMissing) return { success: 'already_absent' };
  return upstreamFailure(failed, answer, imageId);
}

/** Baidu's answer as a failure that a caller may see. */
export function upstreamFailure(
  { code, outcome }: { code: Failed['code']; outcome: Outcome },
  answer: Answer | undefined,
  imageId: ImageId,
): Failure & { imageId: ImageId } {
  const upstream = answer && { status: answer.status, code: answer.code ?? null, requestId: answer.requestId ?? null };
  return { code, outcome, imageId, upstream, retryAfterS: answer?.retryAfterS };
}

function settlementOf({ result, attempts, answer, imageName }: Attempted): Settlement {
  const upstreamRequestId = answer?.requestId ?? null;
  return 'success' in result
    ? { outcome: result.success, code: null, attempts, upstreamRequestId, imageName }
    : { outcome: outcomeOf(result), code: result.code, attempts, upstreamRequestId, imageName };
}

/** Adds to a 404 when and by which request this caller deleted the image before. */
export function withEarlier<T extends Result>(result: T, earlier: Row | null): T {
  if (earlier === null || !('code' in result) || result.code !== 'image_not_found') return result;
  const at = new Date(earlier.settledAtMs ?? earlier.reservedAtMs).toISOString();
  return { ...result, deletedBefore: { at, requestId: earlier.requestId } };
}
