/** `npm run callers -- FILE deploy`, with the real Wrangler against a fake of Cloudflare's API. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCallers } from '../../src/tools/callers.ts';
import type { World } from '../../src/tools/command.ts';
import { parseCallers } from '../../src/worker/callers/table.ts';
import { READY, type StandIn, serve, startStandIn } from './api.ts';
import { runTool, temporary } from './world.ts';

const D1 = '1'.repeat(64);
const CALLERS = { ci: { keySha256: [D1], scopes: ['images:delete'], names: ['镜像-*'] } };
const TABLE = { CALLERS, CALLERS_1: {} };
const at = temporary('deploy');
const home = temporary('home');
let standIn: StandIn;
beforeAll(async () => {
  standIn = await startStandIn(home.folder);
});
afterAll(async () => {
  await standIn.stop();
  at.remove();
  home.remove();
});
beforeEach(() => {
  at.put('c.json', TABLE);
  standIn.uploads.length = 0;
  standIn.calls.length = 0;
  standIn.apiStatus = 200;
  standIn.lagging = 0;
  standIn.readiness = { status: 200, body: READY };
});

const run = (args: string[], env: World['env'] = {}) =>
  runTool(runCallers, ['c.json', 'deploy', ...args], { folder: at.folder, env: { ...standIn.env, ...env } });

describe('npm run callers -- FILE deploy', () => {
  it('uploads every shard verbatim, names the Worker, and writes no secret to disk', async () => {
    const { status, stdout } = await run([]);
    expect([status, stdout]).toEqual([
      0,
      'Uploaded CALLERS, CALLERS_1 to bcc-image-gateway (the top-level environment).\n',
    ]);
    expect(standIn.uploads).toEqual([
      { script: 'bcc-image-gateway', secrets: { CALLERS: JSON.stringify(CALLERS), CALLERS_1: '{}' } },
    ]);
    const { callers } = parseCallers([{ name: 'CALLERS', json: String(standIn.uploads[0]?.secrets['CALLERS']) }], []);
    expect(callers.byKey.get(D1)?.names).toEqual(['镜像-*']);
    expect(readdirSync(at.folder)).toEqual(['c.json']);
    expect(readdirSync(home.folder)).not.toEqual([]);
    expect(spawnSync('grep', ['-rl', D1, home.folder], { encoding: 'utf8' }).stdout).toBe('');
  });

  it.each([
    [['--env', ''], { CLOUDFLARE_ENV: 'gz' }, 'bcc-image-gateway'],
    [[], { CLOUDFLARE_ENV: 'gz' }, 'bcc-image-gateway-gz'],
    [['--env', 'gz'], { CLOUDFLARE_ENV: 'staging', WRANGLER_LOG: 'none', FORCE_COLOR: '3' }, 'bcc-image-gateway-gz'],
  ])('deploys to the environment that it names, whatever the variables say: %j with %j', async (args, env, script) => {
    const { status, stdout } = await run(args, env);
    expect([status, stdout]).toEqual([0, expect.stringContaining(` to ${script} (`)]);
    expect(standIn.uploads.map((upload) => upload.script)).toEqual([script]);
  });

  it('fails if Cloudflare refuses, and shows what Wrangler says', async () => {
    standIn.apiStatus = 403;
    const { status, stdout, stderr } = await run([]);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain('Authentication error');
    expect(stderr).not.toContain('\u001b');
    expect(stderr).toMatch(/Wrangler did not report CALLERS, CALLERS_1 as uploaded\.\n$/);
  });

  it('uploads nothing if the Worker would refuse the callers or its configuration', async () => {
    at.put('c.json', { CALLERS: { ci: { keySha256: [D1], scopes: ['images:write'] } } });
    const unknownScope = await run([]);
    expect([unknownScope.status, unknownScope.stderr]).toEqual([
      1,
      expect.stringContaining('CALLERS caller 1 (ci): scopes'),
    ]);
    at.put('c.json', TABLE);
    at.put('w.toml', 'name = "w"\n[vars]\nPROTECTED_IMAGES = "x"\nPROTECTED_NAMES = "[]"\n');
    const broken = await run(['--config', 'w.toml']);
    expect([broken.status, broken.stderr]).toEqual([1, expect.stringMatching(/fault {4}PROTECTED_IMAGES .*\n/)]);
    expect(broken.stderr).toMatch(/Nothing was uploaded\.\n$/);
    // Baidu's secrets are not in the file, so they are not checked.
    expect(broken.stderr).not.toContain('BCE_');
    expect([standIn.uploads, standIn.calls]).toEqual([[], []]);
  });

  it('compares each environment with the top-level one, and that one with none', async () => {
    const shared = /shares its namespace_id|belongs to the top-level environment/;
    const limits =
      '[[ratelimits]]\nname = "RATE_LIMITER_BURST"\nnamespace_id = "1"\nsimple = { limit = 20, period = 10 }\n';
    const gz = limits.replace('[[', '[[env.gz.');
    at.put('w.toml', `name = "w"\nroutes = ["images.test/*"]\n${limits}[env.gz]\nroutes = ["images.test/*"]\n${gz}`);
    const top = await run(['--config', 'w.toml', '--env', '']);
    const other = await run(['--config', 'w.toml', '--env', 'gz']);
    expect([top.stderr, top.status]).toEqual([expect.not.stringMatching(shared), 1]);
    expect(other.stderr.match(new RegExp(shared, 'g'))).toHaveLength(2);
  });

  it('waits until the gateway runs a new version', async () => {
    standIn.lagging = 3;
    let pauses = 0;
    const { status, stdout } = await runTool(runCallers, ['c.json', 'deploy', '--url', standIn.gatewayUrl], {
      folder: at.folder,
      env: { ...standIn.env, GATEWAY_TOKEN: 'token' },
      sleep: async () => pauses++,
    });
    expect([status, pauses]).toEqual([0, 3]);
    expect(stdout).toMatch(/^Uploaded .*\nhttp:\S+ runs the new version version-1\.\n$/);
  });

  it('fails if the gateway never runs a new version', async () => {
    standIn.lagging = Number.POSITIVE_INFINITY;
    const { status, stderr } = await run(['--url', standIn.gatewayUrl], { GATEWAY_TOKEN: 'token' });
    expect([status, standIn.uploads.length]).toEqual([1, 1]);
    expect(stderr).toMatch(/still runs version version-0\. It may be another Worker\.\n$/);
  });

  it('fails if no gateway answers, and already shows that before the upload', async () => {
    const { url, stop } = await serve(() => undefined);
    await stop();
    const shown: string[] = [];
    const { status, stderr } = await runTool(runCallers, ['c.json', 'deploy', '--url', url], {
      folder: at.folder,
      env: { ...standIn.env, GATEWAY_TOKEN: 'token' },
      show: (text) => shown.push(`${standIn.uploads.length} uploads: ${text}`),
    });
    expect([status, standIn.uploads.length, shown]).toEqual([
      1,
      1,
      [`0 uploads: No gateway responds at ${url} yet.\n`],
    ]);
    expect(stderr).toMatch(/Uploaded .*\nNo gateway responded at http:\S+ within a minute\.\n$/);
  });

  it('fails if the new version is not ready, or does not find the control', async () => {
    standIn.readiness = { status: 200, body: { ...READY, control: 'absent' } };
    const absent = await run(['--url', standIn.gatewayUrl], { GATEWAY_TOKEN: 'token' });
    expect([absent.status, absent.stderr]).toEqual([
      1,
      expect.stringMatching(/the new version version-1, but is not ready: Baidu does not have/),
    ]);
  });

  it('uploads nothing if it could not check the gateway afterwards', async () => {
    const withoutToken = await run(['--url', standIn.gatewayUrl]);
    const noUrl = await run(['--url', 'http://images.test'], { GATEWAY_TOKEN: 'token' });
    expect([withoutToken.status, withoutToken.stderr]).toEqual([
      1,
      expect.stringMatching(/--url: the variable GATEWAY_TOKEN is not set\. Nothing was uploaded\.\n$/),
    ]);
    expect([noUrl.status, standIn.uploads]).toEqual([1, []]);
  });
});

describe('the pipe to Wrangler that the deploy replaces', () => {
  // With this pipe, a job that ran `revoke` was green although nothing was revoked.
  it('succeeds when its left side fails, and the deploy does not', async () => {
    at.put('c.json', '{"CALLERS": {');
    const root = join(import.meta.dirname, '../..');
    const pipe = `npm run -s callers -- '${at.path('c.json')}' secrets | npx wrangler secret bulk --env=""`;
    const piped = spawnSync('sh', ['-c', pipe], {
      cwd: root,
      env: { ...process.env, ...standIn.env },
      encoding: 'utf8',
    });
    expect([piped.status, standIn.uploads]).toEqual([0, []]);
    expect((await run([])).status).toBe(1);
    expect(existsSync(join(root, 'c.json'))).toBe(false);
  });
});

afterEach(() => expect(readdirSync(at.folder).filter((file) => file.endsWith('.tmp'))).toEqual([]));
