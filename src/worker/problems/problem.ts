/**
 * A failure as HTTP: the body of every error response.
 *
 * Promises: the members of RFC 9457 first, then our own; they contain only the row, its facts and the caller's own path.
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
  /** The URL where a deletion's final outcome will appear: this one's if it is `unknown`, or that of the one in progress. */
  readonly deletion?: string;
  /** Only on `GET /readyz`: what is wrong with the configuration, without any value. */
  readonly problems?: readonly string[];
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';
export const PROBLEMS_PATH = '/problems';

/** What a response may repeat of its request. */
export interface Addressee {
  /** The gateway's, as the caller addressed it, with https for plain http. Blank if it must not be repeated: URLs are then relative. */
  readonly origin: string;
  /** `instanceOf` the path, or `/` if that must not be repeated. */
  readonly instance: string;
  /** The caller's own if it is safe to repeat, or else the gateway's. */
  readonly requestId: string;
}

/** `deletion` is the URL where the deletion's final outcome will appear. */
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

/** The path for `instance`, shortened, but never within a percent-encoded byte. `/` for `OPTIONS *`, which has no path. */
export function instanceOf(path: string): string {
  return path.startsWith('/') ? path.slice(0, MAX_INSTANCE_CHARS).replace(/%.?$/, '') : '/';
}
