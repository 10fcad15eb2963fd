/**
 * What an image is, and whether this caller could delete it now: the deletion's own rules, asked without deleting.
 *
 * Promises: sends Baidu nothing but GET; lists everything that stands in the way, each under the code with which the deletion
 * would fail; says `null` where a read could not tell. Never: reserves, settles, or promises more than this moment.
 */
import type { Answer } from '../baidu/answer.ts';
import { countSharedUsers, type Failed, getImage, type Image, type ImageId } from '../baidu/images.ts';
import { detail, type Failure, type ProblemCode } from '../problems/table.ts';
import { inTime } from '../runtime.ts';
import { beforeDeletion, type CallerTools, upstreamFailure, withEarlier } from './deletion.ts';
import { blockedBeforeRead, blockedByName, blockedByState, isCustom } from './policy.ts';

export interface Preview extends Image {
  /** Accounts that the image is shared with; `null` where that could not be read, or cannot be shared. */
  readonly sharedWith: number | null;
  /** `null`: nothing that could be read stands in the way, but whether the image is shared could not be read. */
  readonly deletable: boolean | null;
  readonly blockers: readonly { readonly code: ProblemCode; readonly detail: string }[];
}

export interface Previewed {
  readonly result: Preview | Failure;
  /** Calls to Baidu. */
  readonly attempts: number;
  readonly answer: Answer | undefined;
}

/** Reads the image and asks every rule. @throws only on a bug */
export async function runPreview(imageId: ImageId, tools: CallerTools): Promise<Previewed> {
  const { bcc, policy, caller, ledger, budget, attemptTimeoutMs } = tools;
  const limits = { attemptTimeoutMs, endMs: bcc.tools.now() + tools.deadlineMs };
  const [read, outlook] = await Promise.all([
    getImage(bcc, imageId, limits),
    inTime(ledger().outlook(imageId, budget)).catch(() => null),
  ]);
  const failed = (of: Failed & { attempts: number; answer: Answer | undefined }) => ({
    result: withEarlier(upstreamFailure(beforeDeletion(of), of.answer, imageId), outlook?.deleted ?? null),
    attempts: of.attempts,
    answer: of.answer,
  });
  if (read.code !== 'read') return failed(read);
  const image = read.value;
  const shared = isCustom(image.type) ? await countSharedUsers(bcc, imageId, limits) : null;
  // Deleted between the two reads.
  if (shared?.code === 'image_not_found') return failed(shared);
  const sharedWith = shared?.code === 'read' ? shared.value : null;

  const failures: Failure[] = [
    ...blockedBeforeRead(policy, imageId),
    ...(caller.scopes.has('images:delete') ? [] : [{ code: 'permission_denied', missing: 'images:delete' } as const]),
    ...blockedByName(policy, caller, image, null),
    ...blockedByState(image, sharedWith),
    ...budgetBlocker(outlook, budget),
  ];
  const unsure = shared !== null && sharedWith === null;
  const deletable = failures.length > 0 ? false : unsure ? null : true;
  const blockers = failures.map((failure) => ({ code: failure.code, detail: detail(failure) }));
  const attempts = read.attempts + (shared?.attempts ?? 0);
  // Where the second read failed, the operator sees why.
  const answer = shared === null || shared.code === 'read' ? read.answer : shared.answer;
  return { result: { ...image, sharedWith, deletable, blockers }, attempts, answer };
}

function budgetBlocker(outlook: { retryAfterS: number | null } | null, budget: number): Failure[] {
  if (outlook === null) return [{ code: 'ledger_unavailable' }];
  return outlook.retryAfterS === null ? [] : [{ code: 'budget_exhausted', budget, retryAfterS: outlook.retryAfterS }];
}
