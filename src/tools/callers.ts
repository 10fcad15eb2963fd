/**
 * `npm run callers -- FILE COMMAND`: edits, shows and deploys a file with the table of callers.
 *
 * Promises: whatever it writes has passed the Worker's own parser; it does not change a file with errors; it prints a new key before its
 * digest is in the file. Never: repeats an argument that may be a key, or prints any key but the one that it has just made.
 */
import { CALLER_ID_RULE, isCallerId } from '../worker/callers/caller.ts';
import { type Issuer, parseIssuers } from '../worker/callers/issuers.ts';
import { fingerprintOf, keyDigest } from '../worker/callers/key.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import { deployCallers } from './callers-deploy.ts';
import { type Edit, editTable } from './callers-edit.ts';
import * as tables from './callers-file.ts';
import {
  type Command,
  done,
  type Outcome,
  parseCommand,
  refusal,
  refused,
  runAsProgram,
  type World,
} from './command.ts';
import { readSecretsFile } from './deployment.ts';
import { type FoundFile, readFile, replaceFile } from './files.ts';
import { createKey, DEFAULT_SCOPES } from './new-key.ts';
import { asciiJson, bulleted, quoted } from './print.ts';
import { deploymentOf, readWranglerConfig, WRANGLER_CONFIG } from './wrangler-config.ts';

const OPTIONS = {
  flags: ['key', 'binding', 'json'],
  texts: ['scopes', 'names', 'daily-deletions', 'url', 'config', 'env'],
  lists: ['token'],
} as const;
type Option = (typeof OPTIONS)['flags' | 'texts' | 'lists'][number];

type Verb = Edit['verb'] | 'list' | 'deploy' | 'secrets';
/** How many words follow a verb, and which options only that verb takes. For `list`, NAME is optional. */
const VERBS: Readonly<Record<Verb, readonly [words: number, ...options: readonly Option[]]>> = {
  add: [1, 'scopes', 'names', 'daily-deletions', 'key', 'token', 'binding'],
  rotate: [1],
  revoke: [2],
  remove: [1],
  list: [1, 'json'],
  deploy: [0, 'url'],
  secrets: [0],
};
const DONE = { add: 'added to', rotate: 'added a key in', revoke: 'removed a key in', remove: 'removed from' };

/** Runs a command. */
export async function runCallers(args: readonly string[], world: World): Promise<Outcome> {
  const command = parseCommand('callers', OPTIONS, args, world.env);
  if (!command.ok) return command.failure;
  const given = command.value;
  const order = readOrder(given);
  if (!order.ok) return refusal('callers', order.failure);
  const { file, verb, name, ...rest } = order.value;
  const found = readFile(world.folder, file);
  if (!found.ok) return refused(`${file} ${found.failure}.\n`);
  if (found.value.text === null && verb !== 'add') return refused(`${file} does not exist. "add" creates it.\n`);
  const read = await readWranglerConfig(world, given.text('config'), given.text('env'));
  if (!read.ok) return refused(`${read.failure}\n`);
  const config = read.value;
  const { issuers, problems } = parseIssuers(config.vars['ISSUERS'] ?? {});
  if (problems.length > 0) return refused(`${config.path} has errors:\n${bulleted(problems, 'ISSUERS ')}`);
  const text = found.value.text ?? tables.EMPTY_TABLE;
  const parsed = tables.readTable(text, issuers);
  if (!parsed.ok) return refused(`${file} has errors:\n${bulleted(parsed.failure)}`);
  const table = parsed.value;
  if (verb === 'deploy') return deployCallers(table, readSecretsFile(text).secrets, config, given.text('url'), world);
  if (verb === 'secrets') return printSecrets(table, deploymentOf(config));
  if (verb === 'list') {
    const callers = tables.callersOf(table, name);
    if (name !== '' && callers.length === 0) return refused('No caller has this name.\n');
    const { name: worker, environment } = config;
    if (given.has('json')) return done(`${asciiJson({ worker, environment, callers }, 2)}\n`);
    return done(`${tables.linesOf(callers)}\n${tables.sizesOf(table)}`, `${deploymentOf(config)}\n`);
  }
  const edited = editTable(table, { verb, name, ...rest });
  if (!edited.ok) return refused(`Nothing was changed: ${edited.failure}.\n`);
  const written = await write(edited.value, rest.key, found.value, issuers, world);
  if (!written.ok) return refused(`${file} ${written.failure}`);
  const [from, to] = [table, edited.value].map((each) => tables.findCaller(each, name)?.shard);
  const reason = from !== undefined && to !== undefined && from !== to ? `, because ${from} has no room for it` : '';
  const entry = to === undefined ? '' : tables.linesOf(tables.callersOf(edited.value, name));
  const option = config.path === WRANGLER_CONFIG ? '' : ` --config ${quoted(config.path)}`;
  return done(
    `${name}: ${DONE[verb]} ${to ?? from}${reason}. Checked with ${deploymentOf(config)}.\n\n${entry}${tables.sizesOf(edited.value)}\n` +
      `To deploy: npm run callers -- ${quoted(file)} deploy${option} --env ${quoted(config.environment)}\n`,
  );
}

/** The command, or one sentence about what is wrong. The Worker's parser validates the rest, such as scopes. */
function readOrder(given: Command<Option>) {
  const [file = '', verb = '', ...words] = given.words;
  const [name = '', fingerprint = ''] = words;
  if (file === '' || verb === '') return failed('FILE or command missing.');
  if (!isVerb(verb)) return failed('Unknown command.');
  for (const [owner, [, ...options]] of Object.entries(VERBS)) {
    const stray = options.find((option) => owner !== verb && given.has(option));
    if (stray !== undefined) return failed(`Only "${owner}" takes --${stray}.`);
  }
  const [count] = VERBS[verb];
  if (words.length > count) return failed('Too many arguments.');
  if (name === '' && count > 0 && verb !== 'list') return failed('NAME is missing.');
  if (name !== '' && !isCallerId(name)) return failed(`NAME must be ${CALLER_ID_RULE}.`);
  if (verb === 'revoke' && fingerprint === '') return failed('FINGERPRINT is missing; "remove" removes the caller.');
  if (verb === 'revoke' && !/^[0-9a-f]{8}$/i.test(fingerprint)) {
    return failed('FINGERPRINT must be 8 hex characters, as "list" or caller.key.fingerprint in the log shows them.');
  }
  const fields = readFields(given);
  if (!fields.ok) return fields;
  const isKeyed = given.has('key') || !(given.has('token') || given.has('binding'));
  const made = verb === 'rotate' || (verb === 'add' && isKeyed) ? createKey() : null;
  const [digest, key] = made === null ? [null, null] : [made.keySha256, made.key];
  return ok({ file, verb, name, fingerprint, fields: fields.value, digest, key });
}

function isVerb(word: string): word is Verb {
  return Object.hasOwn(VERBS, word);
}

function readFields(given: Command<Option>): Result<tables.Fields, string> {
  const names = given.text('names');
  const daily = given.text('daily-deletions');
  if (daily !== undefined && !/^\d{1,9}$/.test(daily)) return failed('--daily-deletions needs a number.');
  const tokens = [];
  for (const [issuer, ...texts] of given.lists('token')) {
    const pairs = texts.map((text) => /^([^=]+)=(.+)$/s.exec(text)?.slice(1) ?? []);
    const claims = new Map(pairs.map(([claim = '', text = '']) => [claim, text]));
    if (texts.length === 0 || claims.has('')) return failed('--token ISSUER needs at least one CLAIM=TEXT.');
    if (claims.size < texts.length) return failed('--token has a duplicate claim.');
    tokens.push({ issuer, claims: Object.fromEntries(claims) });
  }
  return ok({
    ...(tokens.length > 0 && { tokens }),
    ...(given.has('binding') && { binding: true }),
    scopes: itemsOf(given.text('scopes')) ?? DEFAULT_SCOPES,
    ...(names !== undefined && { names: itemsOf(names) }),
    ...(daily !== undefined && { dailyDeletions: Number(daily) }),
  });
}

/** `a,b` as a list. */
function itemsOf(text: string | undefined): string[] | undefined {
  return text?.split(',').map((item) => item.trim());
}

function printSecrets(table: tables.Table, where: string): Outcome {
  const large = Object.entries(table).filter(([, shard]) => tables.bytesOf(shard) > tables.MAX_VALUE_BYTES);
  if (large.length > 0)
    return refused(`Cloudflare would refuse these shards:\n${tables.sizesOf(Object.fromEntries(large))}`);
  return done(`${asciiJson(tables.secretsOf(table))}\n`, `${where}\n`);
}

/** Validates the table, prints its new key, then writes it. The failure is the rest of the message. */
async function write(
  table: tables.Table,
  key: string | null,
  found: FoundFile,
  issuers: readonly Issuer[],
  { print }: World,
): Promise<Result<null, string>> {
  const text = `${JSON.stringify(table, null, 2)}\n`;
  const checked = tables.readTable(text, issuers);
  if (!checked.ok) return failed(`was not changed, because it would have errors:\n${bulleted(checked.failure)}`);
  let lost = '';
  const written = await replaceFile(found, text, async () => {
    const failure =
      key && (await print(`The new key, ${fingerprintOf(keyDigest(key))}, shown only this once:\n\n  ${key}\n\n`));
    if (key !== null && failure === null) lost = ', and the key above is not valid';
    return failure === null ? ok(null) : failed(`was not changed, because the key could not be printed (${failure})`);
  });
  return written.ok ? written : failed(`${written.failure}. Your change was not made${lost}.\n`);
}

if (import.meta.main) await runAsProgram(runCallers);
