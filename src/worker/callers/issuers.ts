/**
 * `ISSUERS`: the platforms whose tokens identify callers.
 *
 * Promises: reports every problem by its position (`issuer 2: …`), never by its value. Never: calls an issuer.
 *
 * Source: RFC 7519 §4.1 (`iss`, `aud`, `exp`, `iat`), RFC 9110 §5.1 (field names).
 */
import { isRecord, isWholeNumber, outlineOf, parseJson } from '../json.ts';
import { isLoopback } from '../origin.ts';
import { DAY_S } from '../time.ts';
import { OTHER_USE, PUBLIC_KEY_RULE, type PublicKey, readKeySet } from './public-key.ts';

export interface Issuer {
  /** Its name in callers' entries and in the log. */
  readonly name: string;
  /** The exact `iss` of its tokens. */
  readonly issuer: string;
  /** What `aud` must be or contain. */
  readonly audience: string;
  /** The URL of its keys, or the keys themselves. */
  readonly jwks: string | readonly PublicKey[];
  /** The greatest `exp` − `iat`, in seconds. */
  readonly maxLifetimeS: number;
  /** The only header, in lower case, that may carry its tokens; `null` for `Authorization`. */
  readonly header: string | null;
}

const ISSUER_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;
const DEFAULT_LIFETIME_S = 3_600;
/**
 * Tokens of Cloudflare Access last as long as a session, which can be a month.
 * Source: https://github.com/cloudflare/terraform-provider-cloudflare (`session_duration` of an application: up to 730h).
 */
const ACCESS = { issuer: /^https:\/\/(?:[\w-]+\.)+cloudflareaccess\.com$/, maxLifetimeS: 31 * DAY_S } as const;
const FIELD_NAME = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;
/** Cloudflare's logs and `wrangler tail` hide the values of headers with such names only. Tried in workerd. */
const HIDDEN_HEADER = /auth|jwt|key|secret|token/;

type Report = (problem: string) => void;

/** Reads `ISSUERS` strictly: JSON text, or the parsed object. */
export function parseIssuers(value: unknown): { issuers: readonly Issuer[]; problems: readonly string[] } {
  const parsed = typeof value === 'string' ? parseJson(value) : value;
  if (!isRecord(parsed)) return { issuers: [], problems: ['is not a JSON object'] };
  const problems: string[] = [];
  const { positions, repeated } = outlineOf(typeof value === 'string' ? value : JSON.stringify(value));
  for (const position of repeated) problems.push(`issuer ${position}: a name or a field occurs twice`);
  const issuers = Object.entries(parsed).flatMap(([name, entry]) => {
    const report: Report = (problem) => problems.push(`issuer ${positions.get(name)}: ${problem}`);
    return parseIssuer(name, entry, report) ?? [];
  });
  const pairs = issuers.map(({ issuer, audience }) => JSON.stringify([issuer, audience]));
  pairs.forEach((pair, index) => {
    if (pairs.indexOf(pair) < index) problems.push('has two entries with the same issuer and audience');
  });
  return { issuers, problems };
}

function parseIssuer(name: string, entry: unknown, report: Report): Issuer | null {
  if (!ISSUER_NAME.test(name)) report('the name must be 1 to 64 letters, digits, "_", "." or "-"');
  if (!isRecord(entry)) {
    report('is not an object');
    return null;
  }
  const { issuer, audience, jwks, maxLifetimeS = DEFAULT_LIFETIME_S, header, ...rest } = entry;
  if (Object.keys(rest).length > 0) report('has an unknown field');
  return {
    name,
    issuer: parseText('issuer', issuer, report),
    audience: parseText('audience', audience, report),
    jwks: parseJwks(jwks, report),
    maxLifetimeS: parseLifetime(maxLifetimeS, issuer, report),
    header: parseHeader(header, report),
  };
}

function parseText(field: string, value: unknown, report: Report): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  report(`${field} must be a string`);
  return '';
}

function parseJwks(value: unknown, report: Report): Issuer['jwks'] {
  if (typeof value === 'string') {
    if (isKeyAddress(value)) return value;
    report('jwks must be a URL: https, or http on loopback, without user or fragment');
    return [];
  }
  const { keys, faults } = readKeySet(value);
  if (keys.length < 1) report(`jwks must be a URL or {"keys": […]}: ${PUBLIC_KEY_RULE}`);
  // A verifier skips keys for other uses. Any other unusable key is a mistake.
  const relevant = keys.length < 1 ? faults : faults.filter(({ fault }) => fault !== OTHER_USE);
  for (const { place, fault } of relevant) report(`jwks: key ${place} ${fault}`);
  const hasTwins = new Set(keys.map(({ kid }) => kid)).size < keys.length;
  if (hasTwins) report('jwks: two keys have the same "kid"');
  return keys;
}

function isKeyAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash, href } = new URL(text);
  const isPlain = username === '' && password === '' && hash === '' && href === text;
  return isPlain && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)));
}

function parseLifetime(value: unknown, issuer: unknown, report: Report): number {
  const most = typeof issuer === 'string' && ACCESS.issuer.test(issuer) ? ACCESS.maxLifetimeS : DAY_S;
  if (isWholeNumber(value, 1, most)) return value;
  report(`maxLifetimeS must be a whole number from 1 to ${most}`);
  return DEFAULT_LIFETIME_S;
}

/** Whether an issuer may use this header, named in lower case, for its tokens. */
export function isTokenHeader(name: string): boolean {
  return name !== 'authorization' && HIDDEN_HEADER.test(name);
}

function parseHeader(value: unknown, report: Report): string | null {
  if (value === undefined) return null;
  const name = typeof value === 'string' && FIELD_NAME.test(value) ? value.toLowerCase() : null;
  if (name !== null && isTokenHeader(name)) return name;
  report('header must name a header used for nothing else, with auth, jwt, key, secret or token in its name');
  return null;
}
