/**
 * What one response from Baidu to an image call proves.
 *
 * Promises: total over every status, code and body; claims no more than the response proves. `accepted`: done. `already_absent`: no
 * such image. `rejected`: nothing was done, which a 4xx proves even if its body breaks off. `unknown`: everything else. Only listed
 * codes prove anything; an unlisted code proves nothing beyond its status. Never: considers more than one response.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE image), /Ojwvyo6nc (common errors). The undocumented codes come
 * from public records of live responses and from Baidu's own SDKs.
 */
import { isRecord } from '../json.ts';
import type { Answer } from './answer.ts';

/** The ways in which a call fails. */
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

/** Baidu has no such image. */
export interface Absent {
  readonly code: 'image_not_found';
  readonly outcome: 'already_absent';
  /** `false`: only the status says so, and the code beside it is on no list. */
  readonly listed: boolean;
}

type RefusalCode = Exclude<UpstreamFailureCode, Absent['code']>;

/** The code, and what it says about the image. */
export type Verdict =
  | { readonly code: 'accepted'; readonly outcome?: never }
  | Absent
  | { readonly code: RefusalCode; readonly outcome: 'rejected' | 'unknown' };

/** Documented. With these Baidu refuses before it does anything, whatever the status: it sends some with 400. */
const REFUSALS: Readonly<Record<string, RefusalCode>> = {
  'Image.UnCustomImageCannotBeDeleted': 'image_not_custom',
  'Image.CreatingImageCannotBeDeleted': 'image_creating',
  'Image.ImageHasBeenSharedToOthers': 'image_shared',
  // Our key, our signature, our clock, our permission.
  AccessDenied: 'upstream_rejected_credentials',
  InvalidAccessKeyId: 'upstream_rejected_credentials',
  InvalidHTTPAuthHeader: 'upstream_rejected_credentials',
  OptInRequired: 'upstream_rejected_credentials',
  QualifyNotPass: 'upstream_rejected_credentials',
  RequestExpired: 'upstream_rejected_credentials',
  SignatureDoesNotMatch: 'upstream_rejected_credentials',
};

/**
 * Not documented for BCC. These only name a refusal that the status has proved. `IamSignatureInvalid` and its siblings come from
 * Baidu's identity service.
 */
const IDENTITY_SERVICE_CODE = /^Iam/i;
const CREDENTIAL_CODE = /^(?:AuthError|InvalidSecurityToken|RequestTimeTooSkewed)$/;
/** The usual words for throttling in cloud APIs. */
const THROTTLING_CODE = /Throttl|TooManyRequests|RequestLimit|RateLimit|FlowControl/i;
const SKEW_MESSAGE = /timestamp|expired/i;

/** What a code says beside a 404. `image`: the image is absent. `other`: something else is. `unlisted`: it is not known. */
type Absence = 'image' | 'other' | 'unlisted';
/** For codes whose words are not enough. Add a code here that the log reports as unlisted. */
const ABSENCES: Readonly<Record<string, Exclude<Absence, 'unlisted'>>> = {
  NoSuchObject: 'image',
  InvalidURI: 'other',
  InvalidVersion: 'other',
};
const ABSENCE = 'nosuch|notfound|(?:does)?notexists?|nonexistent';
const ANY_ABSENCE = new RegExp(ABSENCE);
/** The absence of an image, of an object, or of something unnamed. Any other word makes it the absence of something else. */
const IMAGE_ABSENCE = new RegExp(`^(?:image|object|id|invalid|custom|exception|error|${ABSENCE})+$`);

/** The verdict on a response that proves nothing. */
export const UNEXPECTED = { code: 'upstream_unexpected', outcome: 'unknown' } as const;

/** Judges one response on its own. */
export function judge(answer: Answer): Verdict {
  const { status, isFromBaidu, mentionsError, body } = answer;
  const refusal = documentedRefusal(answer);
  if (refusal !== null) return { code: refusal, outcome: 'rejected' };
  if (isRefusal(status)) return judgeRefusal(answer);
  if (status >= 400) return { code: 'upstream_error', outcome: 'unknown' };
  if (status < 300 && body.kind === 'broken') return { code: 'upstream_error', outcome: 'unknown' };
  if (status < 300 && body.kind === 'stalled') return { code: 'upstream_timeout', outcome: 'unknown' };
  const isDone = (status === 200 || status === 204) && isFromBaidu && !mentionsError && body.kind !== 'garbled';
  return isDone ? { code: 'accepted' } : UNEXPECTED;
}

/** Whether the status alone proves that nothing was done. 408 does not: the server gave up, but may have begun. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408;
}

/** Which refusal it is. The status has proved that it is one; codes only name it. */
function judgeRefusal(answer: Answer): Verdict {
  const code = undocumentedRefusal(answer);
  if (code !== null) return { code, outcome: 'rejected' };
  const absences = answer.codes.map(absenceOf);
  if (!isAbsence(answer) || absences.includes('other')) return { code: 'upstream_unexpected', outcome: 'rejected' };
  return { code: 'image_not_found', outcome: 'already_absent', listed: !absences.includes('unlisted') };
}

/** The unlisted code of a response that reports an absence; otherwise `null`. */
export function unlistedCode(answer: Answer | undefined): string | null {
  // The status alone rules out nearly every response.
  if (answer?.status !== 404 || judge(answer).code !== 'image_not_found') return null;
  return answer.codes.find((code) => absenceOf(code) === 'unlisted') ?? null;
}

/** Whether Baidu blames our clock: by its own codes, or by another auth refusal whose message mentions time. */
export function isClockSkew({ status, codes, message = '' }: Answer): boolean {
  if (codes.includes('RequestExpired')) return true;
  const mentionsTime = SKEW_MESSAGE.test(message);
  const blamesTime = (code: string) =>
    code === 'RequestTimeTooSkewed' ||
    (mentionsTime && (code === 'InvalidRequest' || IDENTITY_SERVICE_CODE.test(code)));
  return isRefusal(status) && codes.some(blamesTime);
}

/** Whether the body has nothing but Baidu's request id, as documented for a deletion. */
export function isBare(body: Answer['body']): boolean {
  return body.kind === 'empty' || hasOnly(body, ['requestId']);
}

/** The documented refusal, or `null`. Unless the status is a refusal, the response must be Baidu's and every code documented. */
function documentedRefusal({ status, codes, hasMalformedCode, isFromBaidu }: Answer): RefusalCode | null {
  const known = codes.flatMap((code) => (Object.hasOwn(REFUSALS, code) ? (REFUSALS[code] ?? []) : []));
  const isProof = isFromBaidu && known.length === codes.length && !hasMalformedCode;
  return (isProof || isRefusal(status) ? known[0] : undefined) ?? null;
}

function undocumentedRefusal(answer: Answer): RefusalCode | null {
  const { status, codes, body, isFromBaidu, mentionsError } = answer;
  const has = (pattern: RegExp) => codes.some((code) => pattern.test(code));
  if (has(IDENTITY_SERVICE_CODE) || has(CREDENTIAL_CODE) || isClockSkew(answer)) return 'upstream_rejected_credentials';
  if (has(THROTTLING_CODE)) return 'upstream_throttled';
  if (status === 401) return 'upstream_rejected_credentials';
  if (status === 429) return 'upstream_throttled';
  // A 403 from Baidu that says nothing else.
  return status === 403 && isFromBaidu && !mentionsError && isBare(body) ? 'upstream_rejected_credentials' : null;
}

/** Whether the response has the form that Baidu documents for an absent image. A code may still say otherwise. */
function isAbsence({ status, isFromBaidu, hasMalformedCode, body }: Answer): boolean {
  if (status !== 404 || !isFromBaidu || hasMalformedCode) return false;
  return body.kind === 'empty' || hasOnly(body, ['requestId', 'code', 'message']);
}

/**
 * Ignores separators and case, because Baidu's own codes differ in both: `ResourceNotFound`, `ResourceNotfound`,
 * `SECURITYGROUP_INUSE`.
 */
function absenceOf(code: string): Absence {
  if (Object.hasOwn(ABSENCES, code)) return ABSENCES[code] ?? 'unlisted';
  const words = code.replace(/[._]/g, '').toLowerCase();
  if (!ANY_ABSENCE.test(words)) return 'unlisted';
  return IMAGE_ABSENCE.test(words) ? 'image' : 'other';
}

/** Whether the body is a JSON object with no members but these. */
function hasOnly({ value }: Answer['body'], names: readonly string[]): boolean {
  return isRecord(value) && Object.keys(value).every((name) => names.includes(name));
}
