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
const MAX_BODY_BYTES = 64 * 1024;
const MAX_MESSAGE_CHARS = 200;

export interface Answer {
  readonly status: number;
  /** Of `x-bce-error-code` or of Baidu's error body; letters, digits and dots only. */
  readonly code: string | undefined;
  /** Whether an error is spoken of at all, be it in a form that `code` and `message` do not take. */
  readonly speaksOfError: boolean;
  /** Whether the answer carries `x-bce-request-id`, as every answer of Baidu does. */
  readonly isFromBaidu: boolean;
  /** For the operator's log alone: cut to 200 characters, without control characters or anything that looks like a key. */
  readonly message: string | undefined;
  /** `x-bce-request-id`, or the error body's `requestId`. */
  readonly requestId: string | undefined;
  /** The `Date` header as it came; `parseHttpDate` reads it. */
  readonly date: string | null;
  /** Of the `Retry-After` header, in whole seconds; a date is turned into seconds from now. */
  readonly retryAfterS: number | undefined;
  /** The body: `json` with its value, still unchecked; `garbled` if it is none or too long; `broken` if it ended midway. */
  readonly body: { kind: 'empty' | 'garbled' | 'broken' } | { kind: 'json'; value: unknown };
}

/** Reads `response` to the cap. `nowMs` turns a `Retry-After` date into seconds; `scrub` blanks known secrets. */
export async function readAnswer(response: Response, nowMs: number, scrub: (text: string) => string): Promise<Answer> {
  const body = await readBody(response);
  const error = body.kind === 'json' && isRecord(body.value) ? body.value : {};
  const clean = (value: unknown, grammar: RegExp) =>
    typeof value === 'string' && grammar.test(value) && scrub(value) === value ? value : undefined;
  const { headers } = response;
  const message = headers.get('x-bce-error-message') ?? error['message'];
  const headerId = clean(headers.get('x-bce-request-id'), REQUEST_ID);
  return {
    status: response.status,
    code: clean(headers.get('x-bce-error-code'), CODE) ?? clean(error['code'], CODE),
    speaksOfError:
      headers.has('x-bce-error-code') ||
      headers.has('x-bce-error-message') ||
      ERROR_MEMBERS.some((name) => name in error),
    isFromBaidu: headerId !== undefined,
    message: typeof message === 'string' ? tidy(scrub(message)) : undefined,
    requestId: headerId ?? clean(error['requestId'], REQUEST_ID),
    date: headers.get('date'),
    retryAfterS: parseRetryAfter(headers.get('retry-after'), nowMs),
    body,
  };
}

/** Every code on record is of this form; a reflected signature is too long for it, a caller's key has an underscore. */
const CODE = /^[A-Za-z][A-Za-z0-9]{0,39}(?:\.[A-Za-z0-9]{1,40}){0,3}$/;
/** Members by which a JSON body speaks of an error, Baidu's own and those of whatever may stand before it. */
const ERROR_MEMBERS: readonly string[] = ['code', 'message', 'error', 'errors', 'errorCode', 'success'];
/** A UUID of 36 characters is documented; a reflected signature has 64, a caller's key 47. */
const REQUEST_ID = /^[\w.-]{1,40}$/;
/** Long enough to be a key, a token or a signature, and not made of letters alone as Baidu's codes are. */
const LOOKS_LIKE_A_KEY = /[\w+/=%~.-]{41,}|(?=[\w+/=%~-]*\d)[\w+/=%~-]{16,}/g;

/** RFC 9110 §10.2.3: delta-seconds or a date. Anything else is as good as absent. */
function parseRetryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const dateMs = parseHttpDate(value);
  return dateMs === undefined ? undefined : Math.max(0, Math.ceil((dateMs - nowMs) / 1000));
}

/** An HTTP date as milliseconds since the epoch, or `undefined` where it is none. */
export function parseHttpDate(value: string | null): number | undefined {
  if (value === null) return undefined;
  const timeMs = Date.parse(value);
  // IMF-fixdate, the one form that senders may still generate (RFC 9110 §5.6.7), and no 31st of February.
  return !Number.isNaN(timeMs) && new Date(timeMs).toUTCString() === value ? timeMs : undefined;
}

function tidy(message: string): string {
  return message
    .replace(LOOKS_LIKE_A_KEY, '[scrubbed]')
    .replace(/[^\P{C}]+/gu, ' ')
    .slice(0, MAX_MESSAGE_CHARS);
}

async function readBody(response: Response): Promise<Answer['body']> {
  if (response.body === null || response.headers.get('content-length') === '0') return { kind: 'empty' };
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader();
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
  let text = '';
  let bytes = 0;
  for (;;) {
    let chunk: Awaited<ReturnType<typeof reader.read>>;
    try {
      chunk = await reader.read();
    } catch {
      return { kind: 'broken' };
    }
    try {
      if (chunk.done) return parseBody(text + decoder.decode());
      bytes += chunk.value.byteLength;
      text += decoder.decode(chunk.value, { stream: true });
    } catch {
      bytes = Number.POSITIVE_INFINITY;
    }
    if (bytes > MAX_BODY_BYTES) {
      reader.cancel().catch(() => undefined);
      return { kind: 'garbled' };
    }
  }
}

function parseBody(text: string): Answer['body'] {
  if (text.trim() === '') return { kind: 'empty' };
  const value = parseJson(text);
  return value === undefined ? { kind: 'garbled' } : { kind: 'json', value };
}
