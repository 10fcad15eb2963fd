/**
 * Every way in which a request can fail: the closed table of codes, and the one place where a failure becomes HTTP.
 *
 * Promises: a code has one status, one title, one answer to "shall I try again"; schema, OpenAPI document, explanations
 * and README derive from this table or are tested against it. Never: text of an exception or of Baidu in an answer.
 *
 * Source: RFC 9457 (problem details), RFC 6750 §3 and RFC 9110 (the headers).
 */
import type { ImageId } from '../baidu/images.ts';
import type { UpstreamFailureCode } from '../baidu/verdict.ts';
import { LIMITS, type LimitName, rateLimitPolicy } from '../callers/rate-limits.ts';
import type { Scope } from '../callers/table.ts';
import { ROW_OUTCOMES } from '../ledger/store.ts';

/** What is known of the image after a failure. `not_attempted` says that no deletion was sent to Baidu. */
export type Outcome = 'not_attempted' | 'rejected' | 'already_absent' | 'unknown';

interface Row {
  readonly status: number;
  /** All that can be true with this code; the first is the usual one. */
  readonly outcomes: readonly [Outcome, ...Outcome[]];
  readonly retryable: boolean;
  readonly title: string;
  /** For the person who follows `type`: when it happens, and what to do. */
  readonly explanation: string;
}

export const PROBLEMS = {
  invalid_image_id: {
    status: 400,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'The image id is malformed',
    explanation:
      'An image id is "m-" and 6 to 32 ASCII letters or digits, case-sensitive, written plainly in the path. Correct the id.',
  },
  invalid_request: {
    status: 400,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'The request has a part that this call does not take',
    explanation:
      'A query parameter is unknown, repeated or has a value it cannot have, or there is a body, or the Host header is malformed. Nothing is ignored, so that a mistyped option can never turn into a deletion.',
  },
  unauthenticated: {
    status: 401,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'The caller is not known',
    explanation:
      'Send "Authorization: Bearer <key>" once, with a key that the operator has configured. Whether the key was absent, wrong or in the wrong scheme is not told.',
  },
  permission_denied: {
    status: 403,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'The caller may not do this',
    explanation:
      'The key is known, but its scopes do not include this call, or it may delete only images of other names. Ask the operator.',
  },
  image_protected: {
    status: 403,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'The image is protected',
    explanation: 'The operator protects this image by id or by name, and that beats every scope.',
  },
  route_not_found: {
    status: 404,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'There is no such path',
    explanation: 'GET /openapi.json lists what there is. This says nothing about any image.',
  },
  method_not_allowed: {
    status: 405,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'The path does not take this method',
    explanation: 'The Allow header lists the methods that it takes.',
  },
  precondition_failed: {
    status: 412,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'The image does not bear the expected name',
    explanation: 'The image is not the one that the caller meant, so it was left alone.',
  },
  rate_limited: {
    status: 429,
    outcomes: ['not_attempted'],
    retryable: true,
    title: 'Too many requests',
    explanation:
      'Wait for as many seconds as Retry-After says. RateLimit-Policy states the limits, which are per caller.',
  },
  budget_exhausted: {
    status: 429,
    outcomes: ['not_attempted'],
    retryable: true,
    title: "The caller's daily deletions are used up",
    explanation: 'Retry-After says when the oldest deletion of the last 24 hours stops counting.',
  },
  image_not_found: {
    status: 404,
    outcomes: ['already_absent'],
    retryable: false,
    title: 'There is no such image',
    explanation:
      'Baidu has no image of this id in this region. A caller for whom that is as good as a deletion sends allowMissing=true.',
  },
  image_not_custom: {
    status: 403,
    outcomes: ['rejected'],
    retryable: false,
    title: 'The image is not a custom image',
    explanation: 'System and service-integration images cannot be deleted.',
  },
  image_creating: {
    status: 409,
    outcomes: ['rejected'],
    retryable: true,
    title: 'The image is still being created',
    explanation: 'Try again when the image is available.',
  },
  image_shared: {
    status: 409,
    outcomes: ['rejected'],
    retryable: false,
    title: 'The image is shared with other accounts',
    explanation: 'Stop sharing the image, then delete it again.',
  },
  upstream_rejected_credentials: {
    status: 502,
    outcomes: ['rejected', 'unknown', 'not_attempted'],
    retryable: false,
    title: "Baidu refused the gateway's own credentials",
    explanation:
      "The gateway's key, signature, clock or permission is wrong at Baidu. No caller can mend that: the operator has been told.",
  },
  upstream_throttled: {
    status: 503,
    outcomes: ['rejected', 'unknown', 'not_attempted'],
    retryable: true,
    title: 'Baidu limits the rate of requests',
    explanation: 'The limit is on the account that all callers share. Wait for as many seconds as Retry-After says.',
  },
  upstream_unexpected: {
    status: 502,
    outcomes: ['unknown', 'rejected', 'not_attempted'],
    retryable: false,
    title: 'Baidu gave an answer that nobody has documented',
    explanation:
      'A redirect, an unknown code, or a 404 that is not about the image. Look at the image before deleting it again where the outcome is unknown.',
  },
  upstream_error: {
    status: 502,
    outcomes: ['unknown', 'not_attempted'],
    retryable: true,
    title: 'Baidu failed, or the connection to it was lost',
    explanation:
      'Where the outcome is unknown, the image may be gone. Deleting it again is safe: with allowMissing=true an image that is gone by then answers 200.',
  },
  upstream_timeout: {
    status: 504,
    outcomes: ['unknown', 'not_attempted'],
    retryable: true,
    title: 'Baidu did not answer in time',
    explanation:
      'Where the outcome is unknown, the image may be gone. Deleting it again is safe: with allowMissing=true an image that is gone by then answers 200.',
  },
  deletions_disabled: {
    status: 503,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'Deletions are switched off',
    explanation: 'The operator has stopped all deletions.',
  },
  ledger_unavailable: {
    status: 503,
    outcomes: ['not_attempted'],
    retryable: true,
    title: 'The deletion ledger does not answer',
    explanation: 'Without its record nothing is deleted. Try again shortly.',
  },
  rate_limiter_unavailable: {
    status: 503,
    outcomes: ['not_attempted'],
    retryable: true,
    title: 'The rate limiter does not answer',
    explanation: 'Without its limit nothing is let through. Try again shortly.',
  },
  gateway_misconfigured: {
    status: 503,
    outcomes: ['not_attempted'],
    retryable: false,
    title: 'The gateway is not configured',
    explanation: "A secret or variable is missing or malformed. The operator's log and GET /readyz say which.",
  },
  internal_error: {
    status: 500,
    outcomes: ['unknown', 'not_attempted'],
    retryable: false,
    title: 'The gateway has a bug',
    explanation: "Report it with the request id, under which the operator's log has more.",
  },
} as const satisfies Readonly<Record<string, Row>>;

export type ProblemCode = keyof typeof PROBLEMS;

export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEMS, text);
}

/** The row with its literal types forgotten, for code that treats all rows alike. */
export function rowOf(code: ProblemCode): Row {
  return PROBLEMS[code];
}

/** What may be said of Baidu's answer: its status, its code, its request id. Never its message. */
export interface Upstream {
  readonly status: number;
  readonly code: string | null;
  readonly requestId: string | null;
}

/** What each query parameter may hold. A request that holds something else is told so in these words. */
const PARAMETERS = {
  allowMissing: 'allowMissing is true or false.',
  expectName: 'expectName is an image name of 1 to 256 characters.',
  imageId: 'imageId is "m-" and 6 to 32 ASCII letters or digits.',
  outcome: `outcome is one of ${ROW_OUTCOMES.join(', ')}.`,
  since: 'since is a date-time of RFC 3339, such as 2026-11-23T08:00:00Z.',
  until: 'until is a date-time of RFC 3339, such as 2026-11-23T08:00:00Z.',
  limit: 'limit is a whole number from 1 to 500.',
  cursor: 'cursor comes from the Link header of the page before.',
  caller: 'caller is the name of a caller.',
} as const;

export type ParameterName = keyof typeof PARAMETERS;
export type RequestFault =
  | 'malformed_host'
  | 'unknown_parameter'
  | 'repeated_parameter'
  | 'unexpected_body'
  | ParameterName;

/** Each code with the facts that its answer needs. */
export type Failure =
  | {
      readonly code:
        | 'invalid_image_id'
        | 'unauthenticated'
        | 'route_not_found'
        | 'deletions_disabled'
        | 'ledger_unavailable'
        | 'rate_limiter_unavailable';
    }
  | { readonly code: 'invalid_request'; readonly fault: RequestFault }
  | { readonly code: 'permission_denied'; readonly missing: Scope | 'name' }
  | { readonly code: 'image_protected'; readonly imageId: ImageId; readonly by: 'id' | 'name' }
  | { readonly code: 'precondition_failed'; readonly imageId: ImageId }
  | { readonly code: 'budget_exhausted'; readonly budget: number; readonly retryAfterS: number }
  | { readonly code: 'method_not_allowed'; readonly allow: readonly string[] }
  | { readonly code: 'rate_limited'; readonly limit: LimitName }
  | { readonly code: 'gateway_misconfigured'; readonly problems: readonly string[] | undefined }
  | { readonly code: 'internal_error'; readonly outcome: 'unknown' | 'not_attempted' }
  | {
      readonly code: UpstreamFailureCode;
      readonly imageId: ImageId;
      readonly outcome: Outcome;
      /** Baidu's last answer, if one came. */
      readonly upstream: Upstream | undefined;
      /** Seconds. */
      readonly retryAfterS: number | undefined;
      /** Where the image is absent: this caller's own earlier deletion of it. */
      readonly deletedBefore?: DeletedBefore | undefined;
    };

/** A deletion of the same image by the same caller, out of the ledger. */
export interface DeletedBefore {
  /** ISO 8601. */
  readonly at: string;
  readonly requestId: string;
}

/** The body of every answer that is not 2xx, in the order of RFC 9457 and then our own members. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ProblemCode;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly requestId: string;
  readonly upstream?: Upstream;
  readonly deletedBefore?: DeletedBefore;
  /** On `GET /readyz` alone: what is wrong with the configuration, without any value. */
  readonly problems?: readonly string[];
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';
export const PROBLEMS_PATH = '/problems';
export const MAX_INSTANCE_CHARS = 256;

/** How long to wait where Baidu limits us and does not say for how long. */
const DEFAULT_RETRY_AFTER_S = 10;
/** A day. What Baidu asks beyond that is a fault and not a wish. */
const MAX_RETRY_AFTER_S = 86_400;

/** What a request contributes to its failure. `origin` is the gateway's own, as the caller addressed it. */
export interface ProblemContext {
  readonly origin: string;
  readonly path: string;
  readonly requestId: string;
}

export function outcomeOf(failure: Failure): Outcome {
  return 'outcome' in failure ? failure.outcome : rowOf(failure.code).outcomes[0];
}

export function problemBody(failure: Failure, { origin, path, requestId }: ProblemContext): ProblemBody {
  const { status, title, retryable } = rowOf(failure.code);
  return {
    type: `${origin}${PROBLEMS_PATH}/${failure.code}`,
    title,
    status,
    detail: detail(failure),
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

/** The headers that a failure brings besides those of every answer. */
export function problemHeaders(failure: Failure): Readonly<Record<string, string>> {
  switch (failure.code) {
    case 'unauthenticated':
      return { 'WWW-Authenticate': 'Bearer' };
    case 'method_not_allowed':
      return { Allow: failure.allow.join(', ') };
    case 'rate_limited':
      // The limiter tells no remaining count and no time of reset, so a whole window is the only wait that is sure.
      return { 'Retry-After': String(LIMITS[failure.limit].periodS), 'RateLimit-Policy': rateLimitPolicy() };
    case 'budget_exhausted':
      return { 'Retry-After': String(retryAfterS(failure.retryAfterS)) };
    case 'upstream_throttled':
      return { 'Retry-After': String(retryAfterS(failure.retryAfterS ?? DEFAULT_RETRY_AFTER_S)) };
    case 'upstream_error':
      return failure.retryAfterS === undefined ? {} : { 'Retry-After': String(retryAfterS(failure.retryAfterS)) };
    default:
      return {};
  }
}

function retryAfterS(seconds: number): number {
  return Math.min(Math.max(seconds, 1), MAX_RETRY_AFTER_S);
}

/** One sentence for this occurrence: our own words, an image id of the grammar, the request id and time of a ledger's row. */
export function detail(failure: Failure): string {
  switch (failure.code) {
    case 'invalid_image_id':
      return 'An image id is "m-" and 6 to 32 ASCII letters or digits.';
    case 'invalid_request':
      return faultDetail(failure.fault);
    case 'unauthenticated':
      return 'Send one Authorization header with the scheme Bearer and a key that is configured.';
    case 'permission_denied':
      return failure.missing === 'name'
        ? 'The name of the image is not among those that this caller may delete.'
        : `This needs the scope ${failure.missing}.`;
    case 'image_protected':
      return `${failure.imageId} is protected by its ${failure.by}.`;
    case 'precondition_failed':
      return `${failure.imageId} does not bear the name given as expectName.`;
    case 'budget_exhausted':
      return `This caller may delete ${failure.budget} images in 24 hours.`;
    case 'deletions_disabled':
      return 'Previews and history still work.';
    case 'ledger_unavailable':
      return 'Nothing was deleted. Try again shortly.';
    case 'route_not_found':
      return 'GET /openapi.json lists the paths.';
    case 'method_not_allowed':
      return `This path takes ${failure.allow.join(', ')}.`;
    case 'rate_limited': {
      const { limit, periodS } = LIMITS[failure.limit];
      return `A caller may send ${limit} requests in ${periodS} seconds.`;
    }
    case 'image_not_found':
      return failure.deletedBefore === undefined
        ? `Baidu has no image ${failure.imageId} in this region.`
        : `This caller deleted ${failure.imageId} at ${failure.deletedBefore.at} by request ${failure.deletedBefore.requestId}.`;
    case 'image_not_custom':
      return `${failure.imageId} is a system or service-integration image, which cannot be deleted.`;
    case 'image_creating':
      return `Wait until ${failure.imageId} is available, then delete it again.`;
    case 'image_shared':
      return `Stop sharing ${failure.imageId}, then delete it again.`;
    case 'upstream_rejected_credentials':
      return 'The fault is on the side of the gateway, and its operator has been told.';
    case 'upstream_throttled':
      return 'Try again after as many seconds as Retry-After says.';
    case 'upstream_unexpected':
      if (failure.outcome === 'not_attempted') return notSent(failure.imageId);
      return failure.outcome === 'rejected'
        ? `Baidu refused to delete ${failure.imageId} for a reason that is not documented.`
        : `Whether ${failure.imageId} was deleted is not known.`;
    case 'upstream_error':
    case 'upstream_timeout':
      return failure.outcome === 'not_attempted'
        ? notSent(failure.imageId)
        : `Whether ${failure.imageId} was deleted is not known. It is safe to delete it again.`;
    case 'rate_limiter_unavailable':
      return 'Nothing was sent to Baidu. Try again shortly.';
    case 'gateway_misconfigured':
      return 'Nothing was sent to Baidu. The operator has been told.';
    case 'internal_error':
      return failure.outcome === 'unknown'
        ? 'Whether the image was deleted is not known.'
        : 'No deletion was sent to Baidu.';
  }
}

function notSent(imageId: ImageId): string {
  return `No deletion of ${imageId} was sent, because what comes before it failed or took too long.`;
}

function faultDetail(fault: RequestFault): string {
  switch (fault) {
    case 'malformed_host':
      return 'The Host header is not a host name.';
    case 'unknown_parameter':
      return 'There is a query parameter that this call does not take.';
    case 'repeated_parameter':
      return 'A query parameter is given more than once.';
    case 'unexpected_body':
      return 'This call takes no body.';
    default:
      return PARAMETERS[fault];
  }
}
