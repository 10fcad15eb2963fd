/**
 * Every way in which a request can fail: the closed table of codes, and the one place where a failure becomes HTTP.
 *
 * Promises: a code has one status, one title, one answer to "shall I try again"; schema, OpenAPI document, explanations
 * and README derive from this table or are tested against it. Never: text of an exception or of Baidu in an answer.
 *
 * Source: RFC 9457 (problem details), RFC 6750 §3 and RFC 9110 (the headers).
 */
import type { ImageId } from './bce/images.ts';
import type { UpstreamFailureCode } from './bce/verdict.ts';
import { LIMITS, type LimitName, rateLimitPolicy } from './limits.ts';

/** What is known of the image after a failure. `not_attempted` says that nothing was sent to Baidu. */
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
      'A query parameter is unknown, repeated or has a value it cannot have, or there is a body. Nothing is ignored, so that a mistyped option can never turn into a deletion.',
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
    explanation: 'The key is known, but its scopes do not include this call. Ask the operator for the scope.',
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
    outcomes: ['rejected', 'unknown'],
    retryable: false,
    title: "Baidu refused the gateway's own credentials",
    explanation:
      "The gateway's key, signature, clock or permission is wrong at Baidu. No caller can mend that: the operator has been told.",
  },
  upstream_throttled: {
    status: 503,
    outcomes: ['rejected', 'unknown'],
    retryable: true,
    title: 'Baidu limits the rate of requests',
    explanation: 'The limit is on the account that all callers share. Wait for as many seconds as Retry-After says.',
  },
  upstream_unexpected: {
    status: 502,
    outcomes: ['unknown', 'rejected'],
    retryable: false,
    title: 'Baidu gave an answer that nobody has documented',
    explanation:
      'A redirect, an unknown code, or a 404 that is not about the image. Look at the image before deleting it again where the outcome is unknown.',
  },
  upstream_error: {
    status: 502,
    outcomes: ['unknown'],
    retryable: true,
    title: 'Baidu failed, or the connection to it was lost',
    explanation:
      'The image may be gone. Deleting it again is safe: with allowMissing=true an image that is gone by then answers 200.',
  },
  upstream_timeout: {
    status: 504,
    outcomes: ['unknown'],
    retryable: true,
    title: 'Baidu did not answer in time',
    explanation:
      'The image may be gone. Deleting it again is safe: with allowMissing=true an image that is gone by then answers 200.',
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

export type RequestFault = 'unknown_parameter' | 'repeated_parameter' | 'bad_allow_missing' | 'unexpected_body';

/** Each code with the facts that its answer needs. */
export type Failure =
  | { readonly code: 'invalid_image_id' | 'unauthenticated' | 'route_not_found' | 'rate_limiter_unavailable' }
  | { readonly code: 'invalid_request'; readonly fault: RequestFault }
  | { readonly code: 'permission_denied'; readonly scope: string }
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
    };

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

/** One sentence for this occurrence. It may hold an image id of the grammar and our own words, and nothing else. */
function detail(failure: Failure): string {
  switch (failure.code) {
    case 'invalid_image_id':
      return 'An image id is "m-" and 6 to 32 ASCII letters or digits.';
    case 'invalid_request':
      return FAULTS[failure.fault];
    case 'unauthenticated':
      return 'Send one Authorization header with the scheme Bearer and a key that is configured.';
    case 'permission_denied':
      return `This call needs the scope ${failure.scope}.`;
    case 'route_not_found':
      return 'GET /openapi.json lists the paths.';
    case 'method_not_allowed':
      return `This path takes ${failure.allow.join(', ')}.`;
    case 'rate_limited': {
      const { limit, periodS } = LIMITS[failure.limit];
      return `A caller may send ${limit} requests in ${periodS} seconds.`;
    }
    case 'image_not_found':
      return `Baidu has no image ${failure.imageId} in this region.`;
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
      return failure.outcome === 'rejected'
        ? `Baidu refused to delete ${failure.imageId} for a reason that is not documented.`
        : `Whether ${failure.imageId} was deleted is not known.`;
    case 'upstream_error':
    case 'upstream_timeout':
      return `Whether ${failure.imageId} was deleted is not known. It is safe to delete it again.`;
    case 'rate_limiter_unavailable':
      return 'Nothing was sent to Baidu. Try again shortly.';
    case 'gateway_misconfigured':
      return 'Nothing was sent to Baidu. The operator has been told.';
    case 'internal_error':
      return failure.outcome === 'unknown'
        ? 'Whether the image was deleted is not known.'
        : 'Nothing was sent to Baidu.';
  }
}

const FAULTS: Readonly<Record<RequestFault, string>> = {
  unknown_parameter: 'There is a query parameter that this call does not take.',
  repeated_parameter: 'A query parameter is given more than once.',
  bad_allow_missing: 'allowMissing is true or false.',
  unexpected_body: 'This call takes no body.',
};

/** The JSON Schema (2020-12) of `ProblemBody`: one shape for every failure, and for each code what it may say. */
export const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'outcome', 'retryable', 'requestId'],
  additionalProperties: false,
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', minLength: 1 },
    instance: { type: 'string', pattern: '^/', maxLength: MAX_INSTANCE_CHARS },
    code: { enum: Object.keys(PROBLEMS) },
    outcome: { enum: ['not_attempted', 'rejected', 'already_absent', 'unknown'] },
    retryable: { type: 'boolean' },
    requestId: { type: 'string', pattern: '^[\\w.-]{1,64}$' },
    upstream: {
      type: 'object',
      required: ['status', 'code', 'requestId'],
      additionalProperties: false,
      properties: {
        status: { type: 'integer' },
        code: { type: ['string', 'null'] },
        requestId: { type: ['string', 'null'] },
      },
    },
    problems: { type: 'array', items: { type: 'string' } },
  },
  oneOf: Object.keys(PROBLEMS)
    .filter(isProblemCode)
    .map((code) => ({
      properties: {
        code: { const: code },
        title: { const: rowOf(code).title },
        status: { const: rowOf(code).status },
        outcome: { enum: rowOf(code).outcomes },
        retryable: { const: rowOf(code).retryable },
      },
    })),
} as const;
