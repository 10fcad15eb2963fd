/**
 * What one answer from Baidu to an image call proves.
 *
 * Promises: total over every status, code and body, and never more than the answer says. `accepted`: done. `already_absent`: there
 * is no such image. `rejected`: certainly nothing was done, which a 4xx says even if it breaks off. `unknown`: everything else.
 * Only lists of what is known prove anything; a code on no list proves nothing beyond its status.
 * Never: looks at more than one answer.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE image), /Ojwvyo6nc (common errors). Codes that are not
 * documented were seen in public records of live answers, or in Baidu's own SDKs.
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

/** Baidu has no such image. */
export interface Absent {
  readonly code: 'image_not_found';
  readonly outcome: 'already_absent';
  /** `false`: only the status says so, and the code beside it is one that nobody has seen. */
  readonly listed: boolean;
}

type RefusalCode = Exclude<UpstreamFailureCode, Absent['code']>;

/** A code, and what it says about the image. */
export type Verdict =
  | { readonly code: 'accepted'; readonly outcome?: never }
  | Absent
  | { readonly code: RefusalCode; readonly outcome: 'rejected' | 'unknown' };

/** Documented. Baidu refuses under these before it does anything, whatever the status: it sends some with 400. */
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
 * Not documented for BCC. These name a refusal that the status has proved, and prove none themselves: `IamSignatureInvalid` and its
 * siblings are Baidu's identity service.
 */
const IDENTITY_SERVICE_CODE = /^Iam/i;
const CREDENTIAL_CODE = /^(?:AuthError|InvalidSecurityToken|RequestTimeTooSkewed)$/;
/** The words that clouds use. */
const THROTTLING_CODE = /Throttl|TooManyRequests|RequestLimit|RateLimit|FlowControl/i;
const SKEW_MESSAGE = /timestamp|expired/i;

/** What a code says beside a 404. `image`: the image is absent. `other`: nothing about the image. `unlisted`: nobody has seen it. */
type Absence = 'image' | 'other' | 'unlisted';
/** For codes whose words do not tell. A code that the log reports as unlisted gets its line here. */
const ABSENCES: Readonly<Record<string, Exclude<Absence, 'unlisted'>>> = {
  NoSuchObject: 'image',
  InvalidURI: 'other',
  InvalidVersion: 'other',
};
const ABSENCE = 'nosuch|notfound|(?:does)?notexists?|nonexistent';
const ANY_ABSENCE = new RegExp(ABSENCE);
/** An absence of an image, an object or nothing that it names. With any other word it is an absence of something else. */
const IMAGE_ABSENCE = new RegExp(`^(?:image|object|id|invalid|custom|exception|error|${ABSENCE})+$`);

/** Reads one answer by itself. */
export function judge(answer: Answer): Verdict {
  const { status, isFromBaidu, mentionsError, body } = answer;
  const refusal = documentedRefusal(answer);
  if (refusal !== null) return { code: refusal, outcome: 'rejected' };
  if (isRefusal(status)) return judgeRefusal(answer);
  if (status >= 400) return { code: 'upstream_error', outcome: 'unknown' };
  if (status < 300 && body.kind === 'broken') return { code: 'upstream_error', outcome: 'unknown' };
  if (status < 300 && body.kind === 'stalled') return { code: 'upstream_timeout', outcome: 'unknown' };
  const isDone = (status === 200 || status === 204) && isFromBaidu && !mentionsError && body.kind !== 'garbled';
  return isDone ? { code: 'accepted' } : { code: 'upstream_unexpected', outcome: 'unknown' };
}

/** Whether the status alone says that nothing was done. 408 does not: the server gave up, and may have begun. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408;
}

/** Which refusal it is. Codes only name it: the status has proved it. */
function judgeRefusal(answer: Answer): Verdict {
  const code = undocumentedRefusal(answer);
  if (code !== null) return { code, outcome: 'rejected' };
  const absences = answer.codes.map(absenceOf);
  if (!isAbsence(answer) || absences.includes('other')) return { code: 'upstream_unexpected', outcome: 'rejected' };
  return { code: 'image_not_found', outcome: 'already_absent', listed: !absences.includes('unlisted') };
}

/** The code beside an absence that nobody has seen, if the answer is one, or `null`. */
export function unlistedCode(answer: Answer | undefined): string | null {
  // The status rules out nearly every answer without a second verdict.
  if (answer?.status !== 404 || judge(answer).code !== 'image_not_found') return null;
  return answer.codes.find((code) => absenceOf(code) === 'unlisted') ?? null;
}

/** Whether Baidu blames the time: by its own codes, or by another auth refusal whose message mentions time. */
export function isClockSkew({ status, codes, message = '' }: Answer): boolean {
  if (codes.includes('RequestExpired')) return true;
  const mentionsTime = SKEW_MESSAGE.test(message);
  const blamesTime = (code: string) =>
    code === 'RequestTimeTooSkewed' ||
    (mentionsTime && (code === 'InvalidRequest' || IDENTITY_SERVICE_CODE.test(code)));
  return isRefusal(status) && codes.some(blamesTime);
}

/** Whether the body says nothing beyond Baidu's request id. A deletion's answer is documented to have no more. */
export function isBare(body: Answer['body']): boolean {
  return body.kind === 'empty' || hasOnly(body, ['requestId']);
}

/** The documented refusal, or `null`. If the status is no refusal, Baidu itself must say so, and every code must be documented. */
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

/** Whether this is the answer that Baidu documents for an absent image: by its status alone, so a code must not say otherwise. */
function isAbsence({ status, isFromBaidu, hasMalformedCode, body }: Answer): boolean {
  if (status !== 404 || !isFromBaidu || hasMalformedCode) return false;
  return body.kind === 'empty' || hasOnly(body, ['requestId', 'code', 'message']);
}

/**
 * Separators and capitals do not count, because Baidu's own codes differ in both: `ResourceNotFound`, `ResourceNotfound`,
 * `SECURITYGROUP_INUSE`.
 */
function absenceOf(code: string): Absence {
  if (Object.hasOwn(ABSENCES, code)) return ABSENCES[code] ?? 'unlisted';
  const words = code.replace(/[._]/g, '').toLowerCase();
  if (!ANY_ABSENCE.test(words)) return 'unlisted';
  return IMAGE_ABSENCE.test(words) ? 'image' : 'other';
}

/** Whether the body is a JSON object without members other than these. */
function hasOnly({ value }: Answer['body'], names: readonly string[]): boolean {
  return isRecord(value) && Object.keys(value).every((name) => names.includes(name));
}
