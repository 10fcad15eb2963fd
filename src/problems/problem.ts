/**
 * A failure as HTTP: the body that every answer outside 2xx has.
 *
 * Promises: the members of RFC 9457 first, then our own; nothing in them but the row, its facts and the caller's own path.
 *
 * Source: RFC 9457 (problem details).
 */
import type { FailureOutcome } from '../outcome.ts';
import { detailOf, type Failure, outcomeOf, PROBLEMS, type ProblemCode } from './failure.ts';
import type { DeletedBefore, Upstream } from './table.ts';

export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ProblemCode;
  readonly outcome: FailureOutcome;
  readonly retryable: boolean;
  readonly requestId: string;
  readonly upstream?: Upstream;
  readonly deletedBefore?: DeletedBefore;
  /** Only on `GET /readyz`: what is wrong with the configuration, without any value. */
  readonly problems?: readonly string[];
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';
export const PROBLEMS_PATH = '/problems';
export const MAX_INSTANCE_CHARS = 256;

/** `origin` is the gateway's own as the caller addressed it, `path` the request's. */
export function problemBody(failure: Failure, origin: string, path: string, requestId: string): ProblemBody {
  const { status, title, retryable } = PROBLEMS[failure.code];
  return {
    type: `${origin}${PROBLEMS_PATH}/${failure.code}`,
    title,
    status,
    detail: detailOf(failure),
    // A cut must not leave half of a percent-encoded byte.
    instance: path.slice(0, MAX_INSTANCE_CHARS).replace(/%.?$/, ''),
    code: failure.code,
    outcome: outcomeOf(failure),
    retryable,
    requestId,
    ...('upstream' in failure && failure.upstream !== undefined ? { upstream: failure.upstream } : {}),
    ...('deletedBefore' in failure && failure.deletedBefore !== undefined
      ? { deletedBefore: failure.deletedBefore }
      : {}),
    ...('problems' in failure && failure.problems !== undefined ? { problems: failure.problems } : {}),
  };
}
