/**
 * A file with the table of callers by part: `{ "CALLERS": { … }, "CALLERS_1": { … } }`, each part the text of one secret.
 *
 * Promises: what it returns has passed the Worker's own parser, to the letter of the file; callers and parts keep their order. A fault
 * is reported by part and position or by line, and never by its value. Never: returns a file that holds a key.
 */
import type { Issuer } from '../worker/callers/issuers.ts';
import { KEY_PREFIX } from '../worker/callers/key.ts';
import { parseCallers } from '../worker/callers/table.ts';
import { isRecord, parseJson } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import { type Member, membersOf, placeOf } from './json-text.ts';

export type CallersFile = readonly FilePart[];

export interface FilePart {
  /** The name of the secret. */
  readonly name: string;
  readonly callers: readonly Entry[];
}

/** A caller as the file has it. */
export interface Entry {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What Cloudflare takes as one secret or variable. Source: https://developers.cloudflare.com/workers/platform/limits/ ("5 KB"). */
export const MAX_VALUE_BYTES = 5_000;

export const FIRST_PART = 'CALLERS';
/** Fields that change while everything else of a caller stays. */
const PROOF_LISTS: readonly string[] = ['keySha256', 'tokens'];
const PART = /^CALLERS(?:_\w{1,50})?$/;
export const PART_RULE = 'CALLERS, or CALLERS_ with letters, digits or "_" after it';
/** Names and patterns may begin like a key, but none is as long. */
const KEY = new RegExp(`${KEY_PREFIX}[\\w-]{43}`);
export const KEY_ADVICE = 'revoke it, because only digests belong here';

export function isPartName(name: string): boolean {
  return PART.test(name);
}

/** Where the text holds a key that `npm run key` or `npm run callers` made, or `null`. */
export function placeOfKey(text: string): string | null {
  const found = KEY.exec(text);
  return found === null ? null : placeOf(text, found.index);
}

/** Reads the text of a file strictly: the table, or one sentence for each fault. */
export function readCallersFile(text: string, issuers: readonly Issuer[]): Result<CallersFile, readonly string[]> {
  const keyPlace = placeOfKey(text);
  if (keyPlace !== null) return failed([`the file holds a key (${keyPlace}): ${KEY_ADVICE}`]);
  const members = membersOf(text);
  if (!members.ok) return failed([`the file ${members.failure}`]);
  const parts = members.value;
  const names = parts.map(({ name }) => name);
  const problems = names.flatMap((name, index) => {
    if (!isPartName(name)) return [`part ${index + 1}: the name must be ${PART_RULE}`];
    return names.indexOf(name) < index ? [`${name} stands in the file twice`] : [];
  });
  if (!names.includes(FIRST_PART)) problems.push(`${FIRST_PART} is missing; it may be {}`);
  for (const { part, problem } of parseCallers(parts, issuers).problems) {
    problems.push(isPartName(part) ? `${part} ${problem}` : `part ${names.indexOf(part) + 1}: ${problem}`);
  }
  return problems.length > 0 ? failed(problems) : ok(parts.map(readPart));
}

function readPart({ name, json }: Member): FilePart {
  const members = membersOf(json);
  const callers = (members.ok ? members.value : []).map(({ name, json }) => {
    const fields = parseJson(json);
    return { name, fields: isRecord(fields) ? fields : {} };
  });
  return { name, callers };
}

/** The text of a file: one line for each field, and for each key or token rule, so that a diff shows just what has changed. */
export function formatCallersFile(file: CallersFile): string {
  const callers = (part: FilePart) =>
    part.callers.map(({ name, fields }) => member(name, block('{}', 2, formatFields(fields))));
  return `${block(
    '{}',
    0,
    file.map((part) => member(part.name, block('{}', 1, callers(part)))),
  )}\n`;
}

/** Each of these may be several lines long. */
function formatFields(fields: Entry['fields']): string[] {
  return Object.entries(fields).map(([name, value]) => {
    const isList = PROOF_LISTS.includes(name) && Array.isArray(value);
    return member(name, isList ? block('[]', 3, value.map(spaced)) : spaced(value));
  });
}

function member(name: string, json: string): string {
  return `${JSON.stringify(name)}: ${json}`;
}

/** Items in brackets, one a line, at this depth of indentation. */
function block(brackets: '{}' | '[]', depth: number, items: readonly string[]): string {
  if (items.length === 0) return brackets;
  const indent = '  '.repeat(depth);
  const lines = items.map((item) => `${indent}  ${item}`).join(',\n');
  return `${brackets[0]}\n${lines}\n${indent}${brackets[1]}`;
}

/** JSON on one line, with spaces for people. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (!isRecord(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${spaced(each)}`);
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}

/** The text of the secret: JSON without spaces. */
export function partJson({ callers }: Pick<FilePart, 'callers'>): string {
  return `{${callers.map(({ name, fields }) => `${JSON.stringify(name)}:${JSON.stringify(fields)}`).join(',')}}`;
}

/** Bytes of the secret that the part becomes. */
export function partBytes(part: Pick<FilePart, 'callers'>): number {
  return Buffer.byteLength(partJson(part));
}

/** The secrets by name, as `wrangler secret bulk` takes them. A part without callers is there too, or the secret would keep its old ones. */
export function secretsOf(file: CallersFile): Readonly<Record<string, string>> {
  return Object.fromEntries(file.map((part) => [part.name, partJson(part)]));
}

/** The parts that are too large to be uploaded. */
export function tooLarge(file: CallersFile): readonly FilePart[] {
  return file.filter((part) => partBytes(part) > MAX_VALUE_BYTES);
}
