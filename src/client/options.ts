/**
 * Validates the client's options and arguments strictly.
 *
 * Promises: rejects anything invalid before anything is sent; the token travels only over https, or to loopback.
 * Never: decides what the gateway decides, such as which image ids exist.
 */
import { isLoopback } from '../worker/origin.ts';
import type { RowOutcome } from '../worker/outcome.ts';
import { DAY_MS } from '../worker/time.ts';
import { NotSentError } from './errors.ts';
import type { Connection, SendRequest, Token } from './exchange.ts';

/** Where the gateway is, and how long the client tries. */
export interface ImageGatewayOptions {
  /** The gateway's origin: https, or http on loopback, without a path. Not needed with `fetch`. */
  readonly baseUrl?: string;
  /** The key or token, or a function that is called for it before each request. Not needed with `fetch`. */
  readonly token?: Token;
  /** Replaces the platform's `fetch`. For a service binding: `(input, init) => env.IMAGES.fetch(input, init)`. */
  readonly fetch?: SendRequest;
  /** How often to retry a call that is known to have changed nothing. 0 to 9, default 2. */
  readonly retries?: number;
  /** How long to query an unknown outcome, and the longest `Retry-After` to wait for. Milliseconds, 0 to 86400000, default 60000. */
  readonly patienceMs?: number;
}

/** How to delete. Unknown members are rejected, so a mistyped one deletes nothing. */
export interface DeleteOptions {
  /** With `true`, an absent image is a success: `already_absent`. */
  readonly allowMissing?: boolean;
  /** Deletes only if the image has exactly this name. */
  readonly expectName?: string;
  /**
   * Identifies the call in the history and the log: 1 to 62 of `A-Z a-z 0-9 _ . -`. The gateway accepts 64; later attempts append `.2`
   * and `.3`. Use each id for one call only. Default: a random UUID.
   */
  readonly requestId?: string;
  /** Ends the call. It does not undo what has been sent. */
  readonly signal?: AbortSignal | undefined;
}

/** How to read. */
export interface ReadOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** How to check readiness. */
export interface ReadinessOptions extends ReadOptions {
  /** With `true`, the gateway also asks Baidu whether it accepts the credential, with signed reads that change nothing. */
  readonly upstream?: boolean;
}

/** Which rows of the history. */
export interface DeletionsFilter {
  readonly requestId?: string;
  readonly imageId?: string;
  readonly outcome?: RowOutcome;
  /** Inclusive. A text is an RFC 3339 date-time. */
  readonly since?: Date | string;
  /** Exclusive. A text is an RFC 3339 date-time. */
  readonly until?: Date | string;
  /** Another caller's rows need the scope `deletions:read`. */
  readonly caller?: string;
}

export interface Settings extends Connection {
  readonly retries: number;
  readonly patienceMs: number;
}

const DEFAULT_RETRIES = 2;
const MAX_RETRIES = 9;
const DEFAULT_PATIENCE_MS = 60_000;
/** A day: the gateway's longest `Retry-After`. */
const MAX_PATIENCE_MS = DAY_MS;
/** A service binding accepts any origin. */
const BINDING_ORIGIN = 'https://gateway.internal';
/** One path segment that no URL parser changes. */
const SEGMENT = /^[\w-]+$/;
/** The gateway replaces any other id, so the deletion could not be found by it. */
const REQUEST_ID = /^(?!bcg_)[\w.-]+$/;
const MAX_REQUEST_ID_CHARS = 64;

/** @throws TypeError */
export function readOptions(options: ImageGatewayOptions): Settings {
  const {
    baseUrl,
    token,
    retries = DEFAULT_RETRIES,
    patienceMs = DEFAULT_PATIENCE_MS,
    fetch: given,
    ...unknown
  } = options;
  for (const name of Object.keys(unknown)) throw new TypeError(`Unknown option ${name}.`);
  if (given !== undefined && typeof given !== 'function') throw new TypeError('fetch must be a function.');
  if (token !== undefined && typeof token !== 'string' && typeof token !== 'function') {
    throw new TypeError('token must be a string or a function.');
  }
  if (given === undefined && token === undefined) throw new TypeError('token is missing.');
  if (given === undefined && baseUrl === undefined) throw new TypeError('baseUrl is missing.');
  if (!Number.isInteger(retries) || retries < 0 || retries > MAX_RETRIES) {
    throw new TypeError(`retries must be a whole number from 0 to ${MAX_RETRIES}.`);
  }
  if (!(typeof patienceMs === 'number' && patienceMs >= 0 && patienceMs <= MAX_PATIENCE_MS)) {
    throw new TypeError(`patienceMs must be a number from 0 to ${MAX_PATIENCE_MS}.`);
  }
  const origin = baseUrl === undefined ? BINDING_ORIGIN : originOf(baseUrl);
  // Looked up for each request, and called without `this`, as the platforms require.
  const send = given ?? ((input, init) => fetch(input, init));
  return { origin, send, isPlatform: given === undefined, token, retries, patienceMs };
}

/** The gateway is at the root of its origin, so a path, a query or a user is a mistake. */
function originOf(baseUrl: string): string {
  // The parser's own error would quote the text, which may be a key pasted in place of the URL.
  if (URL.canParse(baseUrl)) {
    const { protocol, hostname, origin, href } = new URL(baseUrl);
    const isSafe = protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
    if (isSafe && href === `${origin}/`) return origin;
  }
  throw new TypeError('baseUrl must be an origin: https, or http on loopback, without path, query or user.');
}

/** The path of an image. @throws NotSentError if the id is not a path segment */
export function imagePath(id: string): string {
  if (typeof id === 'string' && SEGMENT.test(id)) return `/images/${id}`;
  throw new NotSentError('the image id contains invalid characters');
}

/** The request for a deletion. `newId` is its request id unless the caller gives one. @throws NotSentError */
export function readOrder(id: string, options: DeleteOptions, retries: number, newId: string) {
  const { allowMissing = false, expectName, requestId = newId, ...others } = objectOf(options);
  const { signal } = readReadOptions(others);
  if (typeof allowMissing !== 'boolean') throw new NotSentError('allowMissing must be true or false');
  // If the caller passed a name that is undefined, nothing may be deleted.
  if ('expectName' in options && typeof expectName !== 'string') throw new NotSentError('expectName must be a string');
  const suffixChars = retries === 0 ? 0 : `.${retries + 1}`.length;
  if (
    !(typeof requestId === 'string' && REQUEST_ID.test(requestId)) ||
    requestId.length > MAX_REQUEST_ID_CHARS - suffixChars
  ) {
    const rule = `1 to ${MAX_REQUEST_ID_CHARS - suffixChars} of A-Z a-z 0-9 _ . - and must not start with bcg_`;
    throw new NotSentError(`requestId must be ${rule}`);
  }
  const search = searchOf({ allowMissing: allowMissing ? 'true' : undefined, expectName });
  return { target: imagePath(id) + search, allowMissing, requestId, signal };
}

/** @throws NotSentError */
export function readReadOptions(options: ReadOptions): ReadOptions {
  const { signal, ...unknown } = objectOf(options);
  for (const name of Object.keys(unknown)) throw new NotSentError(`unknown option ${name}`);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new NotSentError('signal must be an AbortSignal');
  return { signal };
}

/** The query of `GET /readyz`, and the signal. @throws NotSentError */
export function readReadinessOptions(options: ReadinessOptions) {
  const { upstream = false, ...others } = objectOf(options);
  if (typeof upstream !== 'boolean') throw new NotSentError('upstream must be true or false');
  return { search: searchOf({ upstream: upstream ? 'true' : undefined }), ...readReadOptions(others) };
}

/** A filter as a query. The gateway itself rejects malformed values. @throws NotSentError */
export function readFilter(filter: DeletionsFilter, pageRows?: number): string {
  for (const [name, value] of Object.entries<unknown>({ ...objectOf(filter) })) {
    const isDate = value instanceof Date && !Number.isNaN(value.getTime());
    if (value !== undefined && typeof value !== 'string' && !isDate)
      throw new NotSentError(`${name} has an invalid value`);
  }
  return searchOf({ ...filter, limit: pageRows?.toString() });
}

/** Rejects anything but a plain object: a promise or a map would count as empty, and so delete without its options. */
function objectOf<T extends object>(given: T): T {
  if (typeof given === 'object' && given !== null) {
    const prototype: unknown = Object.getPrototypeOf(given);
    const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
    if (isPlain && Reflect.ownKeys(given).length === Object.keys(given).length) return given;
  }
  throw new NotSentError('the options must be a plain object');
}

/** The parameters with a value as a query, including the question mark; blank if there are none. */
export function searchOf(parameters: Readonly<Record<string, string | Date | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, value instanceof Date ? value.toISOString() : value);
  }
  return query.toString() === '' ? '' : `?${query}`;
}
