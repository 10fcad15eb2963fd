/**
 * bce-auth-v1, the signature scheme of Baidu AI Cloud, as pure functions.
 *
 * Promises: pure; returns every intermediate string, so that a mismatch can be traced to a step. Never: does I/O, reads a clock or
 * logs.
 *
 * `signingKey` depends only on the credential, the second and the period, and `canonicalHeaders` only on the headers. So each can be
 * reused for many signatures.
 *
 * Source: https://cloud.baidu.com/doc/Reference/s/njwvz1yfu (the scheme) and /6k6yfh1he (canonicalisation).
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** The request to sign. `path` is raw, not percent-encoded; a query value of `null` is a key without a value. */
export interface SigningRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | null>>;
  readonly headers: CanonicalHeaders;
}

/** From `canonicalHeaders()`. */
export interface CanonicalHeaders {
  readonly canonicalHeaders: string;
  readonly signedHeaders: string;
}

/** From `signingKey()`. */
export interface SigningKey {
  readonly authStringPrefix: string;
  /** The key of the second HMAC: 64 lowercase hex characters, used as text, not decoded to 32 bytes. */
  readonly signingKey: string;
  /** Lowercase hex HMAC-SHA256 of a text under `signingKey`. */
  readonly mac: (text: string) => string;
}

/** Every string that the scheme computes, under the documentation's names. */
export interface Signed extends CanonicalHeaders {
  readonly authStringPrefix: string;
  readonly signingKey: string;
  readonly canonicalUri: string;
  readonly canonicalQueryString: string;
  readonly canonicalRequest: string;
  readonly signature: string;
  readonly authorization: string;
}

/** Signed by default, together with every `x-bce-*` header. */
const DEFAULT_SIGNED_HEADERS: readonly string[] = ['host', 'content-length', 'content-type', 'content-md5'];

/** `timeMs` (milliseconds since the epoch) in the scheme's format: UTC, whole seconds. @throws RangeError if out of range */
export function formatTimestamp(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}

/**
 * The key for signatures valid from `timestamp` for `expirationPeriodInSeconds`; the documentation's default is 1800. Until then it is
 * as sensitive as the secret.
 */
export function signingKey(
  accessKeyId: string,
  secretAccessKey: string,
  timestamp: string,
  expirationPeriodInSeconds: number,
): SigningKey {
  const authStringPrefix = `bce-auth-v1/${accessKeyId}/${timestamp}/${expirationPeriodInSeconds}`;
  const key = macUnder(secretAccessKey)(authStringPrefix);
  return { authStringPrefix, signingKey: key, mac: macUnder(key) };
}

/** The headers to sign: those listed, or the default set for `null`. Leaves out absent and empty ones. */
export function canonicalHeaders(
  headers: Readonly<Record<string, string>>,
  signed: readonly string[] | null,
): CanonicalHeaders {
  const listed = new Set((signed ?? DEFAULT_SIGNED_HEADERS).map((name) => name.toLowerCase()));
  const chosen = Object.entries(headers)
    .map(([name, value]) => ({ name: name.toLowerCase(), value: value.trim() }))
    .filter(({ name, value }) => value !== '' && (listed.has(name) || (signed === null && name.startsWith('x-bce-'))));
  return {
    // Encoded lines are ASCII, so the order of UTF-16 units is the order of bytes.
    canonicalHeaders: chosen
      .map(({ name, value }) => `${percentEncode(name)}:${percentEncode(value)}`)
      .sort()
      .join('\n'),
    // The server takes a blank list for the default set, so the list is blank exactly if that set was signed.
    signedHeaders:
      signed === null
        ? ''
        : chosen
            .map(({ name }) => name)
            .sort()
            .join(';'),
  };
}

/** Signs `request` under `key`. */
export function sign({ method, path, query, headers }: SigningRequest, key: SigningKey): Signed {
  const canonicalUri = canonicalPath(path);
  const canonicalQueryString = query === undefined ? '' : canonicalQuery(query);
  const canonicalRequest = `${method}\n${canonicalUri}\n${canonicalQueryString}\n${headers.canonicalHeaders}`;
  const signature = key.mac(canonicalRequest);
  return {
    authStringPrefix: key.authStringPrefix,
    signingKey: key.signingKey,
    canonicalUri,
    canonicalQueryString,
    canonicalHeaders: headers.canonicalHeaders,
    canonicalRequest,
    signedHeaders: headers.signedHeaders,
    signature,
    authorization: `${key.authStringPrefix}/${headers.signedHeaders}/${signature}`,
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
  // The gateway's own paths need no encoding, and this test is several times faster than encoding.
  if (/^\/[\w.~/-]*$/.test(path)) return path;
  const encoded = path.split('/').map(percentEncode).join('/');
  return encoded.startsWith('/') ? encoded : `/${encoded}`;
}

function canonicalQuery(query: Readonly<Record<string, string | null>>): string {
  // Sorted after joining: `text10=` comes before `text=`, because `0` sorts before `=`.
  return Object.entries(query)
    .filter(([key]) => key.toLowerCase() !== 'authorization')
    .map(([key, value]) => `${percentEncode(key)}=${percentEncode(value ?? '')}`)
    .sort()
    .join('&');
}

/**
 * HMAC-SHA256 under one key, as lowercase hex. Hashes the key's two blocks once; each text starts from a copy of that state. The
 * buffers live as long as the function and hold nothing more secret than its key.
 */
function macUnder(key: string): (text: string) => string {
  const keyed = hmac.create(sha256, utf8ToBytes(key));
  const working = keyed.clone();
  const digest = new Uint8Array(keyed.outputLen);
  let bytes = new Uint8Array(512);
  return (text) => {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    if (text.length * 3 > bytes.length) bytes = new Uint8Array(text.length * 3);
    const { written } = ENCODER.encodeInto(text, bytes);
    keyed._cloneInto(working);
    working.update(bytes.subarray(0, written)).digestInto(digest);
    return bytesToHex(digest);
  };
}

const ENCODER = new TextEncoder();
