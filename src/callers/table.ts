/**
 * `CALLERS`, read into a table of callers by the digest of their keys.
 *
 * Promises: every fault is reported by its position (`caller 2: …`) and never by its value, because the text is a secret and
 * what stands in the wrong place may be a key. Never: holds a key.
 */
import { isRecord, parseJson, repeatedNames } from '../json.ts';
import { CALLER_ID_RULE, type Caller, isCallerId, MAX_DAILY_DELETIONS, SCOPES, type Scope } from './caller.ts';
import { keyDigest } from './key.ts';
import { isNamePattern, NAME_PATTERN_RULE } from './name-pattern.ts';

/** By the lowercase hex SHA-256 digest of the key. */
export type Callers = ReadonlyMap<string, Caller>;

const MAX_KEYS_PER_CALLER = 2;
const MAX_NAME_PATTERNS = 100;
const SHA256_HEX = /^[0-9a-f]{64}$/i;

type Report = (problem: string) => void;

/** Reads the JSON of `CALLERS` strictly. */
export function parseCallers(json: string): { callers: Callers; problems: readonly string[] } {
  const callers = new Map<string, Caller>();
  const problems: string[] = [];
  const parsed = parseJson(json);
  if (!isRecord(parsed)) return { callers, problems: ['is not a JSON object'] };
  // JSON.parse keeps the last of two entries, and with it only the restrictions of that one.
  for (const position of repeatedNames(json)) problems.push(`caller ${position}: a name or a field occurs twice`);
  for (const [index, [id, entry]] of Object.entries(parsed).entries()) {
    const report: Report = (problem) => problems.push(`caller ${index + 1}: ${problem}`);
    if (!isCallerId(id)) report(`the name must be ${CALLER_ID_RULE}`);
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
