/**
 * `npm run check-config -- FILE…`: checks whether a deployment with these secrets would work.
 *
 * Promises: uses the Worker's own parser; exits with status 1 if there is a fault; uses the network only with `--upstream`. Never:
 * prints a value.
 */
import { type Outcome, parseCommand, refusal, refused, runAsProgram, type World } from './command.ts';
import { checkDeployment, readSecretsFile, type Secret } from './deployment.ts';
import { isOpenToOthers, readFile } from './files.ts';
import { type Finding, fault, isFaulty, note, reportOf, warning } from './findings.ts';
import { askReadiness } from './gateway.ts';
import { asciiJson, counted, quoted } from './print.ts';
import { deploymentOf, readTopLevel, readWranglerConfig } from './wrangler-config.ts';

const OPTIONS = { flags: ['json'], texts: ['config', 'env', 'upstream'] } as const;

/** Runs the check. */
export async function runCheckConfig(args: readonly string[], world: World): Promise<Outcome> {
  const command = parseCommand('check-config', OPTIONS, args, world.env);
  if (!command.ok) return command.failure;
  const { words: files, has, text } = command.value;
  if (files.length === 0 || files.includes('')) return refusal('check-config', 'FILE missing.');
  const config = await readWranglerConfig(world, text('config'), text('env'));
  if (!config.ok) return refused(`${config.failure}\n`);
  const { environment, name: worker } = config.value;
  const read = files.map((file) => readSecrets(world.folder, file));
  const secrets = read.flatMap((each) => each.secrets);
  const url = text('upstream');
  const findings = [
    ...read.flatMap((each) => each.findings),
    ...checkDeployment(config.value, secrets, await readTopLevel(world, config.value)),
    ...(url === undefined ? [] : await checkUpstream(url, world.env['GATEWAY_TOKEN'])),
  ];
  const status = isFaulty(findings) ? 1 : 0;
  if (has('json')) return { status, stdout: `${asciiJson({ worker, environment, findings }, 2)}\n`, stderr: '' };
  const faults = findings.filter(({ level }) => level === 'fault').length;
  const verdict = faults === 0 ? 'No fault' : `${counted(faults, 'fault')}: do not deploy this`;
  return { status, stdout: `${reportOf(findings)}${verdict}. Checked: ${deploymentOf(config.value)}.\n`, stderr: '' };
}

function readSecrets(folder: string, file: string): { secrets: readonly Secret[]; findings: readonly Finding[] } {
  const found = readFile(folder, file);
  const failure = found.ok ? 'does not exist' : found.failure;
  if (!found.ok || found.value.text === null) return { secrets: [], findings: [fault(`${file} ${failure}`)] };
  const { secrets, isConfidential, problems } = readSecretsFile(found.value.text);
  const findings = problems.map((problem) => fault(`${file} ${problem}`));
  if (!isConfidential || !isOpenToOthers(folder, file)) return { secrets, findings };
  return { secrets, findings: [...findings, warning(`${file} can be read by others: chmod 600 ${quoted(file)}`)] };
}

async function checkUpstream(url: string, token: string | undefined): Promise<readonly Finding[]> {
  const asked = await askReadiness(url, token);
  const problem = asked.ok ? asked.value.fault : asked.failure;
  if (problem !== null) return [fault(`${url}: ${problem}`)];
  return asked.ok && asked.value.isControlFound ? [] : [note(`${url} has not verified account and region`)];
}

if (import.meta.main) await runAsProgram(runCheckConfig);
