/**
 * The file with the table of callers by shard: `{ "CALLERS": { … }, "CALLERS_1": { … } }`. Each shard becomes one secret.
 *
 * Promises: every table that it returns has passed the Worker's own parser. Problems name shard, position and caller, or the line, but
 * never another value. Never: accepts a file that contains a key.
 */
import { isCallerId } from '../worker/callers/caller.ts';
import type { Issuer } from '../worker/callers/issuers.ts';
import { fingerprintOf, KEY_PREFIX } from '../worker/callers/key.ts';
import { parseCallers } from '../worker/callers/table.ts';
import { isRecord, listOf, outlineOf, parseJson } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import { parseObject, placeOf, recordOf } from './json-text.ts';
import { counted } from './print.ts';

/** A caller's entry in the file. */
export type Fields = Readonly<Record<string, unknown>>;
/** Callers by name. */
export type Shard = Readonly<Record<string, Fields>>;
/** Shards by the name of their secret. */
export type Table = Readonly<Record<string, Shard>>;

/** Cloudflare's limit for one secret or variable. Source: https://developers.cloudflare.com/workers/platform/limits/ ("5 KB"). */
export const MAX_VALUE_BYTES = 5_000;
export const FIRST_SHARD = 'CALLERS';
export const EMPTY_TABLE = `{"${FIRST_SHARD}": {}}`;
const SHARD = /^CALLERS(?:_\w{1,50})?$/;
export const SHARD_RULE = 'CALLERS, or CALLERS_ followed by letters, digits or "_"';
/** Names and patterns may start like a key, but none is as long. */
const KEY = new RegExp(`${KEY_PREFIX}[\\w-]{43}`);

export function isShardName(name: string): boolean {
  return SHARD.test(name);
}

/** If the text contains a key from `npm run key` or `npm run callers`: the end of a sentence about it. Otherwise `null`. */
export function keyIn(text: string): string | null {
  const found = KEY.exec(text);
  return found && `contains a key (${placeOf(text, found.index)}): revoke it; only digests belong here`;
}

/** Reads the text of a file strictly: the table, or one sentence for each problem. */
export function readTable(text: string, issuers: readonly Issuer[]): Result<Table, readonly string[]> {
  const key = keyIn(text);
  const parsed = key === null ? parseObject(text) : failed(key);
  if (!parsed.ok) return failed([`the file ${parsed.failure}`]);
  const table = parsed.value;
  const texts = Object.fromEntries(Object.entries(table).map(([name, each]) => [name, JSON.stringify(each)]));
  const shards = Object.entries(texts).map(([name, json]) => ({ name, json }));
  const named = shards.filter(({ name }) => isShardName(name));
  const problems = Array<string>(shards.length - named.length).fill(`the name of a shard must be ${SHARD_RULE}`);
  if (!Object.hasOwn(table, FIRST_SHARD)) problems.push(`${FIRST_SHARD} is missing; it may be {}`);
  for (const { shard, problem } of parseCallers(named, issuers).problems) {
    problems.push(withName(`${shard} ${problem}`, texts));
  }
  return problems.length === 0 && isTable(table) ? ok(table) : failed(problems);
}

/** Turns the Worker's `CALLERS caller 27: …` into `CALLERS caller 27 (ci-cleaner): …` if that entry has a valid name. */
export function withName(problem: string, texts: Readonly<Record<string, string>>): string {
  return problem.replace(/^(\w+) caller (\d+)(?=:)/, (found, shard, position) => {
    const json = texts[shard] ?? '{}';
    const [name = ''] = [...outlineOf(json).positions].find(([, each]) => each === Number(position)) ?? [];
    // A name whose value is no object may name a credential, or be one.
    return isCallerId(name) && isRecord(recordOf(parseJson(json))[name]) ? `${found} (${name})` : found;
  });
}

function isTable(value: Fields): value is Table {
  return Object.values(value).every((shard) => isRecord(shard) && Object.values(shard).every(isRecord));
}

/** The caller with this name, and its shard. */
export function findCaller(table: Table, name: string): { readonly shard: string; readonly fields: Fields } | null {
  const [shard, callers] = Object.entries(table).find(([, each]) => Object.hasOwn(each, name)) ?? [];
  const fields = callers?.[name];
  return shard === undefined || fields === undefined ? null : { shard, fields };
}

export function digestsOf(fields: Fields): readonly string[] {
  return listOf(fields['keySha256']).map(String);
}

/** The size of the shard's secret. */
export function bytesOf(shard: Shard): number {
  return Buffer.byteLength(JSON.stringify(shard));
}

/** The secrets by name, in Wrangler's format. Includes empty shards: otherwise such a secret would keep its old callers. */
export function secretsOf(table: Table): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(table).map(([name, shard]) => [name, JSON.stringify(shard)]));
}

/** The callers, or the one with this name, as data: with their shards, and fingerprints in place of digests. */
export function callersOf(table: Table, name: string): readonly Fields[] {
  const all = Object.entries(table).flatMap(([shard, callers]) =>
    Object.entries(callers).map(([caller, { keySha256, ...fields }]) => {
      const keys = digestsOf({ keySha256 }).map(fingerprintOf);
      return { caller, shard, ...(keys.length > 0 && { keys }), ...fields };
    }),
  );
  return name === '' ? all : all.filter(({ caller }) => caller === name);
}

/** One line per caller: name, shard, and the other fields. */
export function linesOf(callers: readonly Fields[]): string {
  const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const lines = callers.map(({ caller, shard, ...fields }) => {
    const texts = Object.entries(fields).map(([field, value]) => `${field}=${[value].flat().map(shown).join()}`);
    return `${caller} ${shard} ${texts.join(' ')}\n`;
  });
  return lines.join('') || 'No callers.\n';
}

/** One line per shard, with its size. */
export function sizesOf(table: Table): string {
  const lines = Object.entries(table).map(([name, shard]) => {
    const bytes = bytesOf(shard);
    const advice = bytes > MAX_VALUE_BYTES ? ': too large; move callers to another shard' : '';
    return `${name}: ${counted(Object.keys(shard).length, 'caller')}, ${bytes} of ${MAX_VALUE_BYTES} bytes${advice}\n`;
  });
  return lines.join('');
}
