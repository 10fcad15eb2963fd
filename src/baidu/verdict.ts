/**
 * What one answer from Baidu to an image call means: by its code, or by its status if the code does not decide.
 *
 * Promises: an answer for every status, code and body, and never more than the answer says: `rejected` only if Baidu itself
 * refused, `accepted` only for a 2xx that mentions no error. Never: looks at more than one answer.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE image), /Ojwvyo6nc (common errors). Codes that are not
 * documented were seen in public records of live answers.
 */
import { isRecord } from '../json.ts';
import type { Answer } from './answer.ts';

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
  | { readonly code: 'accepted' }
  | { readonly code: UpstreamFailureCode; readonly outcome: 'already_absent' | 'rejected' | 'unknown' };

/** A code says more than a status: Baidu sends `SignatureDoesNotMatch` with 400, and has sent an error code with 200. */
const BY_CODE: Readonly<Record<string, UpstreamFailureCode>> = {
  'Image.UnCustomImageCannotBeDeleted': 'image_not_custom',
  'Image.CreatingImageCannotBeDeleted': 'image_creating',
  'Image.ImageHasBeenSharedToOthers': 'image_shared',
  NoSuchObject: 'image_not_found',
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
  // Whatever their status, these say that nobody knows what was done.
  InternalError: 'upstream_error',
  ServiceInternalError: 'upstream_error',
  // An unknown route or version is also answered with 404, and says nothing about the image.
  InvalidVersion: 'upstream_unexpected',
  InvalidURI: 'upstream_unexpected',
  ResourceNotFound: 'upstream_unexpected',
};

/** `IamSignatureInvalid` and its siblings: Baidu's identity service refuses before anybody looks at the image. */
const IDENTITY_SERVICE_CODE = /^Iam/i;
/** No throttling code is documented. These are the words that clouds use. */
const THROTTLING_CODE = /Throttl|TooManyRequests|RequestLimit|RateLimit|FlowControl/i;
/** Siblings of `NoSuchObject` that name the image. */
const IMAGE_ABSENT_CODE = /^(?:NoSuchImage|Image\.?(?:Image)?(?:NotFound|NotExists?|NoSuch\w*))$/;

const SKEW_CODE = /^(?:RequestExpired|RequestTimeTooSkewed)$/;
const SKEW_MESSAGE = /timestamp|expired/i;

/** Reads one answer by itself. */
export function judge(answer: Answer): Verdict {
  const code = codeOf(answer);
  switch (code) {
    case 'accepted':
      return { code };
    case 'image_not_found':
      return { code, outcome: 'already_absent' };
    case 'upstream_error':
    case 'upstream_timeout':
      return { code, outcome: 'unknown' };
    case 'upstream_unexpected':
      return { code, outcome: isRefusal(answer) ? 'rejected' : 'unknown' };
    case 'image_not_custom':
    case 'image_creating':
    case 'image_shared':
    case 'upstream_rejected_credentials':
    case 'upstream_throttled':
      return { code, outcome: 'rejected' };
  }
}

/** Whether Baidu refused because of the time: by its own codes, or by another auth refusal whose message mentions time. */
export function isClockSkew({ code = '', message = '' }: Answer): boolean {
  const isAuth = IDENTITY_SERVICE_CODE.test(code) || code === 'InvalidRequest';
  return SKEW_CODE.test(code) || (isAuth && SKEW_MESSAGE.test(message));
}

function codeOf(answer: Answer): Verdict['code'] {
  const { status, code, body, isFromBaidu, mentionsError } = answer;
  const named = code === undefined ? undefined : codeByName(answer, code);
  // Baidu checks our credential before anything else, whatever the status.
  if (named === 'upstream_rejected_credentials' || status === 401) return 'upstream_rejected_credentials';
  if (status === 429 || named === 'upstream_throttled') return 'upstream_throttled';
  if (status >= 500) return 'upstream_error';
  if (status >= 300 && status < 400) return 'upstream_unexpected';
  if (named !== undefined) return named;
  // From here on no code decides. An error in words that nobody has documented is not understood.
  if (mentionsError) return 'upstream_unexpected';
  if (status >= 200 && status < 300) {
    if (body.kind === 'broken') return 'upstream_error';
    return body.kind === 'empty' || (body.kind === 'json' && isFromBaidu) ? 'accepted' : 'upstream_unexpected';
  }
  // Some answers are documented by their status alone. They are Baidu's if they have its request id and say no more.
  const bare = isFromBaidu && isBare(body);
  if (status === 403 && bare) return 'upstream_rejected_credentials';
  if (status === 404 && bare) return 'image_not_found';
  return 'upstream_unexpected';
}

function codeByName(answer: Answer, code: string): UpstreamFailureCode {
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code] ?? 'upstream_unexpected';
  if (IDENTITY_SERVICE_CODE.test(code) || isClockSkew(answer)) return 'upstream_rejected_credentials';
  if (THROTTLING_CODE.test(code)) return 'upstream_throttled';
  return IMAGE_ABSENT_CODE.test(code) ? 'image_not_found' : 'upstream_unexpected';
}

/** Whether the body says nothing beyond Baidu's request id. A deletion's answer is documented to have no more. */
export function isBare(body: Answer['body']): boolean {
  if (body.kind !== 'json') return body.kind === 'empty';
  return isRecord(body.value) && Object.keys(body.value).every((name) => name === 'requestId');
}

/** A 4xx in Baidu's name: whatever was wrong, the request was not carried out. */
function isRefusal({ status, code, isFromBaidu }: Answer): boolean {
  return status >= 400 && status < 500 && (code !== undefined || isFromBaidu);
}
