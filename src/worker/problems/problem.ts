/**
 * A failure as HTTP: the body that every answer outside 2xx has.
 *
 * Promises: the members of RFC 9457 first, then our own; they hold only the row, its facts and the caller's own path.
 *
 * Source: RFC 9457 (problem details).
 */
import type { FailureOutcome } from '../outcome.ts';
import { type DeletedBefore, MAX_INSTANCE_CHARS, type Upstream } from './facts.ts';
import { detailOf, type Failure, isRetryable, outcomeOf, PROBLEMS, type ProblemCode } from './failure.ts';

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
  /** The URL where the final outcome of a deletion becomes known: of this one if it is `unknown`, or of the one in progress. */
  readonly deletion?: string;
  /** Only on `GET /readyz`: what is wrong with the configuration, without any value. */
  readonly problems?: readonly string[];
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';
export const PROBLEMS_PATH = '/problems';

/** What an answer may say of the request that it answers. */
export interface Addressee {
  /** The gateway's own, as the caller addressed it, but https in place of plain http; blank, so that URLs are relative, if it must not be repeated. */
  readonly origin: string;
  /** `instanceOf` the path, or the root if that must not be repeated. */
  readonly instance: string;
  /** The caller's own if it is safe to repeat, or else ours. */
  readonly requestId: string;
}

/** `deletion` is where the final outcome of the deletion becomes known that the failure is about. */
export function problemBody(
  failure: Failure,
  { origin, instance, requestId }: Addressee,
  deletion?: string,
): ProblemBody {
  const { status, title } = PROBLEMS[failure.code];
  const outcome = outcomeOf(failure);
  return {
    type: `${origin}${PROBLEMS_PATH}/${failure.code}`,
    title,
    status,
    detail: detailOf(failure),
    instance,
    code: failure.code,
    outcome,
    retryable: isRetryable(failure),
    requestId,
    ...('upstream' in failure && failure.upstream !== undefined ? { upstream: failure.upstream } : {}),
    ...('deletedBefore' in failure && failure.deletedBefore !== undefined
      ? { deletedBefore: failure.deletedBefore }
      : {}),
    ...(deletion === undefined ? {} : { deletion }),
    ...('problems' in failure && failure.problems !== undefined ? { problems: failure.problems } : {}),
  };
}

/** The path of a request for a problem, cut to size but never within a percent-encoded byte. `OPTIONS *` has no path and gives the root. */
export function instanceOf(path: string): string {
  return path.startsWith('/') ? path.slice(0, MAX_INSTANCE_CHARS).replace(/%.?$/, '') : '/';
}
