/** `npm run callers`: in this process, and as an operator runs it. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCallers } from '../../src/tools/callers.ts';
import type { World } from '../../src/tools/command.ts';
import { parseConfig } from '../../src/worker/config.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import { EMULATOR_CREDENTIALS } from '../fixtures.ts';
import { npmArgs, runTool, temporary } from './world.ts';

const KEY = /bcg_[\w-]{43}/g;
const GHA = `name = "a"
[vars]
ISSUERS = '{ "gha": { "issuer": "https://gha.test", "audience": "bcc", "jwks": "https://gha.test/jwks" } }'
[env.gz.vars]
ISSUERS = '{ "cce": { "issuer": "https://cce.test", "audience": "bcc", "jwks": "https://cce.test/jwks" } }'
`;
let at: ReturnType<typeof temporary>;
beforeEach(() => {
  at = temporary('callers');
  at.put('w.toml', GHA);
});
afterEach(() => at.remove());

const run = (...args: string[]) => runTool(runCallers, args, at);
const runWith = (world: Partial<World>, ...args: string[]) => runTool(runCallers, args, { ...at, ...world });
const npm = (...args: string[]) => spawnSync('npm', npmArgs('callers', ...args), { cwd: at.folder, encoding: 'utf8' });
const textOf = (file: string) => at.textOf(file);
const digestOf = (key: string) => createHash('sha256').update(key).digest('hex');
const keysIn = (text: string): string[] => [...text.matchAll(KEY)].map(([key]) => key);
const only = (list: readonly string[]) => {
  expect(list).toHaveLength(1);
  return list[0] ?? '';
};
/** What the Worker reads from the output of `secrets`. */
const parsedSecrets = (stdout: string) => {
  const secrets = parseJson(stdout);
  return parseConfig({
    BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
    BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
    PROTECTED_IMAGES: '[]',
    PROTECTED_NAMES: '[]',
    LEDGER: { getByName: () => undefined },
    RATE_LIMITER_BURST: { limit: () => undefined },
    RATE_LIMITER_SUSTAINED: { limit: () => undefined },
    ...(isRecord(secrets) ? secrets : {}),
  });
};

const TOP = 'bcc-image-gateway (the top-level environment)';

describe('npm run callers', () => {
  it('adds, rotates, revokes and removes callers, and prints the secrets', async () => {
    const added = npm('callers.json', 'add', 'ci', '--names', 'ci-*', '--daily-deletions', '5');
    expect([added.status, added.stderr]).toEqual([0, '']);
    const first = only(keysIn(added.stdout));
    const second = only(keysIn((await run('callers.json', 'rotate', 'ci')).stdout));
    const revoked = await run('callers.json', 'revoke', 'ci', digestOf(first).slice(0, 8));
    expect([revoked.status, revoked.stdout]).toEqual([
      0,
      expect.stringMatching(/^ci: removed a key in CALLERS\. .*\n\nci CALLERS keys=\w{8} scopes=/),
    ]);
    const { stdout, status, stderr } = npm('callers.json', 'secrets');
    expect([status, stderr]).toEqual([0, `${TOP}\n`]);
    const { config, callers, problems } = parsedSecrets(stdout);
    expect([problems, config === null]).toEqual([[], false]);
    const caller = callers?.byKey.get(digestOf(second));
    expect([...(callers?.byKey.keys() ?? [])]).toEqual([digestOf(second)]);
    expect([caller?.id, caller?.names, caller?.dailyDeletions]).toEqual(['ci', ['ci-*'], 5]);
    for (const text of [textOf('callers.json'), revoked.stdout, stdout]) expect(keysIn(text)).toEqual([]);
    const refused = await run('callers.json', 'revoke', 'ci', digestOf(second).slice(0, 8));
    expect([refused.status, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/^Nothing was changed: this is the only credential of ci; /);
    expect((await run('callers.json', 'remove', 'ci')).stdout).toMatch(
      /^ci: removed from CALLERS\. .*\n\nCALLERS: 0 callers/,
    );
    expect(textOf('callers.json')).toBe('{\n  "CALLERS": {}\n}\n');
  });

  it("creates the file, and prints the caller's shard, the environment it was checked with, and how to deploy", async () => {
    const { status, stdout } = await run('c.json', 'add', 'ci', '--env', 'gz', '--config', 'w.toml');
    const key = only(keysIn(stdout));
    const digest = digestOf(key);
    const bytes = `{"ci":{"keySha256":["${digest}"],"scopes":["images:delete","images:read"]}}`.length;
    expect([status, stdout]).toEqual([
      0,
      [
        `The new key, ${digest.slice(0, 8)}, shown only this once:\n\n  ${key}\n`,
        'ci: added to CALLERS. Checked with a-gz (environment gz).\n',
        `ci CALLERS keys=${digest.slice(0, 8)} scopes=images:delete,images:read`,
        `CALLERS: 1 caller, ${bytes} of 5000 bytes\n`,
        `To deploy: npm run callers -- c.json deploy --config ${at.path('w.toml')} --env gz\n`,
      ].join('\n'),
    ]);
    expect(textOf('c.json')).toBe(
      `${JSON.stringify({ CALLERS: { ci: { keySha256: [digest], scopes: ['images:delete', 'images:read'] } } }, null, 2)}\n`,
    );
  });

  it('prints a deploy command for a shell, with the environment that was checked', async () => {
    const file = "it's $HOME.json";
    const { stdout } = await run(file, 'add', 'ci');
    const [, line = ''] = /^To deploy: npm run callers (.*)$/m.exec(stdout) ?? [];
    const printed = spawnSync('sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' }).stdout;
    expect(printed.split('\n').slice(0, -1)).toEqual(['--', file, 'deploy', '--env', '']);
  });

  it.each([
    [['--env', ''], { CLOUDFLARE_ENV: 'gz' }, 'gha', 'a (the top-level environment)'],
    [[], { CLOUDFLARE_ENV: 'gz' }, 'cce', 'a-gz (environment gz)'],
    [['--env', 'gz'], {}, 'cce', 'a-gz (environment gz)'],
    [[], {}, 'gha', 'a (the top-level environment)'],
  ])('uses the issuers of the environment that it names: %j with %j', async (args, env, issuer, name) => {
    const add = (caller: string, by: string) =>
      runWith({ env }, 'c.json', 'add', caller, '--token', by, 'a=1', '--config', 'w.toml', ...args);
    const known = await add('one', issuer);
    expect([known.status, known.stdout]).toEqual([0, expect.stringContaining(`Checked with ${name}.`)]);
    expect((await add('two', issuer === 'gha' ? 'cce' : 'gha')).status).toBe(1);
    expect((await runWith({ env }, 'c.json', 'list', '--config', 'w.toml', ...args)).stderr).toBe(`${name}\n`);
  });

  it('loses no change if many run at once on two names of a file, and those refused change nothing', async () => {
    await run('c.json', 'add', 'first');
    symlinkSync('c.json', at.path('link.json'));
    const names = Array.from({ length: 12 }, (_, index) => `caller-${index}`);
    const outcomes = await Promise.all(
      names.map((name, index) => run(index % 2 ? 'c.json' : 'link.json', 'add', name)),
    );
    const done = names.filter((_, index) => outcomes[index]?.status === 0);
    expect(done.length).toBeGreaterThan(0);
    expect(Object.keys(Object(parseJson(textOf('c.json'))).CALLERS)).toEqual(['first', ...done]);
    for (const { status, stderr } of outcomes.filter((each) => each.status === 1)) {
      expect([status, stderr]).toEqual([
        1,
        expect.stringMatching(/\.json (?:is being|was) changed by .*\. Your change was not made/),
      ]);
    }
    expect((await run('c.json', 'add', 'another')).status).toBe(0);
  });

  it.each(['add', 'rotate'])('%s changes nothing if its key cannot be shown', async (verb) => {
    await run('c.json', 'add', 'ci');
    const before = textOf('c.json');
    const name = verb === 'add' ? 'other' : 'ci';
    const full = spawnSync('sh', ['-c', `npm "$@" > /dev/full`, 'sh', ...npmArgs('callers', 'c.json', verb, name)], {
      cwd: at.folder,
      encoding: 'utf8',
    });
    expect([full.status, full.stderr]).toEqual([
      1,
      'c.json was not changed, because the key could not be printed (ENOSPC). Your change was not made.\n',
    ]);
    const closed = await runWith({ print: async () => 'EPIPE' }, 'c.json', verb, name);
    expect([closed.status, textOf('c.json'), readdirSync(at.folder)]).toEqual([1, before, ['c.json', 'w.toml']]);
  });

  it('shows a key before it writes the digest, and says so if it then cannot write', async () => {
    await run('c.json', 'add', 'ci');
    const before = textOf('c.json');
    const print = async () => {
      expect(textOf('c.json')).toBe(before);
      at.put('c.json', '{"CALLERS": {}}');
      return null;
    };
    expect((await runWith({ print }, 'c.json', 'rotate', 'ci')).stderr).toBe(
      'c.json was changed by another process. Your change was not made, and the key above is not valid.\n',
    );
    expect(textOf('c.json')).toBe('{"CALLERS": {}}');
  });

  it('prints ASCII to a pipe, and reads a file that Windows wrote', async () => {
    at.put('c.json', '\ufeff{"CALLERS": {\r\n"a": {"binding": true, "scopes": [], "names": ["镜像-*"]}}}\r\n');
    const { status, stdout } = await run('c.json', 'secrets');
    expect([status, /^[\x20-\x7e]*\n$/.test(stdout)]).toEqual([0, true]);
    expect(parsedSecrets(stdout).callers?.byName.get('a')?.names).toEqual(['镜像-*']);
    expect((await run('c.json', 'add', 'b')).status).toBe(0);
    expect(textOf('c.json')).toContain('"镜像-*"');
    expect(textOf('c.json')).not.toMatch(/\ufeff|\r/);
  });

  it('shows callers as lines and as JSON', async () => {
    await run('c.json', 'add', 'a', '--binding', '--names', 'ci-*');
    await run('c.json', 'add', 'b', '--scopes', 'images:read');
    const listed = await run('c.json', 'list');
    expect(listed.stdout).toMatch(
      /^a CALLERS binding=true scopes=images:delete,images:read names=ci-\*\nb CALLERS keys=[0-9a-f]{8} scopes=images:read\n\nCALLERS: 2 callers, \d+ of 5000 bytes\n$/,
    );
    expect(listed.stderr).toBe(`${TOP}\n`);
    expect((await run('c.json', 'list', 'b')).stdout).toMatch(/^b CALLERS .*\n\nCALLERS: 2 callers/);
    const { stdout, stderr } = await run('c.json', 'list', '--json', 'b');
    expect([parseJson(stdout), stderr]).toEqual([
      {
        worker: 'bcc-image-gateway',
        environment: '',
        callers: [
          { caller: 'b', shard: 'CALLERS', keys: [expect.stringMatching(/^[0-9a-f]{8}$/)], scopes: ['images:read'] },
        ],
      },
      '',
    ]);
  });

  it('makes no key for a caller with another credential', async () => {
    const binding = await run('c.json', 'add', 'bound', '--binding', '--scopes', 'images:read');
    const token = await run('c.json', 'add', 'gha', '--token', 'gha', 'a=1', 'b=x=y\n"', '--config', 'w.toml');
    expect([binding.status, token.status, keysIn(binding.stdout + token.stdout)]).toEqual([0, 0, []]);
    expect(parseJson(textOf('c.json'))).toEqual({
      CALLERS: {
        bound: { binding: true, scopes: ['images:read'] },
        gha: {
          tokens: [{ issuer: 'gha', claims: { a: '1', b: 'x=y\n"' } }],
          scopes: ['images:delete', 'images:read'],
        },
      },
    });
    const both = await run('c.json', 'add', 'both', '--binding', '--key', '--config', 'w.toml');
    expect(keysIn(both.stdout)).toHaveLength(1);
    const more = [
      '--token',
      'gha',
      'a=2',
      '--token',
      'gha',
      '__proto__=x',
      '--scopes',
      'metrics:read',
      '--names',
      'a, b',
    ];
    await run('c.json', 'add', 'more', ...more, '--daily-deletions', '07', '--config', 'w.toml');
    expect(JSON.stringify(Object(parseJson(textOf('c.json'))).CALLERS.more)).toBe(
      '{"tokens":[{"issuer":"gha","claims":{"a":"2"}},{"issuer":"gha","claims":{"__proto__":"x"}}],"scopes":["metrics:read"],"names":["a","b"],"dailyDeletions":7}',
    );
  });

  it('keeps several shards within their limit, moves a caller that outgrows its shard, and keeps a shard that is empty', async () => {
    const entries = Array.from({ length: 35 }, (_, index) => [
      `caller-${index}`,
      { keySha256: [digestOf(`${index}`)], scopes: ['images:delete', 'images:read'] },
    ]);
    at.put('c.json', { CALLERS: Object.fromEntries(entries) });
    for (const index of [35, 36]) expect((await run('c.json', 'add', `caller-${index}`)).status).toBe(0);
    const sizes = [
      ...(await run('c.json', 'list')).stdout.matchAll(/^(CALLERS\w*): (\d+) callers?, (\d+) of 5000 bytes$/gm),
    ];
    expect(sizes.map(([, name]) => name)).toEqual(['CALLERS', 'CALLERS_1']);
    for (const [, name = '', count, bytes] of sizes) {
      const secret = String(Object(parseJson((await run('c.json', 'secrets')).stdout))[name]);
      expect([Buffer.byteLength(secret), Object.keys(Object(parseJson(secret))).length]).toEqual([
        Number(bytes),
        Number(count),
      ]);
      expect(Number(bytes)).toBeLessThanOrEqual(5_000);
    }
    // A second digest takes 67 bytes, and the first shard has room for just one.
    const stayed = await run('c.json', 'rotate', 'caller-0');
    expect(stayed.stdout).toContain('caller-0: added a key in CALLERS. ');
    const moved = await run('c.json', 'rotate', 'caller-1');
    expect(moved.stdout).toContain('caller-1: added a key in CALLERS_1, because CALLERS has no room for it. ');
    const inSecond = Object.keys(Object(parseJson(textOf('c.json'))).CALLERS_1);
    expect(inSecond.at(-1)).toBe('caller-1');
    for (const name of inSecond) await run('c.json', 'remove', name);
    const { callers, problems } = parsedSecrets((await run('c.json', 'secrets')).stdout);
    expect([problems, textOf('c.json').endsWith('"CALLERS_1": {}\n}\n')]).toEqual([[], true]);
    expect(callers?.byKey.size).toBe(1 + 37 - inSecond.length);
  });

  it.each([
    ['an unknown scope', ['add', 'b', '--scopes', 'images:write'], 'CALLERS caller 2 (b): scopes must be a list of'],
    ['an invalid pattern', ['add', 'b', '--names', '[a-z]'], 'CALLERS caller 2 (b): names must be a list of'],
    ['too many deletions', ['add', 'b', '--daily-deletions', '10001'], 'CALLERS caller 2 (b): dailyDeletions must be'],
    ['an unknown issuer', ['add', 'b', '--token', 'k8s', 'sub=x'], 'CALLERS caller 2 (b): tokens names an issuer'],
    ['a claim with a star', ['add', 'b', '--token', 'gha', 'sub=*'], 'CALLERS caller 2 (b): claims must be'],
    ['a name that is taken', ['add', 'a'], 'a is already in CALLERS'],
    ['an unknown caller', ['rotate', 'b'], 'no caller has this name'],
    ['an issuer of another environment', ['add', 'b', '--token', 'gha', 'a=1', '--env', 'gz'], 'tokens names'],
  ])('writes nothing for %s', async (_, args, problem) => {
    await run('c.json', 'add', 'a');
    const before = textOf('c.json');
    const { status, stdout, stderr } = await run('c.json', ...args, '--config', 'w.toml');
    expect([status, stdout, textOf('c.json')]).toEqual([1, '', before]);
    expect(stderr).toMatch(/^(?:Nothing was changed:|c\.json was not changed, because)/);
    expect(stderr).toContain(problem);
    expect(keysIn(stderr)).toEqual([]);
  });

  it.each([
    ['{"CALLERS": {"a": 1,}}', 'the file is not valid JSON at line 1, column 21'],
    ['{"CALLERS": {}, "CALLERS_1": {"a": 1}}', 'CALLERS_1 caller 1: is not an object'],
    ['{"CALLERS": {}, "CALLERS": {}}', 'the file has a duplicate name at line 1, column 17'],
  ])('leaves %s alone, whatever the command', async (text, problem) => {
    at.put('c.json', text);
    const commands = [['add', 'b'], ['rotate', 'a'], ['remove', 'a'], ['list'], ['secrets'], ['deploy']];
    for (const args of commands) {
      expect(await run('c.json', ...args)).toEqual({
        status: 1,
        stdout: '',
        stderr: `c.json has errors:\n  - ${problem}\n`,
      });
    }
    expect(textOf('c.json')).toBe(text);
  });

  it('prints no shard that Cloudflare would refuse, but lets an operator make it smaller', async () => {
    const callers = Array.from({ length: 16 }, (_, index) => [
      `${index}`,
      { names: ['a'.repeat(128)], keySha256: [index.toString(16).repeat(64)], scopes: [] },
    ]);
    const wide = { binding: true, scopes: [], names: Array.from({ length: 10 }, () => 'b'.repeat(128)) };
    at.put('c.json', { CALLERS: { ...Object.fromEntries(callers), wide } });
    const refused = await run('c.json', 'secrets');
    expect([refused.status, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(
      /^Cloudflare would refuse these shards:\nCALLERS: 17 callers, \d{4} of 5000 bytes: too large; /,
    );
    expect((await run('c.json', 'list')).stdout).toMatch(/^CALLERS: 17 callers, \d{4} of 5000 bytes: too large; /m);
    expect((await run('c.json', 'remove', 'wide')).status).toBe(0);
    expect((await run('c.json', 'secrets')).status).toBe(0);
  });

  it('refuses a file that does not exist or cannot be replaced, and says so', async () => {
    expect((await run('c.json', 'list')).stderr).toBe('c.json does not exist. "add" creates it.\n');
    expect(existsSync(at.path('c.json'))).toBe(false);
    expect((await run('.', 'add', 'a')).stderr).toBe('. cannot be read (EISDIR).\n');
    expect((await run('absent/c.json', 'add', 'a')).stderr).toBe(
      'absent/c.json cannot be written (ENOENT). Your change was not made.\n',
    );
    await run('c.json', 'add', 'a');
    expect((await run('c.json', 'list', 'b')).stderr).toBe('No caller has this name.\n');
  });

  it('refuses a Wrangler configuration that cannot be read, or that has invalid issuers', async () => {
    at.put('bad.toml', 'name = "a"\n[vars]\nISSUERS = "{"\n');
    expect(await run('c.json', 'add', 'a', '--config', 'bad.toml')).toEqual({
      status: 1,
      stdout: '',
      stderr: `${at.path('bad.toml')} has errors:\n  - ISSUERS is not a JSON object\n`,
    });
    const absent = await run('c.json', 'add', 'a', '--config', 'absent.toml');
    expect(absent.stderr).toMatch(/^absent\.toml does not exist\./);
    expect(existsSync(at.path('c.json'))).toBe(false);
  });
});

describe('a command of npm run callers', () => {
  const failureOf = async (args: string[]) => {
    const { status, stdout, stderr } = await run(...args);
    expect([args, status, stdout]).toEqual([args, 1, '']);
    return stderr;
  };

  it.each([
    [[], 'FILE or command missing.'],
    [['c.json'], 'FILE or command missing.'],
    [['c.json', 'drop', 'ci'], 'Unknown command.'],
    [['c.json', 'constructor'], 'Unknown command.'],
    [['c.json', 'add'], 'NAME is missing.'],
    [['c.json', 'rotate', ''], 'NAME is missing.'],
    [['c.json', 'remove'], 'NAME is missing.'],
    [['c.json', 'revoke'], 'NAME is missing.'],
    [['c.json', 'revoke', 'ci'], 'FINGERPRINT is missing; "remove" removes the caller.'],
    [['c.json', 'revoke', 'ci', ''], 'FINGERPRINT is missing; "remove" removes the caller.'],
    [
      ['c.json', 'revoke', 'ci', '0123abc'],
      'FINGERPRINT must be 8 hex characters, as "list" or caller.key.fingerprint in the log shows them.',
    ],
    [['c.json', 'secrets', 'ci'], 'Too many arguments.'],
    [['c.json', 'deploy', 'ci'], 'Too many arguments.'],
    [['c.json', 'rotate', 'ci', '0123abcd'], 'Too many arguments.'],
    [['c.json', 'remove', 'ci', '0123abcd'], 'Too many arguments.'],
    [['c.json', 'add', 'ci', '--binding', 'a=1'], 'Too many arguments.'],
    [['c.json', 'list', '--scopes', 'a'], 'Only "add" takes --scopes.'],
    [['c.json', 'rotate', 'ci', '--key'], 'Only "add" takes --key.'],
    [['c.json', 'secrets', '--json'], 'Only "list" takes --json.'],
    [['c.json', 'list', '--url', 'a'], 'Only "deploy" takes --url.'],
    [['c.json', 'add', 'ci', '--names', ''], '--names needs a value.'],
    [['c.json', 'add', 'ci', '--scopes', ' '], '--scopes needs a value.'],
    [['c.json', 'add', 'ci', '--token', '', 'a=1'], '--token needs a value.'],
    [['c.json', 'add', 'ci', '--config='], '--config needs a value.'],
    [['c.json', 'add', 'ci', '--daily-deletions=-1'], '--daily-deletions needs a number.'],
    [['c.json', 'add', 'ci', '--daily-deletions', '1.5'], '--daily-deletions needs a number.'],
    [['c.json', 'add', 'ci', '--scope', 'a'], 'Unknown option --scope.'],
    [['c.json', 'add', 'ci', '--token', 'gha'], '--token ISSUER needs at least one CLAIM=TEXT.'],
    [
      ['c.json', 'add', 'ci', '--token', 'gha', 'a=1', '--token', 'k8s'],
      '--token ISSUER needs at least one CLAIM=TEXT.',
    ],
    [['c.json', 'add', '--token', 'gha', 'a=1', 'ci'], 'NAME is missing.'],
    [['c.json', 'add', 'ci', '--token', 'gha', 'a='], '--token ISSUER needs at least one CLAIM=TEXT.'],
    [['c.json', 'add', 'ci', '--token', 'gha', 'a=1', 'a=2'], '--token has a duplicate claim.'],
    [['c.json', 'list', 'a/b'], expect.stringMatching(/^NAME must be 1 to 64 letters/)],
  ])('is not %j', async (args, failure) => {
    expect(await failureOf(args)).toEqual(
      typeof failure === 'string' ? `${failure} See: npm run callers -- --help\n` : failure,
    );
    expect(existsSync(at.path('c.json'))).toBe(false);
  });

  it('never repeats a key given in the wrong place', async () => {
    const key = `bcg_${'Ab1-'.repeat(10)}xyz`;
    at.put('c.json', '{"CALLERS": {"ci": {"binding": true, "scopes": []}}}');
    for (const args of [
      ['add', key],
      ['revoke', 'ci', key],
      [key],
      ['add', 'ci', '--key', key],
      [`--${key}`],
      ['list', key],
    ]) {
      expect(await failureOf(['c.json', ...args])).not.toContain('Ab1-');
    }
  });

  it.each([
    [['--binding'], 'binding'],
    [['--scope', 'images:read'], 'scopes'],
    [['--name', 'ci-*'], 'names'],
    [['--daily-deletion=3'], 'daily-deletions'],
    [['--tok', 'gha', 'a=1'], 'token'],
  ])('is refused if npm has taken its options, and adds no caller: %j', (options, option) => {
    const args = npmArgs('callers', 'c.json', 'add', 'ci', ...options).filter((arg) => arg !== '--');
    const { status, stderr } = spawnSync('npm', args, { cwd: at.folder, encoding: 'utf8' });
    expect([status, stderr]).toEqual([
      1,
      `npm has taken --${option} for itself: write "npm run callers -- …". See: npm run callers -- --help\n`,
    ]);
    expect(existsSync(at.path('c.json'))).toBe(false);
  });
});
