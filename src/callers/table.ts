/**
 * Who may call: from `CALLERS` to a table of key digests, and from an `Authorization` header to a caller.
 *
 * Promises: one map look-up by a SHA-256 digest of fixed length, so the cost does not grow with the callers and the time
 * tells nothing about a key; every failure is the same `null`. Never: holds a key, asks the network, echoes a value.
 *
 * Source: RFC 6750 §2.1 (Bearer), RFC 9110 §11.1 (the scheme is case-insensitive).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { isRecord, parseJson } from '../json.ts';

const SCOPES = ['images:delete', 'images:read', 'deletions:read'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Caller {
  readonly id: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Patterns of image names that this caller is held to. */
  readonly names: readonly string[] | null;
  /** Deletions within 24 hours, or `null` for the gateway's default. */
  readonly dailyDeletions: number | null;
}

/** By the lowercase hex SHA-256 digest of the key. */
export type Callers = ReadonlyMap<string, Caller>;

const MAX_KEYS_PER_CALLER = 2;
/** Also what counting a budget costs at most, in rows of an index. */
export const MAX_DAILY_DELETIONS = 10_000;
const MAX_NAME_PATTERNS = 100;
const MAX_NAME_PATTERN_CHARS = 128;
export const NAME_PATTERN_RULE = `name patterns of 1 to ${MAX_NAME_PATTERN_CHARS} characters, without space around them`;
const CALLER_ID = /^[A-Za-z0-9][\w.-]{0,63}$/;
const SHA256_HEX = /^[0-9a-f]{64}$/i;
/** `credentials` of RFC 6750: one scheme, spaces, one token. Two headers arrive joined by a comma, which is no token. */
const BEARER = /^Bearer +([\w.~+/-]{1,512}=*)$/i;

/** Of keys that `npm run key` makes, so that secret scanners know them. */
export const KEY_PREFIX = 'bcg_';

const ENCODER = new TextEncoder();

/** A pattern of image names, in which `*` stands for any characters, or none. */
export function isNamePattern(text: string): boolean {
  return text.length >= 1 && text.length <= MAX_NAME_PATTERN_CHARS && text.trim() === text;
}

export function isCallerId(text: string): boolean {
  return CALLER_ID.test(text);
}

/** The digest under which a key is configured. */
export function keyDigest(key: string): string {
  return bytesToHex(sha256(ENCODER.encode(key)));
}

/** Whether the text is a caller's key, or made as one: somebody who mixes up two headers must not find it in the log. */
export function isKey(callers: Callers | null, text: string): boolean {
  return text.startsWith(KEY_PREFIX) || callers?.has(keyDigest(text)) === true;
}

/** The caller whose key the header carries, or `null` for every reason why there is none. */
export function authenticate(callers: Callers, authorization: string | null | undefined): Caller | null {
  const key = BEARER.exec(authorization ?? '')?.[1];
  return key === undefined ? null : (callers.get(keyDigest(key)) ?? null);
}

/**
 * Reads the JSON of `CALLERS` strictly. What is wrong is told by position (`caller 2: …`) and never by value: the text is
 * a secret, and what stands in the wrong place may be a key.
 */
export function parseCallers(json: string): { callers: Callers; problems: readonly string[] } {
  const callers = new Map<string, Caller>();
  const problems: string[] = [];
  const parsed = parseJson(json);
  if (!isRecord(parsed)) return { callers, problems: ['is not a JSON object'] };
  for (const [index, [id, entry]] of Object.entries(parsed).entries()) {
    const report = (problem: string) => problems.push(`caller ${index + 1}: ${problem}`);
    if (!isCallerId(id)) report('the name must be 1 to 64 letters, digits, "_", "." or "-"');
    if (!isRecord(entry)) {
      report('is not an object');
      continue;
    }
    const { keySha256, scopes, names, dailyDeletions, ...rest } = entry;
    if (Object.keys(rest).length > 0) report('has a field that does not exist');
    const caller: Caller = {
      id,
      scopes: new Set(parseScopes(scopes, report)),
      names: parseNames(names, report),
      dailyDeletions: parseDailyDeletions(dailyDeletions, report),
    };
    for (const digest of parseDigests(keySha256, report)) {
      if (callers.has(digest)) report('keySha256 has a digest that is configured already');
      callers.set(digest, caller);
    }
  }
  return { callers, problems };
}

type Report = (problem: string) => void;

function parseDigests(value: unknown, report: Report): string[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_KEYS_PER_CALLER) {
    report(`keySha256 must be a list of one or ${MAX_KEYS_PER_CALLER} digests`);
    return [];
  }
  const digests = value.filter((digest) => typeof digest === 'string' && SHA256_HEX.test(digest)).map(String);
  if (digests.length < value.length) report('keySha256 must hold SHA-256 digests of 64 hex characters');
  if (digests.some((digest) => digest.toLowerCase() === keyDigest(''))) report('keySha256 has the digest of nothing');
  return digests.map((digest) => digest.toLowerCase());
}

function parseScopes(value: unknown, report: Report): Scope[] {
  const scopes = Array.isArray(value) ? SCOPES.filter((scope) => value.includes(scope)) : [];
  if (!Array.isArray(value) || scopes.length !== value.length) {
    report(`scopes must be a list of ${SCOPES.join(', ')}, each at most once`);
  }
  return scopes;
}

function parseNames(value: unknown, report: Report): string[] | null {
  if (value === undefined) return null;
  const list = Array.isArray(value) ? value : [];
  const patterns = list.filter((pattern) => typeof pattern === 'string' && isNamePattern(pattern)).map(String);
  if (!Array.isArray(value) || patterns.length !== value.length || patterns.length > MAX_NAME_PATTERNS) {
    report(`names must be a list of at most ${MAX_NAME_PATTERNS} ${NAME_PATTERN_RULE}`);
  }
  return patterns;
}

function parseDailyDeletions(value: unknown, report: Report): number | null {
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_DAILY_DELETIONS) return value;
  report(`dailyDeletions must be a whole number from 0 to ${MAX_DAILY_DELETIONS}`);
  return null;
}
