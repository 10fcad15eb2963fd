/**
 * `npm run callers -- FILE COMMAND`: changes and shows a file with the table of callers.
 *
 * Promises: what it writes has passed the Worker's own parser; a file at fault is left as it is. Never: prints a key but the one that
 * it has just made, or writes one.
 */
import { type Issuer, parseIssuers } from '../worker/callers/issuers.ts';
import { fingerprintOf } from '../worker/callers/key.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import { type Command, HELP, parseCommand } from './callers-command.ts';
import { addCaller, addDigest, type Edit, findCaller, revokeCaller, revokeKey } from './callers-edit.ts';
import {
  type CallersFile,
  FIRST_PART,
  formatCallersFile,
  readCallersFile,
  secretsOf,
  tooLarge,
} from './callers-file.ts';
import { listCallers, sizesOf } from './callers-list.ts';
import { type FoundFile, readFile, replaceFile } from './files.ts';
import { createKey } from './new-key.ts';
import { done, type Outcome, refused, runAsProgram, WRANGLER_CONFIG } from './shell.ts';
import { readWranglerConfig } from './wrangler-config.ts';

/** Runs a command. Relative paths begin at `folder`. */
export async function runCallers(args: readonly string[], folder: string): Promise<Outcome> {
  const parsed = parseCommand(args);
  if (!parsed.ok) return refused(`${parsed.failure} See: npm run callers -- --help\n`);
  const command = parsed.value;
  if (command === null) return done(HELP);
  const { file, verb } = command;
  const found = readFile(folder, file);
  if (!found.ok) return refused(`${file} ${found.failure}.\n`);
  const { text } = found.value;
  if (text === null && verb !== 'add') return refused(`${file} does not exist. "add" makes it.\n`);
  const issuers = await readIssuers(command, folder);
  if (!issuers.ok) return refused(issuers.failure);
  const table = readCallersFile(text ?? `{"${FIRST_PART}": {}}`, issuers.value);
  if (!table.ok) return refused(`${file} is at fault and stays as it is:\n${bulleted(table.failure)}`);
  if (verb === 'list') return list(table.value, command.name);
  if (verb === 'secrets') return secrets(table.value);
  const change = changeOf(command, table.value);
  return save(command, change, table.value, issuers.value, found.value);
}

/** The issuers that the callers' tokens may name. */
async function readIssuers({ config, env }: Command, folder: string): Promise<Result<readonly Issuer[], string>> {
  const file = config ?? WRANGLER_CONFIG;
  const read = await readWranglerConfig(folder, file, env);
  if (!read.ok) return failed(`${read.failure}\n`);
  const { issuers, problems } = parseIssuers(read.value.vars['ISSUERS'] ?? {});
  if (problems.length === 0) return ok(issuers);
  return failed(`${file} is at fault:\n${bulleted(problems.map((problem) => `ISSUERS ${problem}`))}`);
}

function list(table: CallersFile, name: string | undefined): Outcome {
  if (name !== undefined && findCaller(table, name) === null) return refused('No caller has this name.\n');
  return done(`${listCallers(table, name)}\n${sizesOf(table)}`);
}

function secrets(table: CallersFile): Outcome {
  const large = tooLarge(table);
  if (large.length > 0) return refused(`Cloudflare would refuse these parts:\n${sizesOf(large)}`);
  return done(`${JSON.stringify(secretsOf(table))}\n`);
}

/** What a command does to the table, and what it says. */
interface Change {
  readonly edit: Edit;
  readonly said: string;
  readonly made: ReturnType<typeof createKey> | null;
}

function changeOf(command: Extract<Command, { verb: 'add' | 'rotate' | 'revoke' }>, table: CallersFile): Change {
  const { name } = command;
  if (command.verb === 'add') {
    const made = command.wantsKey ? createKey() : null;
    const fields = made === null ? command.fields : { keySha256: [made.keySha256], ...command.fields };
    return { edit: addCaller(table, { name, fields }), said: `Added ${name} to`, made };
  }
  if (command.verb === 'rotate') {
    const made = createKey();
    return { edit: addDigest(table, name, made.keySha256), said: `Added a second key of ${name} in`, made };
  }
  const { fingerprint } = command;
  if (fingerprint === undefined) return { edit: revokeCaller(table, name), said: `Removed ${name} from`, made: null };
  return { edit: revokeKey(table, name, fingerprint), said: `Removed a key of ${name} in`, made: null };
}

/** Writes the changed table if all of it is right, and tells what came of it. */
async function save(
  { file, name, config, env }: Extract<Command, { verb: 'add' | 'rotate' | 'revoke' }>,
  { edit, said, made }: Change,
  before: CallersFile,
  issuers: readonly Issuer[],
  found: FoundFile,
): Promise<Outcome> {
  if (!edit.ok) return refused(`Nothing was changed: ${edit.failure}.\n`);
  const text = formatCallersFile(edit.value);
  const checked = readCallersFile(text, issuers);
  if (!checked.ok)
    return refused(`Nothing was changed, because the table would be at fault:\n${bulleted(checked.failure)}`);
  const written = await replaceFile(found, text);
  if (!written.ok) return refused(`${file} ${written.failure}. Nothing was changed.\n`);
  const option = config === undefined ? '' : ` --config ${config}`;
  const own = env === undefined ? option : `${option} --env ${env}`;
  const lines = [
    `${said} ${partOf(before, checked.value, name)}.`,
    ...(made === null
      ? []
      : [`Its key ${fingerprintOf(made.keySha256)}, shown this once; hand it over by a safe way:`, `\n  ${made.key}`]),
    `\n${sizesOf(checked.value)}`,
    `To deploy: npm run -s callers -- ${file} secrets${own} | npx wrangler secret bulk${option} --env="${env ?? ''}"`,
  ];
  return done(`${lines.join('\n')}\n`);
}

/** The part that has the caller, or had it, and a word about the other one if it moved. */
function partOf(before: CallersFile, after: CallersFile, name: string): string {
  const from = findCaller(before, name)?.part.name;
  const to = findCaller(after, name)?.part.name;
  const hasMoved = from !== undefined && to !== undefined && from !== to;
  return hasMoved ? `${to}, because ${from} has no room for it` : `${to ?? from}`;
}

function bulleted(problems: readonly string[]): string {
  return problems.map((problem) => `  - ${problem}\n`).join('');
}

if (import.meta.main) await runAsProgram(runCallers);
