/** `npm run check-config`: in this process, and as an operator runs it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCheckConfig } from '../../src/tools/check-config.ts';
import type { World } from '../../src/tools/command.ts';
import { WRANGLER_CONFIG } from '../../src/tools/wrangler-config.ts';
import { CALLERS, EMULATOR_CREDENTIALS, SECRET } from '../fixtures.ts';
import { READY, startStandIn } from './api.ts';
import { npmArgs, runTool } from './world.ts';

const BAIDU = {
  BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
  BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
};
const NOTES = [
  'note     no route, and workers_dev is off: only a service binding reaches the Worker',
  'note     PROTECTED_IMAGES and PROTECTED_NAMES are empty: nothing is protected',
];
const CHECKED = 'Checked: bcc-image-gateway (the top-level environment).';
const linesOf = (text: string) => text.split('\n').slice(0, -1);

let folder = '';
const write = (file: string, content: unknown, mode = 0o600) => {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(join(folder, file), text);
  chmodSync(join(folder, file), mode);
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bcg-check-'));
  write('baidu.json', BAIDU);
  write('callers.json', { CALLERS, CALLERS_1: {} }, 0o644);
});
afterEach(() => rmSync(folder, { recursive: true }));
const check = (...args: string[]) => runTool(runCheckConfig, args, { folder });
const checkWith = (world: Partial<World>, ...args: string[]) => runTool(runCheckConfig, args, { folder, ...world });

describe('npm run check-config', () => {
  it('finds no fault in two files, one with credentials and one with callers, as an operator runs it', () => {
    const npm = (...args: string[]) =>
      spawnSync('npm', npmArgs('check-config', ...args), { cwd: folder, encoding: 'utf8' });
    const { status, stdout, stderr } = npm('baidu.json', 'callers.json');
    expect([status, stderr, linesOf(stdout)]).toEqual([0, '', [...NOTES, `No fault. ${CHECKED}`]]);
    expect(npm('baidu.json').status).toBe(1);
  });

  it('treats the environment "" as the top-level one', async () => {
    expect(await check('baidu.json', 'callers.json', '--env', '')).toEqual(await check('baidu.json', 'callers.json'));
  });

  it('accepts one file with everything', async () => {
    write('secrets.json', { ...BAIDU, CALLERS: JSON.stringify(CALLERS) });
    expect(await check('secrets.json')).toMatchObject({ status: 0 });
  });

  it('reports faults first, then warnings, then notes, and no value', async () => {
    write(
      'baidu.json',
      { ...BAIDU, BCE_SECRET_ACCESS_KEY: `${SECRET} `, PROTECTED_IMAGE: SECRET, [SECRET]: SECRET },
      0o640,
    );
    write(
      'callers.json',
      `{"CALLERS": {"a": {"binding": true, "scopes": [], "bindings": true}}, "CALLERS_1": {"${SECRET}": 1}}`,
    );
    const { status, stdout, stderr } = await check('baidu.json', 'callers.json', 'absent.json');
    expect([status, stderr]).toEqual([1, '']);
    expect(linesOf(stdout)).toEqual([
      'fault    absent.json does not exist',
      'fault    PROTECTED_IMAGE is an unknown secret',
      'fault    member 4 is an unknown secret',
      'fault    CALLERS caller 1 (a): has an unknown field',
      'fault    CALLERS_1 caller 1: is not an object',
      'fault    BCE_SECRET_ACCESS_KEY contains white space, such as a trailing newline',
      'warning  baidu.json can be read by others: chmod 600 baidu.json',
      'note     no route, and workers_dev is off: only a service binding reaches the Worker',
      `6 faults: do not deploy this. ${CHECKED}`,
    ]);
    expect(stdout).not.toContain(SECRET);
  });

  it('says which file is broken, and where', async () => {
    write('baidu.json', `{"BCE_ACCESS_KEY_ID": ${SECRET}}`);
    const { status, stdout } = await check('baidu.json', 'callers.json');
    expect([status, linesOf(stdout)[0]]).toEqual([1, 'fault    baidu.json is not valid JSON at line 1, column 23']);
    expect(stdout).not.toContain(SECRET);
    expect((await check('.', 'callers.json')).stdout).toContain('fault    . cannot be read (EISDIR)\n');
  });

  it('checks an environment without what it does not inherit', async () => {
    const base = readFileSync(WRANGLER_CONFIG, 'utf8');
    const su = `
[env.su]
routes = ["su.test"]
vars = { BCC_ENDPOINT = "https://bcc.su.baidubce.com", PROTECTED_IMAGES = "[]", PROTECTED_NAMES = '["a"]' }
durable_objects.bindings = [{ name = "LEDGER", class_name = "Ledger" }]
ratelimits = [{ name = "RATE_LIMITER_BURST", namespace_id = "1", simple = { limit = 20, period = 10 } }]
`;
    write('w.toml', `${base}${su}`);
    const { status, stdout } = await check('baidu.json', 'callers.json', '--config', 'w.toml', '--env', 'su');
    const lines = linesOf(stdout);
    expect([status, ...lines.slice(0, 2), lines.at(-1)]).toEqual([
      1,
      'fault    RATE_LIMITER_SUSTAINED is not declared as a rate limit of 60 in 60 s, the limit that responses state',
      'fault    VERSION is not declared as the binding of version_metadata',
      '2 faults: do not deploy this. Checked: bcc-image-gateway-su (environment su).',
    ]);
    expect(lines).toContain("warning  ISSUERS is not inherited: this environment uses the Worker's default");
    expect(await check('baidu.json', '--env', 'su')).toMatchObject({ status: 1, stdout: '' });
  });

  it('refuses an unreadable Wrangler configuration, and unknown arguments', async () => {
    const absent = await check('baidu.json', '--config', 'absent.toml');
    expect([absent.status, absent.stderr]).toEqual([1, expect.stringMatching(/^absent\.toml does not exist\./)]);
    expect((await check()).stderr).toBe('FILE missing. See: npm run check-config -- --help\n');
    expect((await check('baidu.json', '')).stderr).toBe('FILE missing. See: npm run check-config -- --help\n');
    expect((await check('a', '--colour')).stderr).toMatch(/^Unknown option --colour\. /);
    expect((await check('--help')).stdout).toMatch(/^Usage: npm run check-config -- FILE…/);
  });

  it('checks only the environment that it names, whatever the variables say', async () => {
    const of = async (env: World['env'], ...args: string[]) => {
      const { status, stdout } = await checkWith({ env }, 'baidu.json', 'callers.json', ...args);
      return [status, linesOf(stdout).at(-1)];
    };
    const gz = 'Checked: bcc-image-gateway-gz (environment gz).';
    expect(await of({ CLOUDFLARE_ENV: 'gz' }, '--env', '')).toEqual([0, `No fault. ${CHECKED}`]);
    expect(await of({ CLOUDFLARE_ENV: 'gz' })).toEqual([0, `No fault. ${gz}`]);
    expect(await of({ CLOUDFLARE_ENV: 'staging' }, '--env', 'gz')).toEqual([0, `No fault. ${gz}`]);
  });

  it('finds the faults of the environment in the option, not of the one in CLOUDFLARE_ENV', async () => {
    const base = readFileSync(WRANGLER_CONFIG, 'utf8');
    write('w.toml', base.replace('PROTECTED_IMAGES = "[]"', 'PROTECTED_IMAGES = "x"'));
    const args = ['baidu.json', 'callers.json', '--config', 'w.toml', '--env', ''];
    expect((await checkWith({ env: { CLOUDFLARE_ENV: 'gz' } }, ...args)).status).toBe(1);
  });

  it('prints ASCII JSON on request', async () => {
    write('ä.json', '{');
    const { status, stdout, stderr } = await check('ä.json', 'callers.json', '--json', '--env', 'gz');
    expect([status, stderr, /^[\x20-\x7e\n]*$/.test(stdout)]).toEqual([1, '', true]);
    expect(JSON.parse(stdout)).toMatchObject({
      worker: 'bcc-image-gateway-gz',
      environment: 'gz',
      findings: expect.arrayContaining([{ level: 'fault', text: 'ä.json ends before its JSON is complete' }]),
    });
  });

  it('escapes a file name that could control a terminal', () => {
    const { stdout } = spawnSync('npm', npmArgs('check-config', '\u001b[2J\u202e.json'), {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stdout).toContain('fault    \\u001b[2J\\u202e.json does not exist\n');
  });

  it('asks the gateway whether Baidu has the control', async () => {
    const standIn = await startStandIn(folder);
    const last = async (url: string, env: World['env'] = { GATEWAY_TOKEN: 'token' }) => {
      const { status, stdout } = await checkWith({ env }, 'baidu.json', 'callers.json', '--upstream', url);
      return [status, linesOf(stdout).filter((line) => line.includes('127.0.0.1') || line.includes('images.test'))];
    };
    const url = standIn.gatewayUrl;
    const absent = 'Baidu does not have the first of PROTECTED_IMAGES';
    try {
      expect(await last(url)).toEqual([0, []]);
      standIn.readiness = { status: 200, body: { ...READY, control: 'absent' } };
      expect(await last(url)).toEqual([1, [expect.stringContaining(`fault    ${url}: ${absent}`)]]);
      standIn.readiness = { status: 200, body: { ...READY, control: null } };
      expect(await last(url)).toEqual([0, [`note     ${url} has not verified account and region`]]);
      expect(await last(url, {})).toEqual([1, [`fault    ${url}: the variable GATEWAY_TOKEN is not set`]]);
      expect(await last('http://images.test')).toEqual([
        1,
        [expect.stringMatching(/^fault {4}http:\/\/images\.test: /)],
      ]);
    } finally {
      await standIn.stop();
    }
  });
});
