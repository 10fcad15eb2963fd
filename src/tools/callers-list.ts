/**
 * How `npm run callers` shows a table.
 *
 * Promises: one line for each caller, so that it can be searched. Never: shows a digest whole.
 */
import { fingerprintOf } from '../worker/callers/key.ts';
import { isRecord, listOf } from '../worker/json.ts';
import { digestsOf } from './callers-edit.ts';
import { type CallersFile, type Entry, MAX_VALUE_BYTES, partBytes } from './callers-file.ts';

/** The callers, or the one with this name: name, part, scopes, limits, proofs. */
export function listCallers(file: CallersFile, name?: string): string {
  const rows = file.flatMap((part) =>
    part.callers
      .filter((caller) => name === undefined || caller.name === name)
      .map((caller) => [caller.name, part.name, scopesOf(caller), limitsOf(caller), proofsOf(caller)]),
  );
  if (rows.length === 0) return 'Nobody may call.\n';
  return inColumns([['caller', 'part', 'scopes', 'limits', 'proofs'], ...rows]);
}

/** How large each part is. */
export function sizesOf(file: CallersFile): string {
  const rows = file.map((part) => {
    const bytes = partBytes(part);
    const excess = bytes > MAX_VALUE_BYTES ? `, ${bytes - MAX_VALUE_BYTES} too many: move callers to another part` : '';
    return [
      part.name,
      `${bytes} of ${MAX_VALUE_BYTES} bytes${excess}`,
      `${part.callers.length} ${part.callers.length === 1 ? 'caller' : 'callers'}`,
    ];
  });
  return inColumns(rows);
}

function inColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

function scopesOf({ fields }: Entry): string {
  return listOf(fields['scopes']).join(',') || 'none';
}

function limitsOf({ fields: { names, dailyDeletions } }: Entry): string {
  const limits = [
    ...(names === undefined ? [] : [`names ${listOf(names).join(',') || 'none'}`]),
    ...(dailyDeletions === undefined ? [] : [`${dailyDeletions} a day`]),
  ];
  return limits.join('; ') || '-';
}

function proofsOf(caller: Entry): string {
  const { tokens, binding } = caller.fields;
  const rules = listOf(tokens).map((rule) => {
    const { issuer, claims } = isRecord(rule) ? rule : {};
    const texts = Object.entries(isRecord(claims) ? claims : {}).map(([claim, text]) => `${claim}=${text}`);
    return `token ${issuer} ${printable(texts.join(' '))}`;
  });
  const keys = digestsOf(caller).map((digest) => `key ${fingerprintOf(digest)}`);
  return [...keys, ...rules, ...(binding === true ? ['binding'] : [])].join('; ');
}

/** A claim may be any text; a terminal must not take it for a command. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?');
}
