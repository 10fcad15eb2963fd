/**
 * `npm run callers -- FILE deploy`: deploys a table of callers.
 *
 * Promises: uploads nothing that the Worker would reject; succeeds only if Wrangler reports every shard as uploaded and, with a URL, if
 * the gateway there runs the new version. Never: writes the secrets to disk, or lets a variable choose another environment.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import { secretsOf, type Table } from './callers-file.ts';
import { done, type Outcome, refused, type World } from './command.ts';
import { checkDeployment, type Secret } from './deployment.ts';
import { isFaulty, reportOf } from './findings.ts';
import { askReadiness } from './gateway.ts';
import { asciiJson, printable } from './print.ts';
import { deploymentOf, readTopLevel, type WranglerConfig } from './wrangler-config.ts';

const WRANGLER = join(import.meta.dirname, '../../node_modules/wrangler/bin/wrangler.js');
/** Not in the file, and left unchanged. The check of the rest needs a value for them. */
const BAIDU = ['BCE_ACCESS_KEY_ID', 'BCE_SECRET_ACCESS_KEY'];
const HELD_BY_CLOUDFLARE = 'held-by-cloudflare';
/** A new version takes effect within seconds. */
const MAX_QUESTIONS = 30;
const PAUSE_MS = 2_000;

/** Uploads the table, and with `url` waits until the gateway there runs the new version. `secrets` is the table as in the file. */
export async function deployCallers(
  table: Table,
  secrets: readonly Secret[],
  config: WranglerConfig,
  url: string | undefined,
  world: World,
): Promise<Outcome> {
  const held = new Set([...config.requiredSecrets, ...BAIDU].filter((name) => !Object.hasOwn(table, name)));
  const others = Array.from(held, (name) => ({ name, value: HELD_BY_CLOUDFLARE }));
  const findings = checkDeployment(config, [...secrets, ...others], await readTopLevel(world, config));
  const report = reportOf(findings);
  if (isFaulty(findings)) return refused(`${report}Nothing was uploaded.\n`);
  const token = world.env['GATEWAY_TOKEN'];
  const before = url === undefined ? null : await askReadiness(url, token);
  if (before?.ok === false) return refused(`--url: ${before.failure}. Nothing was uploaded.\n`);
  // Normal before the first deployment.
  if (before?.value.version === null) world.show?.(`No gateway responds at ${printable(String(url))} yet.\n`);
  const { status, output } = await runWrangler(config, asciiJson(secretsOf(table)), world.env);
  const names = Object.keys(table);
  const missing = names.filter((name) => !output.includes(`Successfully created secret for key: ${name}\n`));
  if (status !== 0 || missing.length > 0) {
    const shown = missing.join(', ') || 'everything';
    return refused(`${report}${output}\nWrangler did not report ${shown} as uploaded.\n`);
  }
  const said = `Uploaded ${names.join(', ')} to ${deploymentOf(config)}.\n`;
  if (url === undefined || before === null) return done(said, report);
  let old: string | null = null;
  for (let question = 1; question <= MAX_QUESTIONS; question++) {
    const now = await askReadiness(url, token);
    const { version = null, fault = null } = now.ok ? now.value : {};
    if (version !== null && version !== before.value.version) {
      const running = `${said}${url} runs the new version ${version}`;
      if (fault !== null) return refused(`${report}${running}, but is not ready: ${fault}.\n`);
      return done(`${running}.\n`, report);
    }
    old = version ?? old;
    await world.sleep(PAUSE_MS);
  }
  const stayed = `${url} still runs version ${old}. It may be another Worker.`;
  return refused(`${report}${said}${old === null ? `No gateway responded at ${url} within a minute.` : stayed}\n`);
}

/** Uploads secrets, given as JSON. Sets every variable that could change where they go or what Wrangler prints. */
async function runWrangler({ path, environment }: WranglerConfig, json: string, variables: World['env']) {
  const args = [WRANGLER, 'secret', 'bulk', '--config', path, `--env=${environment}`];
  const env = { ...process.env, ...variables, CLOUDFLARE_ENV: environment, FORCE_COLOR: '0', WRANGLER_LOG: 'log' };
  const child = spawn(process.execPath, args, { cwd: dirname(path), env, stdio: 'pipe' });
  // If Wrangler exits early, its own output says why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(json);
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  // Wrangler's bundler colours errors regardless of the variables.
  return { status, output: stripVTControlCharacters(`${stdout}${stderr}`) };
}
