/**
 * Examples for the OpenAPI document: one of each body, and every failure with each outcome that its code can have.
 *
 * Promises: the Worker's own code makes each problem, from the table and the facts below, so examples always match responses.
 */
import { deletionUrl } from '../worker/http/history.ts';
import { IMAGE_ID_RULE } from '../worker/image-id.ts';
import {
  explanationOf,
  type Failure,
  outcomeOf,
  PROBLEM_CODES,
  PROBLEMS,
  type ProblemCode,
} from '../worker/problems/failure.ts';
import { type ProblemBody, problemBody } from '../worker/problems/problem.ts';
import type { Bodies } from './schemas.ts';

const imageId = 'm-nky7qeom';
const requestId = 'job-4711';
const caller = 'ci-cleaner';
const upstreamRequestId = 'cc981e59-84f3-4b1c-8d5e-2f1f5a7b6c03';
const reservedAt = '2026-11-23T08:00:00.000Z';
const settledAt = '2026-11-23T08:00:01.000Z';
const keyFingerprint = '9ae8a8b2';
const gone = { outcome: 'deleted', confirmed: true, requestId, upstreamRequestId } as const;

/** The status and code of Baidu's response behind a failure. */
const UPSTREAM: Partial<Record<ProblemCode, readonly [status: number, code?: string]>> = {
  image_not_found: [404],
  image_not_custom: [400, 'Image.UnCustomImageCannotBeDeleted'],
  image_creating: [400, 'Image.CreatingImageCannotBeDeleted'],
  image_shared: [409, 'Image.ImageHasBeenSharedToOthers'],
  upstream_rejected_credentials: [403],
  upstream_throttled: [429],
  upstream_unexpected: [400],
  upstream_error: [500],
};

type Intersection<U> = (U extends unknown ? (each: U) => void : never) extends (all: infer I) => void ? I : never;
type FactsOfAll = Intersection<Failure extends infer F ? Omit<F, 'code' | 'outcome'> : never>;

/** The facts of all codes. Each code uses its own. */
const FACTS: Omit<FactsOfAll, 'code' | 'outcome' | 'upstream' | 'deletedBefore'> = {
  rule: IMAGE_ID_RULE,
  fault: 'unknown_parameter',
  hasCredential: true,
  missing: 'images:delete',
  imageId,
  call: 'deletion',
  listed: true,
  by: 'id',
  allow: ['GET', 'HEAD'],
  requests: 20,
  periodS: 10,
  policy: '',
  of: 'caller',
  budget: 50,
  retryAfterS: 30,
  open: { id: requestId, caller, requestId },
};
export const FAILURES: readonly Failure[] = PROBLEM_CODES.flatMap((code) => {
  const [status, upstreamCode = null] = UPSTREAM[code] ?? [];
  const upstream = status && { status, code: upstreamCode, requestId: upstreamRequestId };
  const deletedBefore = code === 'image_not_found' ? { at: settledAt, requestId: null } : undefined;
  // It has the facts of all codes, so also its own, which the compiler cannot see.
  return PROBLEMS[code].outcomes.map((outcome) => ({ ...FACTS, code, outcome, upstream, deletedBefore }) as Failure);
});

/** The response to a deletion with this failure. */
export function problemExample(failure: Failure, origin: string): ProblemBody {
  const deletion = deletionUrl(origin, caller, imageId, requestId);
  const context = { origin, instance: `/images/${imageId}`, requestId };
  return problemBody(failure, context, outcomeOf(failure) === 'unknown' ? deletion : undefined);
}

/** The bodies of successful responses. */
export const EXAMPLES: Pick<Bodies, 'Image' | 'Deletion' | 'HistoryPage' | 'Health' | 'Readiness' | 'Explanation'> = {
  Image: {
    id: imageId,
    name: 'ci-build-1842',
    type: 'Custom',
    status: 'Available',
    desc: null,
    osName: 'Ubuntu',
    osVersion: '22.04',
    createTime: reservedAt,
    sharedWith: 0,
    deletable: true,
    blockers: [],
    requestId,
    upstreamRequestId,
  },
  Deletion: { id: imageId, ...gone },
  HistoryPage: {
    deletions: [
      {
        ...gone,
        verified: true,
        caller,
        subject: null,
        imageId,
        imageName: null,
        reservedAt,
        settledAt,
        resolvedAt: null,
        code: null,
        attempts: 1,
        keyFingerprint,
      },
    ],
  },
  Health: { status: 'ok' },
  Readiness: {
    status: 'ready',
    caller,
    scopes: ['images:delete', 'images:read'],
    keyFingerprint,
    credentialAccepted: true,
    control: 'found',
  },
  Explanation: explanationOf('image_shared'),
};
