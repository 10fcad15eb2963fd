/**
 * bce-auth-v1, the signature scheme of Baidu AI Cloud, as pure functions.
 *
 * Promises: the same input gives the same strings, and every intermediate string is returned, so that a mismatch can be
 * traced to the step that differs. Never: no I/O, no clock, no state, and nothing is logged.
 *
 * Source: https://cloud.baidu.com/doc/Reference/s/njwvz1yfu (the scheme) and /6k6yfh1he (canonicalisation).
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** What is signed. `path` is raw, not percent-encoded; a query value of `null` is a key without a value. */
export interface SigningRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | null>>;
  readonly headers: Readonly<Record<string, string>>;
}

/** What a signature is made with besides the request. */
export interface Signing {
  /** From `authStringPrefix()`. */
  readonly prefix: string;
  /** From `signingKey()`, for exactly this prefix. */
  readonly key: string;
  /** The headers to sign; absent or empty ones are left out. `null` signs the default set and leaves the field blank. */
  readonly signedHeaders: readonly string[] | null;
}

/** Every string that the scheme passes through, under the documentation's names. */
export interface Signed {
  readonly authStringPrefix: string;
  readonly canonicalUri: string;
  readonly canonicalQueryString: string;
  readonly canonicalHeaders: string;
  readonly canonicalRequest: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly authorization: string;
}

/** Signed when no list is given, together with every `x-bce-*` header. */
const DEFAULT_SIGNED_HEADERS: readonly string[] = ['host', 'content-length', 'content-type', 'content-md5'];

/** `timeMs` (milliseconds since the epoch) as the scheme writes time: UTC, whole seconds. @throws RangeError if no date */
export function formatTimestamp(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}

/**
 * `bce-auth-v1/{accessKeyId}/{timestamp}/{expirationPeriodInSeconds}`: who signs, from when (UTC, whole seconds), and for
 * how many seconds. The documentation's default is 1800.
 */
export function authStringPrefix(accessKeyId: string, timestamp: string, expirationPeriodInSeconds: number): string {
  return `bce-auth-v1/${accessKeyId}/${timestamp}/${expirationPeriodInSeconds}`;
}

/** The key of the second HMAC: 64 lowercase hex characters, used as text and not as the 32 bytes they stand for. */
export function signingKey(secretAccessKey: string, prefix: string): string {
  return hmacHex(secretAccessKey, prefix);
}

/** Signs `request`. Whoever signs often within a second keeps the key: it depends on the prefix and the secret alone. */
export function sign(request: SigningRequest, { prefix, key, signedHeaders: signed }: Signing): Signed {
  const canonicalUri = canonicalPath(request.path);
  const canonicalQueryString = canonicalQuery(request.query ?? {});
  const headers = canonicalHeaderLines(request.headers, signed);
  const canonicalHeaders = headers.map(({ line }) => line).join('\n');
  const canonicalRequest = `${request.method}\n${canonicalUri}\n${canonicalQueryString}\n${canonicalHeaders}`;
  // An empty list makes the server apply the default set, so the field stays blank exactly where that set was signed.
  const signedHeaders =
    signed === null
      ? ''
      : headers
          .map(({ name }) => name)
          .sort()
          .join(';');
  const signature = hmacHex(key, canonicalRequest);
  return {
    authStringPrefix: prefix,
    canonicalUri,
    canonicalQueryString,
    canonicalHeaders,
    canonicalRequest,
    signedHeaders,
    signature,
    authorization: `${prefix}/${signedHeaders}/${signature}`,
  };
}

/** UTF-8 bytes outside `A-Z a-z 0-9 - . _ ~` as `%XX`, upper case. `encodeURIComponent` leaves `! ' ( ) *` alone. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function canonicalPath(path: string): string {
  const encoded = path.split('/').map(percentEncode).join('/');
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
}

function canonicalQuery(query: Readonly<Record<string, string | null>>): string {
  // Sorted after joining: `text10=` stands before `text=`, because `0` sorts before `=`.
  return Object.entries(query)
    .filter(([key]) => key.toLowerCase() !== 'authorization')
    .map(([key, value]) => `${percentEncode(key)}=${percentEncode(value ?? '')}`)
    .sort()
    .join('&');
}

function canonicalHeaderLines(
  headers: Readonly<Record<string, string>>,
  signed: readonly string[] | null,
): { name: string; line: string }[] {
  const listed = new Set((signed ?? DEFAULT_SIGNED_HEADERS).map((name) => name.toLowerCase()));
  return (
    Object.entries(headers)
      .map(([name, value]) => ({ name: name.toLowerCase(), value: value.trim() }))
      .filter(({ name, value }) => value !== '' && (listed.has(name) || (signed === null && name.startsWith('x-bce-'))))
      .map(({ name, value }) => ({ name, line: `${percentEncode(name)}:${percentEncode(value)}` }))
      // Encoded lines are ASCII, where comparing UTF-16 units is comparing bytes.
      .sort((a, b) => (a.line < b.line ? -1 : 1))
  );
}

function hmacHex(key: string, message: string): string {
  return bytesToHex(hmac(sha256, utf8ToBytes(key), utf8ToBytes(message)));
}
