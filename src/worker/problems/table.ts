/**
 * The problem table: every way in which a request can fail, one row per code.
 *
 * Promises: a row has everything about its code: status, outcomes, retry advice, severity, stage, title, explanation, headers, and the
 * sentence for one occurrence. Schema, OpenAPI document and docs derive from the rows or are tested against them. Never: puts text from
 * an exception or from Baidu into a sentence.
 */
import type { Scope } from '../scope.ts';
import { DAY_S } from '../time.ts';
import type {
  BudgetFacts,
  InProgressFacts,
  Missing,
  ProblemRow,
  RateLimitFacts,
  RequestFault,
  UnauthenticatedFacts,
} from './facts.ts';
import { absent, ifRefused, notSent, unlessUnknown } from './upstream-details.ts';

const REQUEST_FAULTS: Readonly<Record<Extract<RequestFault, string>, string>> = {
  malformed_host: 'The Host header is not a host name.',
  unknown_parameter: 'A query parameter is unknown.',
  repeated_parameter: 'A query parameter is repeated.',
  unexpected_body: 'The request must not have a body.',
  holds_credential:
    'The image id or a filter contains eight or more characters of a credential, which would be recorded.',
};

const MISSING: Readonly<Record<Exclude<Missing, Scope>, string>> = {
  name: 'This caller may not delete images with this name.',
  no_browser: 'A web page may not delete an image.',
};

/** How long to wait if Baidu throttles us without `Retry-After`. */
const DEFAULT_RETRY_AFTER_S = 10;
/** How long to wait while an issuer's keys are not known. */
const IDENTITY_RETRY_AFTER_S = 5;
/** How long to wait for an image whose deletion is in progress. Checks are no more frequent than this. */
const IN_PROGRESS_RETRY_AFTER_S = 5;
/** If Baidu asks for a longer wait, we take it for a mistake. */
export const MAX_RETRY_AFTER_S = DAY_S;

function retryAfter(seconds: number): Readonly<Record<string, string>> {
  return { 'Retry-After': String(Math.min(Math.max(seconds, 1), MAX_RETRY_AFTER_S)) };
}

function problem<Facts>(row: ProblemRow<Facts>): ProblemRow<Facts> {
  return row;
}

/** A routine refusal by the gateway itself. */
const refusal = { outcomes: ['not_attempted'], retryable: false, severity: 'INFO' } as const;

/** Baidu refuses to delete the image in its current state. After an attempt with unknown effect, that proves nothing. */
const rejection = { outcomes: ['rejected', 'unknown'], severity: 'INFO', stage: 'deletion' } as const;
/** A component does not respond. */
const outage = { status: 503, outcomes: ['not_attempted'], retryable: true, severity: 'ERROR' } as const;

const upstreamIsSilent = {
  outcomes: ['unknown', 'not_attempted'],
  retryable: true,
  severity: 'WARN',
  stage: 'upstream',
  explanation:
    'If the outcome is unknown, do not delete again: query the URL in "deletion", where the final outcome appears once Baidu responds.',
  detail: unlessUnknown(notSent),
} as const;

export const ROWS = {
  invalid_image_id: problem({
    status: 400,
    ...refusal,
    stage: 'image',
    title: 'The image id is malformed',
    explanation:
      'An image id is "m-" and 6 to 32 ASCII letters or digits, case-sensitive, and not percent-encoded. Correct the id.',
    detail: ({ rule }: { readonly rule: string }) => `An image id is ${rule}.`,
  }),
  invalid_request: problem({
    status: 400,
    ...refusal,
    stage: 'any',
    title: 'The request is not valid',
    explanation:
      'A query parameter is unknown, repeated or malformed, the request has a body, the Host header is malformed, or an id or filter contains part of a credential. Nothing is ignored, so a mistyped option can never delete.',
    detail: ({ fault }: { readonly fault: RequestFault }) =>
      typeof fault === 'string' ? REQUEST_FAULTS[fault] : `${fault.parameter} is ${fault.rule}.`,
  }),
  insecure_transport: problem({
    status: 403,
    outcomes: ['not_attempted'],
    retryable: false,
    severity: 'WARN',
    stage: 'transport',
    title: 'The request arrived over plain http',
    explanation:
      "Anyone on the network path can read plain http. Use https. If you sent a key, ask the operator to replace it. The audit record names the caller and the fingerprint of the caller's key. A token expires by itself.",
    detail: ({ hasCredential }: { readonly hasCredential: boolean }) =>
      hasCredential
        ? 'Use https, and replace the credential: anyone on the network path could read it.'
        : 'Use https. Nothing was done.',
  }),
  unauthenticated: problem({
    status: 401,
    ...refusal,
    stage: 'admission',
    title: 'The caller is unknown',
    explanation:
      'Send "Authorization: Bearer <key or token>" once, with a key or a token that the operator has configured. Behind Cloudflare Access, its token is enough, and no other credential may be sent with it. The response never says what was wrong.',
    detail: (_facts: UnauthenticatedFacts) =>
      'Send one Authorization header with the scheme Bearer and a key or a token of a configured caller.',
    headers: () => ({ 'WWW-Authenticate': 'Bearer' }),
  }),
  identity_unavailable: problem({
    ...outage,
    stage: 'admission',
    title: 'The token issuer does not respond',
    explanation:
      "The issuer's keys, which verify its tokens, are not known, and the issuer could not be asked. Try again shortly.",
    detail: () => 'The token could not be verified. Try again shortly.',
    headers: () => retryAfter(IDENTITY_RETRY_AFTER_S),
  }),
  permission_denied: problem({
    status: 403,
    ...refusal,
    stage: 'permission',
    title: 'The caller may not do this',
    explanation:
      'The caller is known, but its scopes do not include this call, or it may delete only images with other names, or a browser sent the deletion. Ask the operator.',
    detail: ({ missing }: { readonly missing: Missing }) =>
      missing === 'name' || missing === 'no_browser' ? MISSING[missing] : `This needs the scope ${missing}.`,
  }),
  image_protected: problem({
    status: 403,
    ...refusal,
    stage: 'deletion',
    title: 'The image is protected',
    explanation: 'The operator protects this image by id or by name, and that overrides every scope.',
    detail: ({ imageId, by }: { readonly imageId: string; readonly by: 'id' | 'name' }) =>
      `${imageId} is protected by its ${by}.`,
  }),
  route_not_found: problem({
    status: 404,
    ...refusal,
    stage: 'routing',
    title: 'There is no such path',
    explanation: 'GET /openapi.json lists the paths. This says nothing about any image.',
    detail: () => 'GET /openapi.json lists the paths.',
  }),
  method_not_allowed: problem({
    status: 405,
    ...refusal,
    stage: 'routing',
    title: 'The path does not support this method',
    explanation: 'The Allow header lists the supported methods.',
    detail: ({ allow }: { readonly allow: readonly string[] }) => `This path supports ${allow.join(', ')}.`,
    headers: ({ allow }) => ({ Allow: allow.join(', ') }),
  }),
  precondition_failed: problem({
    status: 412,
    ...refusal,
    stage: 'deletion',
    title: 'The image does not have the expected name',
    explanation: 'The image is not the one that the caller meant, so it was left alone.',
    detail: ({ imageId }: { readonly imageId: string }) => `${imageId} does not have the name given as expectName.`,
  }),
  rate_limited: problem({
    status: 429,
    outcomes: ['not_attempted'],
    retryable: true,
    severity: 'INFO',
    stage: 'admission',
    title: 'Too many requests',
    explanation: 'Wait for the number of seconds in Retry-After. RateLimit-Policy states the limits per caller.',
    detail: ({ requests, periodS }: RateLimitFacts) => `A caller may send ${requests} requests in ${periodS} seconds.`,
    // The limiter reports neither a remaining count nor a reset time, so only a whole period is certain to be long enough.
    headers: ({ periodS, policy }) => ({ ...retryAfter(periodS), 'RateLimit-Policy': policy }),
  }),
  budget_exhausted: problem({
    status: 429,
    outcomes: ['not_attempted'],
    retryable: true,
    severity: 'INFO',
    stage: 'deletion',
    title: 'The daily budget is used up',
    explanation:
      'A budget counts the images that were or may have been deleted in the last 24 hours, for the caller and for all callers together. Retry-After says when there is room again. An image that already counts can still be deleted.',
    detail: ({ budget, of }: BudgetFacts) =>
      `${of === 'caller' ? 'This caller' : 'All callers together'} may delete ${budget} images in 24 hours.`,
    headers: ({ retryAfterS }) => retryAfter(retryAfterS),
  }),
  deletion_in_progress: problem({
    status: 409,
    outcomes: ['not_attempted', 'unknown'],
    retryable: true,
    severity: 'INFO',
    stage: 'deletion',
    title: 'Another deletion of the image is in progress',
    explanation:
      'One deletion of an image runs at a time. The image is free again when the outcome of the other deletion is known, and at the latest after the last planned check. If the outcome is unknown, you sent this request before: do not send it again, but query the URL in "deletion".',
    detail: ({ imageId, outcome }: InProgressFacts) =>
      outcome === 'unknown'
        ? `This request to delete ${imageId} was sent before, and its outcome is not known yet.`
        : `Another deletion of ${imageId} is in progress, so none was sent.`,
    headers: ({ outcome }) => (outcome === 'unknown' ? {} : retryAfter(IN_PROGRESS_RETRY_AFTER_S)),
  }),
  image_not_found: problem({
    status: 404,
    outcomes: ['already_absent'],
    retryable: false,
    severity: 'INFO',
    stage: 'image',
    title: 'There is no such image',
    explanation: 'Baidu has no image with this id in this region. If that is good enough, send allowMissing=true.',
    detail: absent,
  }),
  image_not_custom: problem({
    status: 403,
    ...rejection,
    retryable: false,
    title: 'The image is not a custom image',
    explanation: 'System and service-integration images cannot be deleted.',
    detail: ifRefused(({ imageId }) => `${imageId} is a system or service-integration image, which cannot be deleted.`),
  }),
  image_creating: problem({
    status: 409,
    ...rejection,
    retryable: true,
    title: 'The image is still being created',
    explanation: 'Try again when the image is available.',
    detail: ifRefused(({ imageId }) => `Wait until ${imageId} is available, then delete it again.`),
  }),
  image_shared: problem({
    status: 409,
    ...rejection,
    retryable: false,
    title: 'The image is shared with other accounts',
    explanation: 'Stop sharing the image, then delete it again.',
    detail: ifRefused(({ imageId }) => `Stop sharing ${imageId}, then delete it again.`),
  }),
  upstream_rejected_credentials: problem({
    status: 502,
    outcomes: ['rejected', 'unknown', 'not_attempted'],
    retryable: false,
    severity: 'ERROR',
    stage: 'upstream',
    title: "Baidu refused the gateway's own credentials",
    explanation:
      "Baidu rejects the gateway's key, signature, clock or permission. No caller can fix that. It has been logged.",
    detail: unlessUnknown(() => 'The fault lies with the gateway. It has been logged.'),
  }),
  upstream_throttled: problem({
    status: 503,
    outcomes: ['rejected', 'unknown', 'not_attempted'],
    retryable: true,
    severity: 'WARN',
    stage: 'upstream',
    title: 'Baidu is throttling requests',
    explanation: 'The limit is on the account that all callers share. Wait for the number of seconds in Retry-After.',
    detail: unlessUnknown(() => 'Try again after the number of seconds in Retry-After.'),
    headers: ({ retryAfterS }) => retryAfter(retryAfterS ?? DEFAULT_RETRY_AFTER_S),
  }),
  upstream_unexpected: problem({
    status: 502,
    outcomes: ['unknown', 'rejected', 'not_attempted'],
    retryable: false,
    severity: 'ERROR',
    stage: 'upstream',
    title: 'Baidu gave an undocumented response',
    explanation:
      'A redirect, an unknown code, or a 404 that is not about the image. If the outcome is unknown, query the URL in "deletion".',
    detail: ifRefused(({ imageId }) => `Baidu refused to delete ${imageId} for a reason that is not documented.`),
  }),
  upstream_error: problem({
    status: 502,
    title: 'Baidu failed, or the connection to it was lost',
    ...upstreamIsSilent,
    headers: ({ retryAfterS }) => (retryAfterS === undefined ? {} : retryAfter(retryAfterS)),
  }),
  upstream_timeout: problem({
    status: 504,
    title: 'Baidu did not respond in time',
    ...upstreamIsSilent,
  }),
  deletions_disabled: problem({
    status: 503,
    ...refusal,
    stage: 'deletion',
    title: 'Deletions are switched off',
    explanation: 'The operator has stopped all deletions.',
    detail: () => 'Previews and history still work.',
  }),
  ledger_unavailable: problem({
    ...outage,
    stage: 'ledger',
    title: 'The deletion ledger does not respond',
    explanation: 'Nothing is deleted unless it can be recorded. Try again shortly.',
    detail: () => 'Nothing was deleted. Try again shortly.',
  }),
  rate_limiter_unavailable: problem({
    ...outage,
    stage: 'admission',
    title: 'The rate limiter does not respond',
    explanation: 'No call is let through without its rate limit. Try again shortly.',
    detail: () => 'Nothing was sent to Baidu. Try again shortly.',
  }),
  gateway_misconfigured: problem({
    status: 503,
    outcomes: ['not_attempted'],
    retryable: false,
    severity: 'ERROR',
    stage: 'admission',
    title: 'The gateway is misconfigured',
    explanation: "A secret or variable is missing or malformed. The operator's log and GET /readyz say which.",
    detail: (_facts: { readonly problems?: readonly string[] }) => 'Nothing was sent to Baidu. This has been logged.',
  }),
  internal_error: problem({
    status: 500,
    outcomes: ['unknown', 'not_attempted'],
    retryable: false,
    severity: 'ERROR',
    stage: 'any',
    title: 'The gateway has a bug',
    explanation: "Report it with the request id, which leads to the details in the operator's log.",
    detail: ({ outcome }: { readonly outcome: 'unknown' | 'not_attempted' }) =>
      outcome === 'unknown' ? 'It is not known yet whether the image was deleted.' : 'No deletion was sent to Baidu.',
  }),
};
