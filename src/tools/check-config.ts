/**
 * `npm run check-config -- FILE…`: whether a deployment with these secrets would work.
 *
 * Promises: the Worker's own parser judges; the exit status is 1 if there is a fault. Never: prints a value, or asks the network.
 */
import { parseArgs } from 'node:util';
import { failed, ok, type Result } from '../worker/result.ts';
import { checkDeployment, type Finding } from './deployment.ts';
import { isOpenToOthers, readFile } from './files.ts';
import { readSecretsFile, type Secret } from './secrets-file.ts';
import { done, type Outcome, refused, runAsProgram, WRANGLER_CONFIG } from './shell.ts';
import { readWranglerConfig } from './wrangler-config.ts';

const HELP = `Usage: npm run check-config -- FILE… [--config FILE] [--env NAME]

Reports everything that would be wrong after a deploy, with the variables of wrangler.toml and the secrets of all FILEs together. A FILE is
JSON in one of two forms:

  secrets.json    strings by name, as "wrangler secret bulk" takes it: { "BCE_ACCESS_KEY_ID": "…", "BCE_SECRET_ACCESS_KEY": "…" }
  callers.json    the table of callers by part, as "npm run callers" makes it: { "CALLERS": { … } }

  --config FILE   Wrangler's configuration. By default wrangler.toml
  --env NAME      One of its environments; "" is the deployment at the top, as by default

The exit status is 1 if there is a fault. Warnings and notes are for you to judge. No value is ever printed.
`;

const OPTIONS = { config: { type: 'string' }, env: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;

/** Checks what the arguments name. Relative paths begin at `folder`. */
export async function runCheckConfig(args: readonly string[], folder: string): Promise<Outcome> {
  const command = parseCommand(args);
  if (!command.ok) return refused(`${command.failure} See: npm run check-config -- --help\n`);
  const { values, positionals: files } = command.value;
  if (values.help === true) return done(HELP);
  const config = await readConfigs(folder, values.config ?? WRANGLER_CONFIG, values.env || undefined);
  if (!config.ok) return refused(`${config.failure}\n`);
  const read = files.map((file) => readSecrets(folder, file));
  const { own, base } = config.value;
  const secrets = read.flatMap((each) => each.secrets);
  const findings = [...read.flatMap((each) => each.findings), ...checkDeployment(own, secrets, base)];
  return report(findings);
}

type Parsed = ReturnType<typeof parse>;

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
}

function parseCommand(args: readonly string[]): Result<Parsed, string> {
  try {
    const parsed = parse(args);
    return parsed.positionals.length > 0 || parsed.values.help === true ? ok(parsed) : failed('A FILE is needed.');
  } catch {
    return failed('There is an option that does not exist, or lacks its value.');
  }
}

async function readConfigs(folder: string, file: string, env: string | undefined) {
  const own = await readWranglerConfig(folder, file, env);
  if (!own.ok || env === undefined) return own.ok ? ok({ own: own.value, base: null }) : own;
  const base = await readWranglerConfig(folder, file, undefined);
  return base.ok ? ok({ own: own.value, base: base.value }) : base;
}

function readSecrets(folder: string, file: string): { secrets: readonly Secret[]; findings: readonly Finding[] } {
  const found = readFile(folder, file);
  const fault = (problem: string): Finding => ({ level: 'fault', text: `${file} ${problem}` });
  if (!found.ok) return { secrets: [], findings: [fault(found.failure)] };
  if (found.value.text === null) return { secrets: [], findings: [fault('does not exist')] };
  const { secrets, isConfidential, problems } = readSecretsFile(found.value.text);
  const isOpen = isConfidential && isOpenToOthers(folder, file);
  const warning: Finding = { level: 'warning', text: `${file} can be read by others: chmod 600 ${file}` };
  return { secrets, findings: [...problems.map(fault), ...(isOpen ? [warning] : [])] };
}

function report(findings: readonly Finding[]): Outcome {
  const levels = ['fault', 'warning', 'note'] as const;
  const lines = levels.flatMap((level) =>
    findings.filter((finding) => finding.level === level).map(({ text }) => `${level.padEnd(7)}  ${text}\n`),
  );
  const faults = findings.filter(({ level }) => level === 'fault').length;
  const verdict =
    faults === 0 ? 'No fault.\n' : `${faults} ${faults === 1 ? 'fault' : 'faults'}: do not deploy this.\n`;
  return { status: faults === 0 ? 0 : 1, stdout: `${lines.join('')}${verdict}`, stderr: '' };
}

if (import.meta.main) await runAsProgram(runCheckConfig);
