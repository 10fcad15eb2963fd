/**
 * What one answer from Baidu to an image call proves.
 *
 * Promises: total over every status, code and body, and never more than the answer says. `accepted`: done. `already_absent`: there
 * is no such image. `rejected`: certainly nothing was done, which a 4xx says even if it breaks off. `unknown`: everything else.
 * Never: looks at more than one answer.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE image), /Ojwvyo6nc (common errors). Codes that are not
 * documented were seen in public records of live answers.
 */
import { isRecord } from '../json.ts';
import { type Answer, CODE } from './answer.ts';

/** The ways in which a call does not succeed. */
export type UpstreamFailureCode =
  | 'image_not_found'
  | 'image_not_custom'
  | 'image_creating'
  | 'image_shared'
  | 'upstream_rejected_credentials'
  | 'upstream_throttled'
  | 'upstream_unexpected'
  | 'upstream_error'
  | 'upstream_timeout';

/** A code, and what it says about the image. */
export type Verdict =
  | { readonly code: 'accepted'; readonly outcome?: never }
  | { readonly code: UpstreamFailureCode; readonly outcome: 'already_absent' | 'rejected' | 'unknown' };

/** Baidu refuses under these codes before it does anything, whatever the status: it sends some with 400, and one with 200. */
const REFUSALS: Readonly<Record<string, UpstreamFailureCode>> = {
  'Image.UnCustomImageCannotBeDeleted': 'image_not_custom',
  'Image.CreatingImageCannotBeDeleted': 'image_creating',
  'Image.ImageHasBeenSharedToOthers': 'image_shared',
  // Our key, our signature, our clock, our permission.
  AccessDenied: 'upstream_rejected_credentials',
  AuthError: 'upstream_rejected_credentials',
  InvalidAccessKeyId: 'upstream_rejected_credentials',
  InvalidHTTPAuthHeader: 'upstream_rejected_credentials',
  InvalidSecurityToken: 'upstream_rejected_credentials',
  OptInRequired: 'upstream_rejected_credentials',
  QualifyNotPass: 'upstream_rejected_credentials',
  RequestExpired: 'upstream_rejected_credentials',
  RequestTimeTooSkewed: 'upstream_rejected_credentials',
  SignatureDoesNotMatch: 'upstream_rejected_credentials',
};

/** `IamSignatureInvalid` and its siblings: Baidu's identity service refuses before anybody looks at the image. */
const IDENTITY_SERVICE_CODE = /^Iam/i;
/** No throttling code is documented. These are the words that clouds use. */
const THROTTLING_CODE = /Throttl|TooManyRequests|RequestLimit|RateLimit|FlowControl/i;
/** With a 404, these say that the route or its version is unknown, and nothing about the image. */
const ROUTE_CODE = /^(?:InvalidVersion|InvalidURI|ResourceNotFound)$/;

const SKEW_CODE = /^(?:RequestExpired|RequestTimeTooSkewed)$/;
const SKEW_MESSAGE = /timestamp|expired/i;

/** Reads one answer by itself. */
export function judge(answer: Answer): Verdict {
  const { status, isFromBaidu, mentionsError, body } = answer;
  const refusal = refusalCode(answer);
  if (refusal !== null) return { code: refusal, outcome: 'rejected' };
  if (status === 404 && saysAbsent(answer)) return { code: 'image_not_found', outcome: 'already_absent' };
  if (status === 408 || status >= 500) return { code: 'upstream_error', outcome: 'unknown' };
  if (status >= 400) return { code: 'upstream_unexpected', outcome: 'rejected' };
  if (status < 300 && body.kind === 'broken') return { code: 'upstream_error', outcome: 'unknown' };
  if (status < 300 && body.kind === 'stalled') return { code: 'upstream_timeout', outcome: 'unknown' };
  const isDone = (status === 200 || status === 204) && isFromBaidu && !mentionsError && body.kind !== 'garbled';
  return isDone ? { code: 'accepted' } : { code: 'upstream_unexpected', outcome: 'unknown' };
}

/** Whether Baidu refused because of the time: by its own codes, or by another auth refusal whose message mentions time. */
export function isClockSkew({ code = '', message = '' }: Answer): boolean {
  const isAuth = IDENTITY_SERVICE_CODE.test(code) || code === 'InvalidRequest';
  return SKEW_CODE.test(code) || (isAuth && SKEW_MESSAGE.test(message));
}

/** Whether the body says nothing beyond Baidu's request id. A deletion's answer is documented to have no more. */
export function isBare(body: Answer['body']): boolean {
  return body.kind === 'empty' || recordOf(body, ['requestId']) !== null;
}

/** The code of a refusal that Baidu documents or is known to send, or `null`. */
function refusalCode(answer: Answer): UpstreamFailureCode | null {
  const { status, code, body, isFromBaidu, mentionsError } = answer;
  if (code !== undefined) {
    if (Object.hasOwn(REFUSALS, code)) return REFUSALS[code] ?? null;
    if (IDENTITY_SERVICE_CODE.test(code) || isClockSkew(answer)) return 'upstream_rejected_credentials';
    if (THROTTLING_CODE.test(code)) return 'upstream_throttled';
  }
  if (status === 401) return 'upstream_rejected_credentials';
  if (status === 429) return 'upstream_throttled';
  // A 403 in Baidu's name that says no more.
  return status === 403 && isFromBaidu && !mentionsError && isBare(body) ? 'upstream_rejected_credentials' : null;
}

/** Baidu documents the answer for an absent image by its status alone, so the code only has to speak of nothing else. */
function saysAbsent({ code, body, isFromBaidu }: Answer): boolean {
  if (!isFromBaidu || (code !== undefined && ROUTE_CODE.test(code))) return false;
  return body.kind === 'empty' || isErrorBody(body);
}

/** Baidu's error body: `requestId`, `code` and `message`, nothing else, and a code that can be one and speaks of no route. */
function isErrorBody(body: Answer['body']): boolean {
  const error = recordOf(body, ['requestId', 'code', 'message']);
  if (error === null) return false;
  const code = error['code'];
  return code === undefined || (typeof code === 'string' && CODE.test(code) && !ROUTE_CODE.test(code));
}

/** The body's JSON object, or `null` if it is none or has members other than these. */
function recordOf({ value }: Answer['body'], names: readonly string[]): Readonly<Record<string, unknown>> | null {
  return isRecord(value) && Object.keys(value).every((name) => names.includes(name)) ? value : null;
}
