/**
 * One response from Baidu, reduced to the fields that the rest of the code may use.
 *
 * Promises: reads at most `MAX_BODY_BYTES` and cancels the rest; never throws; leaves out malformed fields; scrubs codes, message and
 * request id. Never: decides what a response means; `verdict.ts` does.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Ojwvyo6nc (error body), /Mjwvyo6bm (common headers).
 */
import { isRecord, parseJson, readText } from '../json.ts';

const SCRUBBED = '[scrubbed]';

/** A documented error body takes about 150 bytes, an image 1 KiB, and a list of a hundred accounts 10 KiB. */
const MAX_BODY_BYTES = 64 * 1024;
const MAX_MESSAGE_CHARS = 200;
/** The longest known word has 36 characters, a signature 64. */
const MAX_WORD_CHARS = 40;
/** The shortest known key has 20 characters. */
const MIN_KEY_CHARS = 16;

/** Every known code has this form: `NoSuchObject`, `Image.ImageHasBeenSharedToOthers`, `SECURITYGROUP_INUSE`. */
const CODE = /^[A-Za-z]\w*(?:\.\w+){0,3}$/;
/** Members that report an error in a JSON body: Baidu's own, and those of proxies in front of Baidu. */
const ERROR_MEMBERS: readonly string[] = ['code', 'message', 'error', 'errors', 'errorCode', 'success'];
/** Baidu documents a UUID of 36 characters. A reflected signature has 64, a caller's key 47. */
const REQUEST_ID = /^[\w.-]{1,40}$/;

export interface Answer {
  readonly status: number;
  /**
   * The codes from `x-bce-error-code` and from Baidu's error body, in this order, without duplicates. Letters, digits, dots and
   * underscores only.
   */
  readonly codes: readonly string[];
  /** Whether header or body has a malformed code, which `codes` leaves out. */
  readonly hasMalformedCode: boolean;
  /** Whether the response reports an error, even in a form that `codes` and `message` reject. */
  readonly mentionsError: boolean;
  /** Whether the response has `x-bce-request-id`, as every response from Baidu does. */
  readonly isFromBaidu: boolean;
  /** For the operator's log only: at most 200 characters, without control characters or anything that looks like a key. */
  readonly message: string | undefined;
  /** `x-bce-request-id`, or the error body's `requestId`. */
  readonly requestId: string | undefined;
  /** The raw `Date` header; `parseHttpDate` reads it. */
  readonly date: string | null;
  /** The `Retry-After` header in whole seconds; a date is converted to seconds from now. */
  readonly retryAfterS: number | undefined;
  /**
   * `json` has an unchecked value; `garbled` is not JSON, or is too long; `broken` ended midway; `stalled` took too long.
   */
  readonly body: { kind: 'empty' | 'garbled' | 'broken' | 'stalled'; value?: never } | { kind: 'json'; value: unknown };
}

/** Reads `response` up to the cap, until `signal`. A `Retry-After` date counts from `nowMs`; `scrub` removes known secrets. */
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
  // IMF-fixdate is the only form that senders may generate (RFC 9110 §5.6.7). The comparison also rejects 31 February.
  return !Number.isNaN(timeMs) && new Date(timeMs).toUTCString() === value ? timeMs : undefined;
}

/** One line without control characters or anything that could be a key, a token or a signature. */
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

/** A word of more than 40 characters could be a key. So could one of 16 or more with a digit: no code contains a digit. */
function couldBeKey(word: string): boolean {
  return word.length > MAX_WORD_CHARS || (word.length >= MIN_KEY_CHARS && /\d/.test(word));
}

/** Whether `text` has the form of a code, and no word of it could be a key or a signature. */
function isCode(text: string): boolean {
  return CODE.test(text) && !text.split('.').some(couldBeKey);
}

async function readBody(response: Response, signal: AbortSignal): Promise<Answer['body']> {
  // `Content-Length: 0` means no body (RFC 9112 §6.3). Opening the stream would cost as much as signing.
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
