/** `npm run check-config`: in this process, and as an operator runs it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCheckConfig } from '../../src/tools/check-config.ts';
import { WRANGLER_CONFIG } from '../../src/tools/shell.ts';
import { CALLERS, EMULATOR_CREDENTIALS, SECRET } from '../fixtures.ts';

const ROOT = join(import.meta.dirname, '../..');
const BAIDU = {
  BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
  BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
};
const NOTES = [
  'note     no route, and workers_dev is off: only a service binding leads to the Worker',
  'note     PROTECTED_IMAGES and PROTECTED_NAMES are empty: nothing is protected',
];
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
const check = (...args: string[]) => runCheckConfig(args, folder);

describe('npm run check-config', () => {
  it('finds no fault in the credentials of one file and the callers of another, as an operator runs it', () => {
    const npm = (...args: string[]) =>
      spawnSync('npm', ['--prefix', ROOT, 'run', '--silent', 'check-config', '--', ...args], {
        cwd: folder,
        encoding: 'utf8',
      });
    const { status, stdout, stderr } = npm('baidu.json', 'callers.json');
    expect([status, stderr, linesOf(stdout)]).toEqual([0, '', [...NOTES, 'No fault.']]);
    expect(npm('baidu.json').status).toBe(1);
  });

  it('takes the environment "" for the deployment at the top', async () => {
    expect(await check('baidu.json', 'callers.json', '--env', '')).toEqual(await check('baidu.json', 'callers.json'));
  });

  it('takes everything in one file', async () => {
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
      `{"CALLERS": {"a": {"binding": true, "scopes": [], "binding": true}}, "CALLERS_1": {"${SECRET}": 1}}`,
    );
    const { status, stdout, stderr } = await check('baidu.json', 'callers.json', 'absent.json');
    expect([status, stderr]).toEqual([1, '']);
    expect(linesOf(stdout)).toEqual([
      'fault    absent.json does not exist',
      'fault    PROTECTED_IMAGE in the secrets is nothing that the Worker knows',
      'fault    member 4 in the secrets is nothing that the Worker knows',
      'fault    CALLERS caller 1: a name or a field occurs twice',
      'fault    CALLERS_1 caller 1: is not an object',
      'fault    BCE_SECRET_ACCESS_KEY has white space in it, such as a newline at its end',
      'warning  baidu.json can be read by others: chmod 600 baidu.json',
      'note     no route, and workers_dev is off: only a service binding leads to the Worker',
      '6 faults: do not deploy this.',
    ]);
    expect(stdout).not.toContain(SECRET);
  });

  it('says which file is broken, and where', async () => {
    write('baidu.json', `{"BCE_ACCESS_KEY_ID": ${SECRET}}`);
    const { status, stdout } = await check('baidu.json', 'callers.json');
    expect([status, linesOf(stdout)[0]]).toEqual([1, 'fault    baidu.json is not JSON from line 1, column 23 on']);
    expect(stdout).not.toContain(SECRET);
    expect((await check('.', 'callers.json')).stdout).toContain('fault    . cannot be read (EISDIR)\n');
  });

  it('checks an environment with what it has itself', async () => {
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
      'fault    RATE_LIMITER_SUSTAINED is not declared as a rate limit of 60 in 60 s, which callers are told',
      'fault    VERSION is not declared as the binding of version_metadata',
      '2 faults: do not deploy this.',
    ]);
    expect(lines).toContain("warning  ISSUERS is not inherited: this environment has the Worker's default");
    expect(await check('baidu.json', '--env', 'su')).toMatchObject({ status: 1, stdout: '' });
  });

  it('refuses a configuration of Wrangler that cannot be read, and arguments that it does not take', async () => {
    const absent = await check('baidu.json', '--config', 'absent.toml');
    expect([absent.status, absent.stderr]).toEqual([1, expect.stringMatching(/^absent\.toml does not exist\./)]);
    expect((await check()).stderr).toBe('A FILE is needed. See: npm run check-config -- --help\n');
    expect((await check('a', '--colour')).stderr).toMatch(/^There is an option that does not exist/);
    expect((await check('--help')).stdout).toMatch(/^Usage: npm run check-config -- FILE…/);
  });
});
