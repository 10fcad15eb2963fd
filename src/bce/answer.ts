/**
 * One answer of Baidu, reduced to what may be known of it further on.
 *
 * Promises: reads at most `MAX_BODY_BYTES`, cancels the rest, never throws, and lets nothing through that is not of the
 * expected form; every field has passed the scrubber. Never: decides what an answer means (`verdict.ts` does).
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Ojwvyo6nc (error body), /Mjwvyo6bm (common headers).
 */
import { isRecord, parseJson } from '../json.ts';

/** A documented error body has about 150 bytes, an image 1 KiB, and a list of a hundred accounts 10 KiB. */
export const MAX_BODY_BYTES = 64 * 1024;
const MAX_MESSAGE_CHARS = 200;

export interface Answer {
  readonly status: number;
  /** Of Baidu's error body or of `x-bce-error-code`; letters and dots only. */
  readonly code: string | undefined;
  /** For the operator's log alone: cut to 200 characters, without control characters or anything that looks like a key. */
  readonly message: string | undefined;
  /** `x-bce-request-id`, or the error body's `requestId`. */
  readonly requestId: string | undefined;
  /** Of the `Date` header, in milliseconds since the epoch. */
  readonly dateMs: number | undefined;
  /** Of the `Retry-After` header, in whole seconds; a date is turned into seconds from now. */
  readonly retryAfterS: number | undefined;
  /** The body: what kind it was, and for JSON the value, still unchecked. */
  readonly body: { kind: 'empty' } | { kind: 'json'; value: unknown } | { kind: 'unreadable' };
}

/** Reads `response` to the cap. `nowMs` turns a `Retry-After` date into seconds; `scrub` blanks known secrets. */
export async function readAnswer(response: Response, nowMs: number, scrub: (text: string) => string): Promise<Answer> {
  const body = parseBody(await readCapped(response));
  const error = body.kind === 'json' && isRecord(body.value) ? body.value : {};
  const clean = (value: unknown, grammar: RegExp) =>
    typeof value === 'string' && grammar.test(value) && scrub(value) === value ? value : undefined;
  const code = clean(response.headers.get('x-bce-error-code'), CODE) ?? clean(error['code'], CODE);
  const message = response.headers.get('x-bce-error-message') ?? error['message'];
  return {
    status: response.status,
    code,
    message: typeof message === 'string' ? tidy(scrub(message)) : undefined,
    requestId: clean(response.headers.get('x-bce-request-id'), REQUEST_ID) ?? clean(error['requestId'], REQUEST_ID),
    dateMs: parseHttpDate(response.headers.get('date')),
    retryAfterS: parseRetryAfter(response.headers.get('retry-after'), nowMs),
    body,
  };
}

/** Every code on record is made of letters and dots, which also keeps a reflected key from passing as a code. */
const CODE = /^[A-Za-z]{1,40}(?:\.[A-Za-z]{1,40}){0,3}$/;
/** A UUID of 36 characters is documented; a reflected signature has 64, a caller's key 47. */
const REQUEST_ID = /^[\w.-]{1,40}$/;
/** IMF-fixdate, the one form that senders may still generate (RFC 9110 §5.6.7). */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
/** Long enough to be a key, a token or a signature, and not made of letters alone as Baidu's codes are. */
const LOOKS_LIKE_A_KEY = /[\w+/=%~.-]{41,}|(?=[\w+/=%~-]*\d)[\w+/=%~-]{16,}/g;

/** RFC 9110 §10.2.3: delta-seconds or a date. Anything else is as good as absent. */
function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const dateMs = parseHttpDate(value);
  return dateMs === undefined ? undefined : Math.max(0, Math.ceil((dateMs - nowMs) / 1000));
}

function parseHttpDate(value: string | null): number | undefined {
  const timeMs = value !== null && HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

function tidy(message: string): string {
  return message
    .replace(LOOKS_LIKE_A_KEY, '[scrubbed]')
    .replace(/[^\P{C}]+/gu, ' ')
    .slice(0, MAX_MESSAGE_CHARS);
}

/** The body's text, or `null` where it is longer than the cap, breaks off, or is not UTF-8. */
async function readCapped(response: Response): Promise<string | null> {
  if (response.body === null) return '';
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  let text = '';
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      bytes += value.byteLength;
      if (bytes > MAX_BODY_BYTES) break;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // Broken off, timed out, or not UTF-8: what the status line said still counts.
  }
  reader.cancel().catch(() => undefined);
  return null;
}

function parseBody(text: string | null): Answer['body'] {
  if (text === null) return { kind: 'unreadable' };
  if (text.trim() === '') return { kind: 'empty' };
  const value = parseJson(text);
  return value === undefined ? { kind: 'unreadable' } : { kind: 'json', value };
}
