/** `npm run callers`: in this process, and as an operator runs it. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCallers } from '../../src/tools/callers.ts';
import { parseConfig } from '../../src/worker/config.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import { EMULATOR_CREDENTIALS } from '../fixtures.ts';

const ROOT = join(import.meta.dirname, '../..');
const KEY = /bcg_[\w-]{43}/g;
const GHA = `name = "a"
[vars]
ISSUERS = '{ "gha": { "issuer": "https://gha.test", "audience": "bcc", "jwks": "https://gha.test/jwks" } }'
[env.gz.vars]
ISSUERS = '{ "cce": { "issuer": "https://cce.test", "audience": "bcc", "jwks": "https://cce.test/jwks" } }'
`;
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bcg-callers-'));
  writeFileSync(join(folder, 'w.toml'), GHA);
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => runCallers(args, folder);
const npm = (...args: string[]) =>
  spawnSync('npm', ['--prefix', ROOT, 'run', '--silent', 'callers', '--', ...args], { cwd: folder, encoding: 'utf8' });
const textOf = (file: string) => readFileSync(join(folder, file), 'utf8');
const digestOf = (key: string) => createHash('sha256').update(key).digest('hex');
const keysIn = (text: string): string[] => [...text.matchAll(KEY)].map(([key]) => key);
const only = (list: readonly string[]) => {
  expect(list).toHaveLength(1);
  return list[0] ?? '';
};
/** The Worker's reading of what `secrets` prints. */
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

describe('npm run callers', () => {
  it('adds, rotates, revokes and hands over, as an operator runs it', () => {
    const added = npm('callers.json', 'add', 'ci', '--names', 'ci-*', '--daily-deletions', '5');
    expect([added.status, added.stderr]).toEqual([0, '']);
    const first = only(keysIn(added.stdout));
    const rotated = npm('callers.json', 'rotate', 'ci');
    const second = only(keysIn(rotated.stdout));
    const revoked = npm('callers.json', 'revoke', 'ci', digestOf(first).slice(0, 8));
    expect([revoked.status, revoked.stdout]).toEqual([0, expect.stringMatching(/^Removed a key of ci in CALLERS\.\n/)]);
    const { stdout, status, stderr } = npm('callers.json', 'secrets');
    expect([status, stderr]).toEqual([0, '']);
    const { config, callers, problems } = parsedSecrets(stdout);
    expect([problems, config === null]).toEqual([[], false]);
    const caller = callers?.byKey.get(digestOf(second));
    expect([...(callers?.byKey.keys() ?? [])]).toEqual([digestOf(second)]);
    expect([caller?.id, caller?.names, caller?.dailyDeletions]).toEqual(['ci', ['ci-*'], 5]);
    for (const text of [textOf('callers.json'), revoked.stdout, stdout]) expect(keysIn(text)).toEqual([]);
    const refused = npm('callers.json', 'revoke', 'ci', digestOf(second).slice(0, 8));
    expect([refused.status, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/^Nothing was changed: this key is the only proof of ci: /);
  });

  it('replaces a leaked key, through the pipe to Wrangler that the README tells of', async () => {
    const leaked = only(keysIn((await run('callers.json', 'add', 'ci')).stdout));
    const fresh = only(keysIn((await run('callers.json', 'rotate', 'ci')).stdout));
    await run('callers.json', 'revoke', 'ci', digestOf(leaked).slice(0, 8));
    const uploads: string[] = [];
    // Stands in for Cloudflare's API.
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url?.endsWith('/secrets-bulk')) uploads.push(Buffer.concat(chunks).toString());
        response.end(JSON.stringify({ success: true, errors: [], messages: [], result: null }));
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const file = join(folder, 'callers.json');
    const pipe = spawn('sh', ['-c', `npm run -s callers -- '${file}' secrets | npx wrangler secret bulk`], {
      cwd: ROOT,
      stdio: 'ignore',
      env: {
        ...process.env,
        HOME: folder,
        XDG_CONFIG_HOME: folder,
        CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${port}`,
        CLOUDFLARE_API_TOKEN: 'none',
        CLOUDFLARE_ACCOUNT_ID: 'none',
        WRANGLER_SEND_METRICS: 'false',
      },
    });
    const [status] = await once(pipe, 'exit');
    server.close();
    expect(status).toBe(0);
    const upload = parseJson(only(uploads));
    const { CALLERS } = isRecord(upload) && isRecord(upload['secrets']) ? upload['secrets'] : {};
    const { callers, problems } = parsedSecrets(JSON.stringify({ CALLERS: isRecord(CALLERS) && CALLERS['text'] }));
    expect([problems, [...(callers?.byKey.keys() ?? [])]]).toEqual([[], [digestOf(fresh)]]);
  });

  it('makes the file, tells where the caller stands and how large the part is', async () => {
    const { status, stdout } = await run('c.json', 'add', 'ci', '--env', 'gz', '--config', 'w.toml');
    const key = only(keysIn(stdout));
    const bytes = `{"ci":{"keySha256":["${digestOf(key)}"],"scopes":["images:delete","images:read"]}}`.length;
    expect(status).toBe(0);
    expect(stdout).toBe(
      [
        'Added ci to CALLERS.',
        `Its key ${digestOf(key).slice(0, 8)}, shown this once; hand it over by a safe way:`,
        `\n  ${key}`,
        `\nCALLERS  ${bytes} of 5000 bytes  1 caller`,
        '\nTo deploy: npm run -s callers -- c.json secrets --config w.toml --env gz | npx wrangler secret bulk --config w.toml --env="gz"\n',
      ].join('\n'),
    );
    expect(parseJson(textOf('c.json'))).toEqual({
      CALLERS: { ci: { keySha256: [digestOf(key)], scopes: ['images:delete', 'images:read'] } },
    });
  });

  it('tells a way to deploy that takes the same configuration, and none is the one at the top', async () => {
    const { stdout } = await run('c.json', 'add', 'ci', '--env', '');
    expect(stdout).toMatch(/^To deploy: npm run -s callers -- c\.json secrets \| npx wrangler secret bulk --env=""$/m);
    await run('g.json', 'add', 'job', '--token', 'cce', 'a=1', '--config', 'w.toml', '--env', 'gz');
    expect((await run('g.json', 'secrets')).status).toBe(1);
    expect((await run('g.json', 'secrets', '--config', 'w.toml', '--env', 'gz')).status).toBe(0);
  });

  it('loses no change if many are made at once: those that are refused say so, and make none', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `caller-${index}`);
    const outcomes = await Promise.all(names.map((name) => run('c.json', 'add', name)));
    const done = names.filter((_, index) => outcomes[index]?.status === 0);
    expect(done.length).toBeGreaterThan(0);
    expect(Object.keys(Object(parseJson(textOf('c.json'))).CALLERS)).toEqual(done);
    for (const { status, stdout, stderr } of outcomes.filter((each) => each.status === 1)) {
      expect([status, stdout, stderr]).toEqual([
        1,
        '',
        expect.stringMatching(/^c\.json (?:is being|was) changed by .*/),
      ]);
    }
    expect((await run('c.json', 'add', 'another')).status).toBe(0);
  });

  it('makes no key for a caller that has another proof', async () => {
    const binding = await run('c.json', 'add', 'bound', '--binding', '--scopes', 'images:read');
    const token = await run('c.json', 'add', 'gha', '--token', 'gha', 'a=1', 'b=2', '--config', 'w.toml');
    expect([binding.status, token.status, keysIn(binding.stdout + token.stdout)]).toEqual([0, 0, []]);
    expect(parseJson(textOf('c.json'))).toEqual({
      CALLERS: {
        bound: { binding: true, scopes: ['images:read'] },
        gha: { tokens: [{ issuer: 'gha', claims: { a: '1', b: '2' } }], scopes: ['images:delete', 'images:read'] },
      },
    });
    expect(
      keysIn((await run('c.json', 'add', 'both', '--binding', '--key', '--config', 'w.toml')).stdout),
    ).toHaveLength(1);
  });

  it('keeps callers of several parts below the limit of each, moves one that outgrows its part, and empties a part', async () => {
    const names = Array.from({ length: 50 }, (_, index) => `caller-${index}`);
    for (const name of names) expect((await run('c.json', 'add', name)).status).toBe(0);
    const listed = (await run('c.json', 'list')).stdout;
    const sizes = [...listed.matchAll(/^(CALLERS\w*) +(\d+) of 5000 bytes +(\d+) callers?$/gm)];
    expect(sizes.map(([, name]) => name)).toEqual(['CALLERS', 'CALLERS_1']);
    for (const [, name = '', bytes, count] of sizes) {
      const secrets = parseJson((await run('c.json', 'secrets')).stdout);
      const secret = isRecord(secrets) ? String(secrets[name]) : '';
      expect([Buffer.byteLength(secret), Buffer.byteLength(secret) <= 5_000]).toEqual([Number(bytes), true]);
      expect(Object.keys(parseJson(secret) ?? {})).toHaveLength(Number(count));
    }
    // A second digest takes 67 bytes, and the first part has room for just one.
    const free = 5_000 - Number(sizes[0]?.[2]);
    expect([free >= 67, free < 2 * 67]).toEqual([true, true]);
    const stayed = await run('c.json', 'rotate', 'caller-0');
    expect(stayed.stdout).toContain('Added a second key of caller-0 in CALLERS.\n');
    const moved = await run('c.json', 'rotate', 'caller-1');
    expect(moved.stdout).toContain(
      'Added a second key of caller-1 in CALLERS_1, because CALLERS has no room for it.\n',
    );
    const shown = (await run('c.json', 'list', 'caller-1')).stdout;
    expect(shown).toMatch(/^caller-1 +CALLERS_1 .+ key [0-9a-f]{8}; key [0-9a-f]{8}$/m);
    const table = parseJson(textOf('c.json'));
    const inSecond = Object.keys((isRecord(table) && table['CALLERS_1']) || {});
    expect(inSecond.at(-1)).toBe('caller-1');
    for (const name of inSecond) await run('c.json', 'revoke', name);
    const { callers, problems } = parsedSecrets((await run('c.json', 'secrets')).stdout);
    expect([problems, textOf('c.json').endsWith('"CALLERS_1": {}\n}\n')]).toEqual([[], true]);
    expect(callers?.byKey.size).toBe(1 + 50 - inSecond.length);
  });

  it.each([
    ['an unknown scope', ['add', 'b', '--scopes', 'images:write'], 'CALLERS caller 2: scopes must be a list of'],
    ['a pattern that is none', ['add', 'b', '--names', '[a-z]'], 'CALLERS caller 2: names must be a list of'],
    ['too many deletions', ['add', 'b', '--daily-deletions', '10001'], 'CALLERS caller 2: dailyDeletions must be'],
    ['an unknown issuer', ['add', 'b', '--token', 'k8s', 'sub=x'], 'CALLERS caller 2: tokens names an issuer'],
    ['a claim with a star', ['add', 'b', '--token', 'gha', 'sub=*'], 'CALLERS caller 2: claims must be'],
    ['a name that is there', ['add', 'a'], 'a is a caller already, in CALLERS'],
    ['a caller that is not there', ['rotate', 'b'], 'no caller has this name'],
    [
      'an issuer of another environment',
      ['add', 'b', '--token', 'gha', 'a=1', '--env', 'gz'],
      'caller 2: tokens names',
    ],
  ])('writes nothing for %s', async (_, args, problem) => {
    await run('c.json', 'add', 'a');
    const before = textOf('c.json');
    const { status, stdout, stderr } = await run('c.json', ...args, '--config', 'w.toml');
    expect([status, stdout, textOf('c.json')]).toEqual([1, '', before]);
    expect(stderr).toMatch(/^Nothing was changed[:,]/);
    expect(stderr).toContain(problem);
    expect(keysIn(stderr)).toEqual([]);
  });

  it.each([
    ['{"CALLERS": {"a": 1,}}', 'the file is not JSON from line 1, column 21 on'],
    ['{"CALLERS": {}, "CALLERS_1": {"a": 1}}', 'CALLERS_1 caller 1: is not an object'],
    ['{"CALLERS": {}, "CALLERS": {}}', 'CALLERS stands in the file twice'],
  ])('leaves %s alone, whatever the command', async (text, problem) => {
    writeFileSync(join(folder, 'c.json'), text);
    for (const args of [['add', 'b'], ['rotate', 'a'], ['revoke', 'a'], ['list'], ['secrets']]) {
      expect(await run('c.json', ...args)).toEqual({
        status: 1,
        stdout: '',
        stderr: `c.json is at fault and stays as it is:\n  - ${problem}\n`,
      });
    }
    expect(textOf('c.json')).toBe(text);
  });

  it('hands over no part that Cloudflare would refuse, but lets an operator make it smaller', async () => {
    const entry = (digit: string) =>
      `{"names": ["${'a'.repeat(128)}"], "keySha256": ["${digit.repeat(64)}"], "scopes": []}`;
    const callers = Array.from({ length: 16 }, (_, index) => `"${index}": ${entry(index.toString(16))}`);
    const wide = `"wide": {"binding": true, "scopes": [], "names": [${Array.from({ length: 10 }, () => `"${'b'.repeat(128)}"`).join()}]}`;
    writeFileSync(join(folder, 'c.json'), `{"CALLERS": {${[...callers, wide].join()}}}`);
    const refused = await run('c.json', 'secrets');
    expect([refused.status, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(
      /^Cloudflare would refuse these parts:\nCALLERS {2}\d{4} of 5000 bytes, \d+ too many: /,
    );
    expect((await run('c.json', 'list')).stdout).toMatch(/^CALLERS {2}\d{4} of 5000 bytes, \d+ too many: /m);
    expect((await run('c.json', 'revoke', 'wide')).status).toBe(0);
    expect((await run('c.json', 'secrets')).status).toBe(0);
  });

  it('refuses a file that is not there or that it may not replace, and says so', async () => {
    expect((await run('c.json', 'list')).stderr).toBe('c.json does not exist. "add" makes it.\n');
    expect(existsSync(join(folder, 'c.json'))).toBe(false);
    expect((await run('.', 'add', 'a')).stderr).toBe('. cannot be read (EISDIR).\n');
    expect((await run('absent/c.json', 'add', 'a')).stderr).toBe(
      'absent/c.json cannot be written (ENOENT). Nothing was changed.\n',
    );
    await run('c.json', 'add', 'a');
    expect((await run('c.json', 'list', 'b')).stderr).toBe('No caller has this name.\n');
  });

  it('refuses a configuration of Wrangler that cannot be read, or whose issuers are at fault', async () => {
    writeFileSync(join(folder, 'bad.toml'), 'name = "a"\n[vars]\nISSUERS = "{"\n');
    expect(await run('c.json', 'add', 'a', '--config', 'bad.toml')).toEqual({
      status: 1,
      stdout: '',
      stderr: 'bad.toml is at fault:\n  - ISSUERS is not a JSON object\n',
    });
    const absent = await run('c.json', 'add', 'a', '--config', 'absent.toml');
    expect(absent.stderr).toMatch(/^absent\.toml does not exist\./);
    expect(existsSync(join(folder, 'c.json'))).toBe(false);
  });

  it('helps, and says where help is', async () => {
    const help = await run('--help');
    expect([help.status, help.stdout.startsWith('Usage: npm run callers -- FILE COMMAND')]).toEqual([0, true]);
    expect(await run()).toEqual({
      status: 1,
      stdout: '',
      stderr: 'FILE and a command are needed. See: npm run callers -- --help\n',
    });
  });
});
