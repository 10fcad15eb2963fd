/**
 * Reads `CALLERS` and every `CALLERS_<NAME>` into one table: who may call, and with which credentials.
 *
 * Promises: reports every problem by shard and position (`CALLERS_1 caller 2: …`), never by its value: the text is a secret, and a
 * misplaced value may be a key. Never: holds a key.
 */
import { isRecord, isWholeNumber, outlineOf, parseJson } from '../json.ts';
import { SCOPES, type Scope } from '../scope.ts';
import { CALLER_ID_RULE, type Caller, isCallerId, MAX_DAILY_DELETIONS } from './caller.ts';
import type { Issuer } from './issuers.ts';
import { keyDigest } from './key.ts';
import { isNamePattern, NAME_PATTERN_RULE } from './name-pattern.ts';
import { parseTokenRules, rulesOfTwo, type TokenRule } from './token-rules.ts';

export interface Callers {
  /** By the lowercase hex SHA-256 digest of the key. */
  readonly byKey: ReadonlyMap<string, Caller>;
  readonly byName: ReadonlyMap<string, Caller>;
  /** By name: the callers that a service binding may name. */
  readonly bound: ReadonlyMap<string, Caller>;
  readonly rules: readonly TokenRule[];
  readonly issuers: readonly Issuer[];
}

/** The binding that holds a shard, and its text. */
export interface Shard<N extends string> {
  readonly name: N;
  readonly json: string;
}

export const MAX_KEYS_PER_CALLER = 2;
const MAX_NAME_PATTERNS = 100;
const SHA256_HEX = /^[0-9a-f]{64}$/i;

type Report = (problem: string) => void;

/** Reads the shards strictly. */
export function parseCallers<N extends string>(
  shards: readonly Shard<N>[],
  issuers: readonly Issuer[],
): { callers: Callers; problems: readonly { readonly shard: N; readonly problem: string }[] } {
  const problems: { shard: N; problem: string }[] = [];
  const byName = new Map<string, Caller>();
  const byKey = new Map<string, Caller>();
  const bound = new Map<string, Caller>();
  const rules = new Map<TokenRule, Report>();
  for (const { name, json } of shards) readShard(json, (problem) => problems.push({ shard: name, problem }));
  for (const rule of rulesOfTwo([...rules.keys()])) {
    rules.get(rule)?.('tokens has claims that contain those of another caller');
  }
  return { callers: { byName, byKey, bound, rules: [...rules.keys()], issuers }, problems };

  function readShard(json: string, reportShard: Report): void {
    const parsed = parseJson(json);
    if (!isRecord(parsed)) {
      reportShard('is not a JSON object');
      return;
    }
    // JSON.parse keeps the last of two entries, and so only the restrictions of that one.
    const { positions, repeated } = outlineOf(json);
    for (const position of repeated) reportShard(`caller ${position}: a name or a field occurs twice`);
    for (const [id, entry] of Object.entries(parsed)) {
      readCaller(id, entry, (problem) => reportShard(`caller ${positions.get(id)}: ${problem}`));
    }
  }

  function readCaller(id: string, entry: unknown, report: Report): void {
    if (!isCallerId(id)) report(`the name must be ${CALLER_ID_RULE}`);
    if (byName.has(id)) report('the name is already in another shard');
    if (!isRecord(entry)) {
      report('is not an object');
      return;
    }
    const { keySha256, tokens, binding, scopes, names, dailyDeletions, ...rest } = entry;
    if (Object.keys(rest).length > 0) report('has an unknown field');
    if (keySha256 === undefined && tokens === undefined && binding === undefined) {
      report('has no credential: keySha256, tokens or binding');
    }
    const caller: Caller = {
      id,
      scopes: new Set(parseScopes(scopes, report)),
      names: parseNames(names, report),
      dailyDeletions: parseDailyDeletions(dailyDeletions, report),
    };
    // An invalid name may be a key, which must not be kept.
    if (isCallerId(id)) byName.set(id, caller);
    for (const digest of parseDigests(keySha256, report)) {
      if (byKey.has(digest)) report('keySha256 has a digest that is already configured');
      byKey.set(digest, caller);
    }
    for (const rule of parseTokenRules(tokens, caller, issuers, report)) rules.set(rule, report);
    if (binding === true) bound.set(id, caller);
    else if (binding !== undefined) report('binding must be true, or left out');
  }
}

function parseDigests(value: unknown, report: Report): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_KEYS_PER_CALLER) {
    report(`keySha256 must be a list of one or ${MAX_KEYS_PER_CALLER} digests`);
    return [];
  }
  const digests = value.filter((digest) => typeof digest === 'string' && SHA256_HEX.test(digest)).map(String);
  if (digests.length < value.length) report('keySha256 must hold SHA-256 digests of 64 hex characters');
  if (digests.some((digest) => digest.toLowerCase() === keyDigest(''))) report('keySha256 hashes an empty key');
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
  if (isWholeNumber(value, 0, MAX_DAILY_DELETIONS)) return value;
  report(`dailyDeletions must be a whole number from 0 to ${MAX_DAILY_DELETIONS}`);
  return null;
}
