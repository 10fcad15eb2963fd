/**
 * One answer from Baidu, reduced to the fields that the rest of the code may use.
 *
 * Promises: reads at most `MAX_BODY_BYTES` and cancels the rest; never throws; a field without the expected form is absent;
 * codes, message and request id have passed the scrubber. Never: decides what an answer means; `verdict.ts` does.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Ojwvyo6nc (error body), /Mjwvyo6bm (common headers).
 */
import { isRecord, parseJson, readText } from '../json.ts';

const SCRUBBED = '[scrubbed]';

/** A documented error body has about 150 bytes, an image 1 KiB, and a list of a hundred accounts 10 KiB. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_MESSAGE_CHARS = 200;
/** The longest word on record has 36 characters, and a signature 64. */
const MAX_WORD_CHARS = 40;
/** The shortest key on record has 20 characters. */
const MIN_KEY_CHARS = 16;

/** Every code on record has this form: `NoSuchObject`, `Image.ImageHasBeenSharedToOthers`, `SECURITYGROUP_INUSE`. */
const CODE = /^[A-Za-z]\w*(?:\.\w+){0,3}$/;
/** Members by which a JSON body mentions an error: Baidu's own, and those of whatever may stand in front of Baidu. */
const ERROR_MEMBERS: readonly string[] = ['code', 'message', 'error', 'errors', 'errorCode', 'success'];
/** A UUID of 36 characters is documented. A reflected signature has 64, a caller's key 47. */
const REQUEST_ID = /^[\w.-]{1,40}$/;

export interface Answer {
  readonly status: number;
  /**
   * The codes from `x-bce-error-code` and from Baidu's error body, in this order; one if both are the same. Letters, digits, dots
   * and underscores only.
   */
  readonly codes: readonly string[];
  /** Whether header or body has a code that is not in `codes`, because it does not have the form of one. */
  readonly hasMalformedCode: boolean;
  /** Whether the answer mentions an error, even in a form that `codes` and `message` reject. */
  readonly mentionsError: boolean;
  /** Whether the answer has `x-bce-request-id`, as every answer from Baidu does. */
  readonly isFromBaidu: boolean;
  /** Only for the operator's log: at most 200 characters, without control characters or anything that looks like a key. */
  readonly message: string | undefined;
  /** `x-bce-request-id`, or the error body's `requestId`. */
  readonly requestId: string | undefined;
  /** The `Date` header as it came; `parseHttpDate` reads it. */
  readonly date: string | null;
  /** From the `Retry-After` header, in whole seconds; a date is turned into seconds from now. */
  readonly retryAfterS: number | undefined;
  /**
   * `json` has a value that is still unchecked; `garbled` is not JSON, or too long; `broken` ended midway; `stalled` took
   * too long.
   */
  readonly body: { kind: 'empty' | 'garbled' | 'broken' | 'stalled'; value?: never } | { kind: 'json'; value: unknown };
}

/** Reads `response` up to the cap, until `signal`. `nowMs` turns a `Retry-After` date into seconds; `scrub` blanks known secrets. */
export async function readAnswer(
  response: Response,
  signal: AbortSignal,
  nowMs: number,
  scrub: (text: string) => string,
): Promise<Answer> {
  const body = await readBody(response, signal);
  const error = isRecord(body.value) ? body.value : {};
  const { headers } = response;
  const isClean = (value: unknown): value is string => typeof value === 'string' && scrub(value) === value;
  const requestIdIn = (value: unknown) => (isClean(value) && REQUEST_ID.test(value) ? value : undefined);
  // An absent header is `null`. In a body, `null` is a malformed code.
  const given = [headers.get('x-bce-error-code') ?? undefined, error['code']].filter((code) => code !== undefined);
  const codes = given.filter(isClean).filter(isCode);
  const message = headers.get('x-bce-error-message') ?? error['message'];
  const headerId = requestIdIn(headers.get('x-bce-request-id'));
  return {
    status: response.status,
    codes: [...new Set(codes)],
    hasMalformedCode: codes.length < given.length,
    mentionsError:
      headers.has('x-bce-error-code') ||
      headers.has('x-bce-error-message') ||
      ERROR_MEMBERS.some((name) => name in error),
    isFromBaidu: headerId !== undefined,
    message: typeof message === 'string' ? printable(scrub(message)) : undefined,
    requestId: headerId ?? requestIdIn(error['requestId']),
    date: headers.get('date'),
    retryAfterS: parseRetryAfter(headers.get('retry-after'), nowMs),
    body,
  };
}

/** RFC 9110 §10.2.3: seconds or a date. Anything else counts as absent. */
function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const dateMs = parseHttpDate(value);
  return dateMs === undefined ? undefined : Math.max(0, Math.ceil((dateMs - nowMs) / 1000));
}

/** An HTTP date as milliseconds since the epoch, or `undefined` if it is not one. */
export function parseHttpDate(value: string | null): number | undefined {
  if (value === null) return undefined;
  const timeMs = Date.parse(value);
  // IMF-fixdate is the one form that senders may generate (RFC 9110 §5.6.7). The comparison also refuses a 31st of February.
  return !Number.isNaN(timeMs) && new Date(timeMs).toUTCString() === value ? timeMs : undefined;
}

/** One line without control characters, and without anything that could be a key, a token or a signature. */
function printable(message: string): string {
  return message
    .replace(/[\w+/=%~.-]+/g, withoutKeys)
    .replace(/\p{C}+/gu, ' ')
    .slice(0, MAX_MESSAGE_CHARS);
}

function withoutKeys(run: string): string {
  if (run.length > MAX_WORD_CHARS) return SCRUBBED;
  return run.replace(/[\w+/=%~-]+/g, (word) => (couldBeKey(word) ? SCRUBBED : word));
}

/** A word of over 40 characters could be a key whatever is in it; one of 16 or more if it has a digit, as no code has. */
function couldBeKey(word: string): boolean {
  return word.length > MAX_WORD_CHARS || (word.length >= MIN_KEY_CHARS && /\d/.test(word));
}

/** Whether `text` has the form of a code, and no word of it could be a key or a signature. */
function isCode(text: string): boolean {
  return CODE.test(text) && !text.split('.').some(couldBeKey);
}

async function readBody(response: Response, signal: AbortSignal): Promise<Answer['body']> {
  // HTTP ends the body by this header (RFC 9112 §6.3), so nothing can follow; to open the stream would cost as much as signing.
  if (response.body === null || response.headers.get('content-length') === '0') return { kind: 'empty' };
  try {
    const text = await readText(response.body, MAX_BODY_BYTES);
    return text === null ? { kind: 'garbled' } : parseBody(text);
  } catch {
    return { kind: signal.aborted ? 'stalled' : 'broken' };
  }
}

function parseBody(text: string): Answer['body'] {
  if (text.trim() === '') return { kind: 'empty' };
  const value = parseJson(text);
  return value === undefined ? { kind: 'garbled' } : { kind: 'json', value };
}
