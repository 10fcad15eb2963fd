/**
 * How all tools parse their command line and print messages.
 *
 * Promises: rejects a command line with anything unknown, and names it; output cannot control a terminal or reverse text. Never:
 * repeats a value, because somebody may paste a key.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { failed, ok } from '../worker/result.ts';
import { codeOf, readFile } from './files.ts';
import { printable } from './print.ts';

const HELP = join(import.meta.dirname, '../docs/tools.md');

/** A tool's output and exit status. */
export interface Outcome {
  readonly status: 0 | 1;
  readonly stdout: string;
  readonly stderr: string;
}

export function done(stdout: string, stderr = ''): Outcome {
  return { status: 0, stdout, stderr };
}

export function refused(stderr: string): Outcome {
  return { status: 1, stdout: '', stderr };
}

/** What a tool uses of the machine. */
export interface World {
  /** The folder for relative paths. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output at once. Returns `null`, or the code of the error, such as `ENOSPC`. */
  readonly print: (text: string) => Promise<string | null>;
  /** Writes to standard error at once; `null` if that is not a terminal. */
  readonly show: ((text: string) => void) | null;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

/** The options of a tool. A flag has no value, a text has one, and a list takes all words that follow. */
interface Options<O extends string> {
  readonly flags?: readonly O[];
  readonly texts?: readonly O[];
  readonly lists?: readonly O[];
}

/** A parsed command line. `lists` has one list for each occurrence of an option. */
export type Command<O extends string> = Extract<ReturnType<typeof parseCommand<O>>, { ok: true }>['value'];

/**
 * The command, or what to print instead: the help, or why the arguments are rejected.
 * @param script the tool's npm script
 */
export function parseCommand<const O extends string>(
  script: string,
  { flags = [], texts = [], lists = [] }: Options<O>,
  args: readonly string[],
  env: World['env'],
) {
  const refuse = (sentence: string) => failed(refusal(script, sentence));
  const names: readonly string[] = [...flags, ...texts, ...lists];
  const given = new Map(names.map((name): [string, string[][]] => [name, []]));
  const words: string[] = [];
  try {
    const typed = (type: 'boolean' | 'string') => (name: string) => [name, { type }] as const;
    const types = [...[...flags, 'help'].map(typed('boolean')), ...[...texts, ...lists].map(typed('string'))];
    const options = Object.fromEntries([...types, ['h', { type: 'boolean' }] as const]);
    // npm removes the first "--"; pnpm and yarn pass it on.
    const rest = args.slice(args[0] === '--' ? 1 : 0);
    const { values, tokens } = parseArgs({ args: rest, options, allowPositionals: true, tokens: true });
    if (values['help'] === true || values['h'] === true) return failed(done(helpOf(script)));
    let open = words;
    for (const token of tokens) {
      if (token.kind === 'positional') open.push(token.value);
      if (token.kind !== 'option') continue;
      // Only the top-level environment has a blank name.
      if (token.value?.trim() === '' && token.name !== 'env') return refuse(`--${token.name} needs a value.`);
      const found = token.value === undefined ? [] : [token.value];
      open = names.indexOf(token.name) >= flags.length + texts.length ? found : words;
      if (given.get(token.name)?.push(found) === 2 && open === words) return refuse(`--${token.name} is given twice.`);
    }
  } catch (error) {
    // The first sentence of Node.js's message, without anything that may be a value.
    const [sentence = ''] = error instanceof Error ? error.message.split(/\.\s/) : [];
    return refuse(`${sentence.replace(/'(?:(--?[a-z][a-z-]{0,29})(?: <value>)?|[^']*)'/g, '$1')}.`);
  }
  // npm takes options before the first "--" for itself and passes on only variables: `--scope` as typed, `--tok` completed.
  const settings = settingsOf(env);
  const variables = Object.keys(env).flatMap((each) => /^npm_config_(.+)/.exec(each)?.slice(1) ?? []);
  const taken = variables.filter((each) => !settings.includes(each));
  const isTaken = (name: string) => taken.some((each) => each.startsWith(name) || name.startsWith(each));
  const lost = names.find((name) => given.get(name)?.length === 0 && isTaken(name.replaceAll('-', '_')));
  if (lost !== undefined) return refuse(`npm has taken --${lost} for itself: write "npm run ${script} -- …".`);
  const all = (name: O) => given.get(name) ?? [];
  const text = (name: O) => all(name)[0]?.[0];
  return ok({ words, lists: all, text, has: (name: O) => all(name).length > 0 });
}

/** The names in npm's own files, which npm passes to a script in the same way as the options of its command line. */
function settingsOf(env: World['env']): readonly string[] {
  const files = ['npm_config_userconfig', 'npm_config_globalconfig'].map((name) => env[name] ?? '');
  const found = [...files, join(env['npm_config_local_prefix'] ?? '', '.npmrc')].map((file) => readFile('/', file));
  const lines = found.flatMap((each) => (each.ok ? (each.value.text?.split('\n') ?? []) : []));
  return lines.map((line) => line.replace(/=.*/s, '').trim().replaceAll('-', '_'));
}

/** The tool's block in the page. */
function helpOf(script: string): string {
  const [, help = ''] = readFileSync(HELP, 'utf8').split(`\n## ${script}\n\n\`\`\`text\n`);
  return help.slice(0, help.indexOf('```'));
}

/** Rejects a command line, and points to the help. */
export function refusal(script: string, sentence: string): Outcome {
  return refused(`${sentence} See: npm run ${script} -- --help\n`);
}

/** Runs a tool with the arguments of the process. */
export async function runAsProgram(tool: (args: readonly string[], world: World) => Promise<Outcome>): Promise<void> {
  // `print` returns the error.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const print: World['print'] = (text) =>
    new Promise((resolve) => process.stdout.write(printable(text), (error) => resolve(error ? codeOf(error) : null)));
  const show: World['show'] = process.stderr.isTTY ? (text) => process.stderr.write(text) : null;
  // The folder in which the operator ran npm.
  const folder = process.env['INIT_CWD'] ?? process.cwd();
  const world = { folder, env: process.env, print, show, now: Date.now, sleep: setTimeout };
  const outcome = await tool(process.argv.slice(2), world);
  const failure = outcome.stdout === '' ? null : await print(outcome.stdout);
  const { status, stderr } = failure === null ? outcome : unprinted(failure);
  process.stderr.write(printable(stderr));
  process.exitCode = status;
}

/** The outcome when standard output fails; without a message if its reader has exited. */
export function unprinted(code: string): Outcome {
  return refused(code === 'EPIPE' ? '' : `Standard output cannot be written (${code}).\n`);
}
