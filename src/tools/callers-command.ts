/**
 * The command line of `npm run callers`.
 *
 * Promises: a command that it returns is whole; what only the table can judge, such as a scope, is left to the Worker's parser.
 * Never: repeats an argument, because somebody may paste a key.
 */
import { parseArgs } from 'node:util';
import { CALLER_ID_RULE, isCallerId, MAX_DAILY_DELETIONS, SCOPES } from '../worker/callers/caller.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import type { Entry } from './callers-file.ts';
import { DEFAULT_SCOPES } from './new-key.ts';

export type Command = Target &
  (
    | { readonly verb: 'secrets' }
    | { readonly verb: 'list'; readonly name: string | undefined }
    /** `fields` has every proof but the key. */
    | { readonly verb: 'add'; readonly name: string; readonly fields: Entry['fields']; readonly wantsKey: boolean }
    | { readonly verb: 'rotate'; readonly name: string }
    | { readonly verb: 'revoke'; readonly name: string; readonly fingerprint: string | undefined }
  );

/** The files that a command works on. */
export interface Target {
  readonly file: string;
  /** Wrangler's configuration; `undefined` for the Worker's own. */
  readonly config: string | undefined;
  readonly env: string | undefined;
}

const LACKS_CLAIM = 'After --token ISSUER comes CLAIM=TEXT, at least once.';
const FINGERPRINT = /^[0-9a-f]{8}$/i;

export const HELP = `Usage: npm run callers -- FILE COMMAND [NAME] [options]

FILE, such as callers.json, holds the table of callers by part: { "CALLERS": { … }, "CALLERS_1": { … } }. Each part becomes a secret of
the Worker. It holds digests of keys, which are no secrets: keep it under version control.

  add NAME                       A new caller. Makes FILE if there is none
    --scopes A,B                 What it may do: ${SCOPES.join(', ')}
                                 By default ${DEFAULT_SCOPES.join(',')}
    --names 'ci-*,tmp-*'         It may delete only images with such names
    --daily-deletions N          Distinct images within any 24 hours, 0 to ${MAX_DAILY_DELETIONS}
    --key                        Proof: a key, printed this once. The default if there is no other proof
    --token ISSUER CLAIM=TEXT …  Proof: a token of one of ISSUERS with exactly these claims. May be repeated
    --binding                    Proof: a service binding of a Worker in this account
  rotate NAME                    A second key, printed this once. Revoke the first one when nobody uses it any more
  revoke NAME FINGERPRINT        Removes one key, which audit records call caller.key.fingerprint
  revoke NAME                    Removes the caller
  list [NAME]                    Part, proofs, scopes and limits of callers, and the size of each part
  secrets                        Prints the parts for Wrangler: npm run -s callers -- FILE secrets | npx wrangler secret bulk

  --config FILE                  Wrangler's configuration, which has ISSUERS. By default wrangler.toml
  --env NAME                     One of its environments; "" is the deployment at the top, as by default

Leave each part in FILE, even if it is empty ({}): Wrangler does not change a secret that FILE does not name.
`;

const OPTIONS = {
  scopes: { type: 'string' },
  names: { type: 'string' },
  'daily-deletions': { type: 'string' },
  key: { type: 'boolean' },
  token: { type: 'string', multiple: true },
  binding: { type: 'boolean' },
  config: { type: 'string' },
  env: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;
/** Of these only `add` knows what to do with. */
const OF_ADD = ['scopes', 'names', 'daily-deletions', 'key', 'token', 'binding'] as const;

type Parsed = ReturnType<typeof parse>;

/** The command, `null` for help, or one sentence about what is wrong. */
export function parseCommand(args: readonly string[]): Result<Command | null, string> {
  let parsed: Parsed;
  try {
    parsed = parse(args);
  } catch {
    return failed('There is an option that does not exist, lacks its value or has one too many.');
  }
  const { values, tokens } = parsed;
  if (values.help === true) return ok(null);
  const rules = takeTokenRules(tokens);
  if (!rules.ok) return rules;
  const [file, verb, name, fingerprint, ...more] = rules.value.words;
  const isAdd = verb === 'add';
  if (file === undefined || verb === undefined) return failed('FILE and a command are needed.');
  if (!isAdd && OF_ADD.some((option) => values[option] !== undefined)) return failed('Only "add" takes this option.');
  if (name !== undefined && !isCallerId(name)) return failed(`NAME must be ${CALLER_ID_RULE}.`);
  const target = { file, config: values.config, env: values.env || undefined };
  const isTooMuch = more.length > 0 || (fingerprint !== undefined && verb !== 'revoke');
  if (isTooMuch || (verb === 'secrets' && name !== undefined)) return failed('There is an argument too many.');
  if (verb === 'secrets') return ok({ ...target, verb });
  if (verb === 'list') return ok({ ...target, verb, name });
  if (!isAdd && verb !== 'rotate' && verb !== 'revoke') return failed('There is no such command.');
  if (name === undefined) return failed('NAME is missing.');
  if (verb === 'rotate') return ok({ ...target, verb, name });
  if (isAdd) return parseAdd(target, name, values, rules.value.rules);
  if (fingerprint !== undefined && !FINGERPRINT.test(fingerprint)) {
    return failed('FINGERPRINT must be 8 hex characters, as an audit record or "list" shows them.');
  }
  return ok({ ...target, verb, name, fingerprint });
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, tokens: true });
}

function parseAdd(
  target: Target,
  name: string,
  values: Parsed['values'],
  tokens: readonly Rule[],
): Result<Command, string> {
  const dailyDeletions = values['daily-deletions'];
  if (dailyDeletions !== undefined && !/^\d{1,9}$/.test(dailyDeletions))
    return failed('--daily-deletions takes a number.');
  const isProven = tokens.length > 0 || values.binding === true;
  const fields = {
    ...(tokens.length > 0 ? { tokens } : {}),
    ...(values.binding === true ? { binding: true } : {}),
    scopes: values.scopes === undefined ? DEFAULT_SCOPES : partsOf(values.scopes),
    ...(values.names === undefined ? {} : { names: partsOf(values.names) }),
    ...(dailyDeletions === undefined ? {} : { dailyDeletions: Number(dailyDeletions) }),
  };
  return ok({ ...target, verb: 'add', name, fields, wantsKey: values.key === true || !isProven });
}

/** `a,b` as a list, nothing as an empty one. */
function partsOf(text: string): string[] {
  return text === '' ? [] : text.split(',').map((part) => part.trim());
}

interface Rule {
  readonly issuer: string;
  readonly claims: Readonly<Record<string, string>>;
}

/** Each `--token ISSUER` with the `CLAIM=TEXT` that follow it, and the words that are neither. */
function takeTokenRules(
  tokens: Parsed['tokens'],
): Result<{ words: readonly string[]; rules: readonly Rule[] }, string> {
  const words: string[] = [];
  /** A map, because a claim may have any name, `__proto__` for one. */
  const rules: { issuer: string; claims: Map<string, string> }[] = [];
  let rule: (typeof rules)[number] | null = null;
  for (const token of tokens) {
    if (token.kind === 'option') rule = null;
    if (token.kind === 'option' && token.name === 'token') {
      rule = { issuer: token.value ?? '', claims: new Map() };
      rules.push(rule);
    }
    if (token.kind !== 'positional') continue;
    if (rule === null) {
      words.push(token.value);
      continue;
    }
    const [, claim, text] = /^([^=]+)=(.+)$/s.exec(token.value) ?? [];
    if (claim === undefined || text === undefined) return failed(LACKS_CLAIM);
    if (rule.claims.has(claim)) return failed('--token has a claim twice.');
    rule.claims.set(claim, text);
  }
  if (rules.some(({ claims }) => claims.size === 0)) return failed(LACKS_CLAIM);
  return ok({ words, rules: rules.map(({ issuer, claims }) => ({ issuer, claims: Object.fromEntries(claims) })) });
}
