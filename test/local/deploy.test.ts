/**
 * The deploy workflow for CI, as far as it can run without an account. Its steps run as on GitHub, with the real
 * Wrangler, against fakes of Cloudflare's API and of the gateway.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { READY, type StandIn, serve, startStandIn } from '../tools/api.ts';
import { temporary } from '../tools/world.ts';

const ROOT = join(import.meta.dirname, '../..');
const WORKFLOW = readFileSync(join(ROOT, 'test/examples/deploy.yaml'), 'utf8');
const CALLERS = { ops: { keySha256: ['1'.repeat(64)], scopes: ['images:read'] } };
/** A checkout of the repository, with the operator's callers. */
const checkout = temporary('checkout');
const home = temporary('home');
let standIn: StandIn;
let github: Awaited<ReturnType<typeof serve>>;

beforeAll(async () => {
  standIn = await startStandIn(home.folder);
  github = await serve((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://github.test');
    const isJob = request.headers.authorization === 'Bearer job';
    response.writeHead(isJob ? 200 : 401).end(JSON.stringify({ value: `token-for-${searchParams.get('audience')}` }));
  });
  for (const file of ['package.json', 'tsconfig.json', 'wrangler.toml', 'src', '.npmrc']) {
    cpSync(join(ROOT, file), checkout.path(file), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), checkout.path('node_modules'));
  mkdirSync(checkout.path('temp'));
});
afterAll(async () => {
  await standIn.stop();
  await github.stop();
  checkout.remove();
  home.remove();
});
beforeEach(() => {
  checkout.put('callers.json', { CALLERS });
  standIn.uploads.length = 0;
  standIn.calls.length = 0;
  standIn.deployed = 0;
  standIn.readiness = { status: 200, body: READY };
});

/** The scripts of the steps by name, without their indentation. */
const steps = new Map(
  WORKFLOW.split(/^ {6}- /m).flatMap((step) => {
    const [, name = ''] = /^name: (.*)$/m.exec(step) ?? [];
    const [, script] = /^ {8}run: \|\n(.*)/ms.exec(step) ?? [];
    return script === undefined ? [] : [[name, script.replaceAll(/^ {10}/gm, '')] as const];
  }),
);
const [, environment = 'none'] = /ENVIRONMENT: "(.*)"/.exec(WORKFLOW) ?? [];

const LAST = [...steps.keys()].at(-1) ?? '';

/** Runs steps one after the other until one fails. */
async function run(variables: Readonly<Record<string, string>> = {}, names = [...steps.keys()]) {
  let output = '';
  for (const name of names) {
    const script = steps.get(name) ?? '';
    const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
      cwd: checkout.folder,
      env: {
        ...process.env,
        ...standIn.env,
        RUNNER_TEMP: checkout.path('temp'),
        GITHUB_SHA: 'f1e2d3c4b5a6978877665544332211000f0e0d0c',
        ENVIRONMENT: environment,
        AUDIENCE: 'bcc-image-gateway',
        GATEWAY_URL: standIn.gatewayUrl,
        ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job',
        ...variables,
      },
    });
    child.stdin.end();
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    output += `${stdout}${stderr}`;
    if (status !== 0) return { failed: name, output };
  }
  return { failed: null, output };
}

describe('the deploy workflow', () => {
  it('checks, deploys the code and then the callers, and waits until they are in force', async () => {
    const { failed, output } = await run();
    expect([failed, output]).toEqual([null, expect.stringContaining('runs the new version version-2.')]);
    expect([...steps.keys()]).toHaveLength(3);
    expect(standIn.uploads).toEqual([{ script: 'bcc-image-gateway', secrets: { CALLERS: JSON.stringify(CALLERS) } }]);
    const [code = '', callers = ''] = standIn.calls.filter((call) =>
      /^(?:PUT|PATCH) .*(?:\?|secrets-bulk$)/.test(call),
    );
    expect(code).toMatch(/^PUT \S+\/workers\/scripts\/bcc-image-gateway\?/);
    expect(callers).toMatch(/^PATCH \S+\/secrets-bulk$/);
  });

  it('deploys the environment that it names, whatever the variables say', async () => {
    const { failed } = await run({ ENVIRONMENT: 'gz', CLOUDFLARE_ENV: 'staging' });
    expect([failed, standIn.uploads.map(({ script }) => script)]).toEqual([null, ['bcc-image-gateway-gz']]);
    expect(standIn.calls.filter((call) => call.startsWith('PUT'))).toEqual([
      expect.stringContaining('/scripts/bcc-image-gateway-gz?'),
    ]);
  });

  it('changes nothing if there is a fault', async () => {
    checkout.put('callers.json', { CALLERS: { ops: { ...CALLERS.ops, scopes: ['images:write'] } } });
    const { failed, output } = await run();
    expect([failed, output, standIn.calls]).toEqual(['Check', expect.stringContaining('CALLERS caller 1 (ops)'), []]);
  });

  it('fails if Baidu does not have the control', async () => {
    standIn.readiness = { status: 200, body: { ...READY, control: 'absent' } };
    const { failed, output } = await run({}, [LAST]);
    expect([failed, standIn.uploads.length]).toEqual([LAST, 1]);
    expect(output).toContain('but is not ready: Baidu does not have the first of PROTECTED_IMAGES');
  });

  it('fails and uploads no callers if GitHub gives no token', async () => {
    const { failed } = await run({ ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'stranger' }, [LAST]);
    expect([failed, standIn.uploads]).toEqual([LAST, []]);
  });
});
