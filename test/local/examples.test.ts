/**
 * The examples for callers, each run as its header says against the running gateway. The scripts of the two platforms are extracted
 * from their files, and find a token where the platform would put it. An example whose runtime is not on this machine is skipped.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createKey } from '../../src/tools/new-key.ts';
import { isRecord } from '../../src/worker/json.ts';
import { TestIssuer } from '../issuer.ts';
import { type Door, type DoorFault, openDoor } from './door.ts';
import { type IssuerServer, startIssuer } from './issuer.ts';
import {
  type Gateway,
  HASTY,
  removeFolder,
  type Server,
  startEmulator,
  startGateway,
  temporaryFolder,
  varsFor,
} from './stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = temporaryFolder('examples');
const SETUP_TIMEOUT_MS = 180_000;
const GITHUB_CREDENTIAL = 'Bearer request-token-of-this-job';
const run = promisify(execFile);
const here = (file: string) => join(FOLDER, file);
const example = (file: string) => join(ROOT, 'test/examples', file);
const textOf = (file: string) => readFileSync(example(file), 'utf8');

type Variables = Readonly<Record<string, string>>;

interface Example {
  readonly file: string;
  /** The programs that it needs. */
  readonly needs: readonly string[];
  readonly prepare?: () => Promise<unknown>;
  /** The program and its arguments. */
  readonly command: (image: string) => readonly string[];
  /** The variables with its credential; by default its key. */
  readonly credential?: () => Variables;
  /** The variables with this token instead. */
  readonly damaged?: (token: string) => Variables;
  /** Replaces the current token. */
  readonly renew?: () => Promise<void>;
}

const EXAMPLES: readonly Example[] = [
  {
    file: 'delete-image.sh',
    needs: ['sh', 'curl', 'jq'],
    command: (image) => ['sh', example('delete-image.sh'), image],
  },
  {
    file: 'delete-image.ts',
    needs: [],
    prepare: async () => {
      const client = here('node_modules/bcc-image-gateway-client');
      const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
      await run(process.execPath, [compiler, '-p', join(ROOT, 'src/client'), '--outDir', join(client, 'dist')]);
      cpSync(join(ROOT, 'src/client/package.json'), join(client, 'package.json'));
      cpSync(example('delete-image.ts'), here('delete-image.ts'));
    },
    command: (image) => [process.execPath, here('delete-image.ts'), image],
  },
  {
    file: 'delete-image.py',
    needs: ['python3'],
    command: (image) => ['python3', example('delete-image.py'), image],
  },
  {
    file: 'delete-image.go',
    needs: ['go'],
    prepare: () => run('go', ['build', '-o', here('delete-image'), example('delete-image.go')]),
    command: (image) => [here('delete-image'), image],
  },
  {
    file: 'kubernetes.yaml',
    needs: ['python3'],
    command: () => ['python3', '-I', '-c', scriptOf('kubernetes.yaml')],
    credential: () => ({ GATEWAY_TOKEN_FILE: here('token') }),
    damaged: (token) => {
      const file = here(`token-${crypto.randomUUID()}`);
      writeFileSync(file, token);
      return { GATEWAY_TOKEN_FILE: file };
    },
    renew: async () => writeFileSync(here('token'), await tokenFor('kubernetes.yaml', audienceOf('kubernetes.yaml'))),
  },
  {
    file: 'github-actions.yaml',
    needs: ['bash', 'curl', 'jq'],
    prepare: async () => writeFileSync(here('step.sh'), scriptOf('github-actions.yaml')),
    // As GitHub runs a step with `shell: bash`.
    command: () => ['bash', '--noprofile', '--norc', '-eo', 'pipefail', here('step.sh')],
    credential: () => ({
      AUDIENCE: audienceOf('github-actions.yaml'),
      ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: GITHUB_CREDENTIAL.replace('Bearer ', ''),
    }),
    // The fake of GitHub returns the token in the query.
    damaged: (token) => ({
      AUDIENCE: 'any',
      ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?value=${encodeURIComponent(token)}`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: GITHUB_CREDENTIAL.replace('Bearer ', ''),
    }),
    // GitHub makes a new token for each request.
    renew: async () => undefined,
  },
];

/** The script at the end of a YAML file, without its indentation. */
function scriptOf(file: string): string {
  const [, indent = '', script = ''] = /(?:run:|-) \|\n( +)(.*)/s.exec(textOf(file)) ?? [];
  return script.replaceAll(`\n${indent}`, '\n');
}

function audienceOf(file: string): string {
  return /audience: ([\w-]+)/i.exec(textOf(file))?.[1] ?? '';
}

const keys = new Map(EXAMPLES.map(({ file }) => [file, createKey()]));
let emulator: Server;
let issuers: IssuerServer;
let issuer: TestIssuer;
let github: { url: string; stop: () => void };
let gateway: Gateway;
let door: Door;

const tokenFor = (sub: string, audience: string) => issuer.token({ sub, aud: audience, jti: crypto.randomUUID() });

/** GitHub's side of a job: tokens for a requester that authenticates as the job. */
async function startGitHub(): Promise<typeof github> {
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const isJob = request.headers.authorization === GITHUB_CREDENTIAL && pathname === '/token';
    if (!isJob) response.writeHead(401).end();
    else {
      const audience = searchParams.get('audience') ?? '';
      const value = searchParams.get('value') ?? (await tokenFor('github-actions.yaml', audience));
      response.end(JSON.stringify({ value }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://localhost:${port}`, stop: () => server.close() };
}

const direct = (order: string, body: unknown) =>
  fetch(`${emulator.url}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });

/** A new image, which no other test deletes. */
async function newImage(): Promise<string> {
  const id = `m-${crypto.randomUUID().replaceAll('-', '')}`;
  await direct('images', { id, name: 'ci-build' });
  return id;
}

async function stands(id: string): Promise<boolean> {
  const state: unknown = await (await fetch(`${emulator.url}/__emulator/state`)).json();
  if (!isRecord(state) || !Array.isArray(state['images'])) throw new Error('no images');
  return state['images'].some((image) => isRecord(image) && image['id'] === id);
}

beforeAll(async () => {
  emulator = await startEmulator(0);
  issuers = await startIssuer();
  issuer = await TestIssuer.create(issuers.url);
  github = await startGitHub();
  const callerOf = ({ file, credential }: Example) => ({
    scopes: ['images:delete'],
    ...(credential === undefined
      ? { keySha256: [keys.get(file)?.keySha256] }
      : { tokens: [{ issuer: 'local', claims: { sub: file } }] }),
  });
  gateway = await startGateway({
    port: 0,
    vars: {
      ...varsFor(emulator),
      ...HASTY,
      ISSUERS: JSON.stringify({ local: issuer.entry() }),
      CALLERS: JSON.stringify(Object.fromEntries(EXAMPLES.map((each) => [each.file, callerOf(each)]))),
    },
  });
  door = await openDoor(gateway.url);
}, SETUP_TIMEOUT_MS);

afterAll(async () => {
  await door?.stop();
  github?.stop();
  await gateway?.stop();
  await issuers?.stop();
  await emulator?.stop();
  removeFolder(FOLDER);
});

beforeEach(() => {
  door.fault = null;
  door.renames = false;
  door.credentials.clear();
  door.requestIds = [];
});

function isOnPath(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

/** A valid token, damaged as tokens from files, secrets, variables and clipboards are. */
function damagedTokens(token: string): string[] {
  const half = token.length / 2;
  const inside = (text: string) => token.slice(0, half) + text + token.slice(half);
  return [
    ...['\n', '\r\n', '\n\n', ' ', '\t', '"', "'", '\\', ',', ';', '\u00a0', '\u200b', '…', '\u202e', '\x7f'].map(
      (end) => token + end,
    ),
    ...['\n', ' ', '\ufeff', '"', 'Bearer ', 'Authorization: Bearer '].map((start) => start + token),
    ...['\n', ' ', '%', '$(id)', '`id`', '"\nurl = "http://127.0.0.1:1/', '\r\nX-Other: 1', 'é', '密', '\x01'].map(
      inside,
    ),
    `"${token}"`,
    `'${token}'`,
    `${token} ${token}`,
    // These two look like a token, so the gateway must refuse them.
    token.slice(0, half),
    `${token}${token}`,
  ];
}

/** Every run of eight characters in the token. */
const partsOf = (token: string) => Array.from({ length: token.length - 7 }, (_, n) => token.slice(n, n + 8));

/** A home folder with harmful defaults for the programs. */
function harmfulHome(): Variables {
  const home = here('home');
  mkdirSync(join(home, 'modules'), { recursive: true });
  for (const file of ['.curlrc', 'curlrc'])
    writeFileSync(join(home, file), 'retry = 3\nretry-all-errors\nretry-delay = 1\nproxy = "http://127.0.0.1:1"\n');
  writeFileSync(join(home, '.netrc'), 'default login nobody password nothing\n');
  writeFileSync(join(home, '.jq'), 'def select(f): "deleted";\n');
  writeFileSync(join(home, 'modules/uuid.py'), 'raise SystemExit(0)\n');
  const proxies = ['http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];
  return {
    ...Object.fromEntries(proxies.map((name) => [name, 'http://127.0.0.1:1'])),
    // The fake of GitHub may be called through a proxy, but the gateway must not be.
    no_proxy: 'localhost',
    HOME: home,
    CURL_HOME: home,
    XDG_CONFIG_HOME: home,
    PYTHONPATH: join(home, 'modules'),
    PYTHONINSPECT: '1',
    PYTHONDEVMODE: '1',
  };
}

for (const { file, needs, prepare, command, credential, damaged, renew } of EXAMPLES) {
  const missing = needs.filter((program) => !isOnPath(program));
  const why = missing.length === 0 ? '' : ` (skipped: no ${missing.join(' and no ')})`;

  /** Runs the example. Resolves with its exit status, its output, and the number of deletions it sent. */
  const start = (image: string, patienceS = '60', change: Variables = {}, args = command(image)) => {
    const identity = credential?.() ?? { GATEWAY_TOKEN: keys.get(file)?.key };
    const env = { PATH: process.env['PATH'], GATEWAY_URL: door.url, IMAGE: image, PATIENCE_S: patienceS, ...identity };
    const variables = Object.entries({ ...env, ...change }).map(([name, value]) => `${name}=${value}`);
    door.deletions = 0;
    return new Promise<{ status: unknown; deletions: number; output: string }>((resolve) => {
      const child = execFile('env', ['-i', ...variables, ...args], (error, stdout, stderr) => {
        const status = error === null ? 0 : error.code;
        resolve({ status, deletions: door.deletions, output: stdout + stderr });
      });
      child.stdin?.end();
    });
  };
  const ends = (status: number, deletions: number, said: string) => ({
    status,
    deletions,
    output: expect.stringContaining(said),
  });

  describe.skipIf(missing.length > 0)(`${file}${why}`, () => {
    beforeAll(async () => {
      await prepare?.();
      await renew?.();
    }, SETUP_TIMEOUT_MS);

    it('deletes an image, succeeds for an absent one, and reports a refusal', async () => {
      const image = await newImage();
      expect(await start(image)).toEqual(ends(0, 1, `${image}: deleted`));
      expect(await stands(image)).toBe(false);
      expect(await start(image)).toEqual(ends(0, 1, `${image}: already_absent`));
      expect(await start('m-system01')).toEqual(ends(3, 1, 'm-system01: rejected'));
    });

    it.each<DoorFault>(['cut_after', 'html_after'])(
      'ends in deleted after one deletion if the answer is lost (%s)',
      async (fault) => {
        const image = await newImage();
        door.fault = fault;
        expect(await start(image)).toEqual(ends(0, 1, `${image}: deleted`));
      },
    );

    it("ends in deleted after one deletion if Baidu's response is lost, and polls with a fresh token", async () => {
      const image = await newImage();
      await direct('deletion-faults', ['stalled_200', 'drop_after']);
      const end = start(image);
      await vi.waitFor(() => expect(door.deletions).toBe(1), { timeout: 30_000 });
      await renew?.();
      expect(await end).toEqual(ends(0, 1, `${image}: deleted`));
      expect(door.credentials.size > 1).toBe(renew !== undefined);
    });

    it('gives each request a UUID of its own', async () => {
      await start(await newImage());
      const first = new Set(door.requestIds.splice(0));
      await start(await newImage());
      expect([first.size > 0, door.requestIds.length > 0]).toEqual([true, true]);
      expect(door.requestIds.filter((id) => first.has(id))).toEqual([]);
      for (const id of [...first, ...door.requestIds])
        expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    });

    it('recognises the response to its request if a proxy has replaced the request id', async () => {
      door.renames = true;
      const image = await newImage();
      expect(await start(image)).toEqual(ends(0, 1, `${image}: deleted`));
      expect(await start('m-system01')).toEqual(ends(3, 1, 'm-system01: rejected'));
      const lost = await newImage();
      await direct('deletion-faults', ['stalled_200', 'drop_after']);
      expect(await start(lost)).toEqual(ends(0, 1, `${lost}: deleted`));
    });

    it.each([
      ['the connection is refused', 'http://127.0.0.1:1'],
      ['the host does not exist', 'https://no-such-host.invalid'],
      ['the address has no scheme', 'images.internal.example.com'],
      ['the address has another scheme', 'ftp://images.internal.example.com'],
      ['the address is empty', ''],
      ['the key would be sent in clear text', 'http://images.internal.example.com'],
      ['the host only looks like loopback', 'http://localhost:1@images.internal.example.com'],
    ])('says that nothing was sent if %s', async (_why, GATEWAY_URL) => {
      expect(await start(await newImage(), '60', { GATEWAY_URL })).toEqual(ends(3, 0, 'not_attempted'));
    });

    it('sends nothing, and prints no part of the token, if that is damaged', async () => {
      const image = await newImage();
      const token = createKey().key;
      const given = damaged ?? ((text: string) => ({ GATEWAY_TOKEN: text }));
      const tokens = damagedTokens(token);
      expect(tokens.length).toBeGreaterThanOrEqual(30);
      for (const [n, text] of tokens.entries()) {
        const { status, output, deletions } = await start(image, '60', given(text));
        expect([n, status, deletions]).toEqual([n, 3, n < tokens.length - 2 ? 0 : 1]);
        expect(partsOf(token).filter((part) => output.includes(part))).toEqual([]);
      }
      expect(await stands(image)).toBe(true);
    });

    it('sends nothing, and prints no part of an invalid image id', async () => {
      const { key } = createKey();
      const word = 'a'.repeat(40);
      for (const given of [
        key,
        word,
        `m-${word}`,
        `m-${key}`,
        'm-12345',
        'm-cust\u00f6m01',
        'm-custom01\n',
        'custom01',
      ]) {
        const { status, output, deletions } = await start(given, '1');
        expect([given, status, deletions]).toEqual([given, 3, 0]);
        expect(output).toMatch(/^not_attempted: .*image id/);
        expect(partsOf(key).filter((part) => output.includes(part))).toEqual([]);
        expect(output).not.toContain(word);
      }
    });

    it('ignores the defaults that its programs read', async () => {
      const home = harmfulHome();
      const image = await newImage();
      expect(await start(image, '60', home)).toEqual(ends(0, 1, `${image}: deleted`));
      door.fault = 'html_after';
      const lost = await newImage();
      expect(await start(lost, '60', home)).toEqual(ends(0, 1, `${lost}: deleted`));
      door.fault = 'cut_before';
      const unsent = await newImage();
      expect(await start(unsent, '1', home)).toEqual(ends(1, 1, `${unsent}: unknown`));
    });

    it('reports an unknown outcome if its patience runs out', async () => {
      const image = await newImage();
      door.fault = 'cut_before';
      expect(await start(image, '1')).toEqual(ends(1, 1, `${image}: unknown`));
      expect(await stands(image)).toBe(true);
    });

    it('retries what changed nothing, after Retry-After, at most twice', async () => {
      const image = await newImage();
      await direct('deletion-faults', ['throttled', 'throttled', 'throttled']);
      expect(await start(image)).toEqual(ends(3, 3, `${image}: rejected`));
      await direct('deletion-faults', ['throttled_long']);
      expect(await start(image)).toEqual(ends(3, 1, `${image}: rejected`));
      await direct('deletion-faults', ['throttled']);
      expect(await start(image)).toEqual(ends(0, 2, `${image}: deleted`));
    });
  });
}

/** Runs a script with only these variables, and returns its exit status and output. */
function runScript(args: readonly string[], variables: Variables) {
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const { status, stdout, stderr } = spawnSync('env', ['-i', ...assignments, ...args], { encoding: 'utf8' });
  return [status, (stdout + stderr).trim()];
}

describe.skipIf(!isOnPath('curl') || !isOnPath('jq'))('the scripts that need other programs', () => {
  const whole = { GATEWAY_URL: 'https://images.internal.example.com', GATEWAY_TOKEN: 'token' };
  const shell = ['/bin/sh', example('delete-image.sh')];
  const step = ['/bin/bash', '--noprofile', '--norc', '-eo', 'pipefail', here('step.sh')];

  it('say in one sentence which one is missing', () => {
    expect(runScript([...shell, 'm-custom01'], { ...whole, PATH: '/nowhere' })).toEqual([
      3,
      'not_attempted: curl is not installed',
    ]);
  });

  it('say that nothing was sent if curl is too old for its arguments', () => {
    const old = here('old');
    mkdirSync(old, { recursive: true });
    writeFileSync(join(old, 'curl'), '#!/bin/sh\necho "curl: option $1: is unknown" >&2\nexit 2\n', { mode: 0o755 });
    const PATH = `${old}:${process.env['PATH']}`;
    const said = 'curl: option --disable: is unknown\nnot_attempted: there is no connection to the gateway';
    expect(runScript([...shell, 'm-custom01'], { ...whole, PATH })).toEqual([3, said]);
  });

  it('say in one sentence that the job may not request a token', () => {
    const { PATH = '' } = process.env;
    expect(runScript(step, { ...whole, PATH, IMAGE: 'm-custom01', PATIENCE_S: '1', AUDIENCE: 'any' })).toEqual([
      3,
      'not_attempted: the job lacks the permission "id-token: write"',
    ]);
  });
});

describe('an example without arguments', () => {
  const { PATH = '' } = process.env;
  it.each(EXAMPLES.filter(({ file, needs }) => file.startsWith('delete-image') && needs.every(isOnPath)))(
    '$file says so in one sentence, and sends nothing',
    async ({ command, prepare }) => {
      await prepare?.();
      const args = command('IMAGE').filter((arg) => arg !== 'IMAGE');
      const [status, output] = runScript(args, { PATH });
      expect(status).toBe(3);
      expect(output).toMatch(/^not_attempted: .+$/);
    },
    SETUP_TIMEOUT_MS,
  );
});

describe('kubernetes.yaml', () => {
  it('reads the token where it mounts it, and starts no second pod', () => {
    const text = textOf('kubernetes.yaml');
    const folder = /mountPath: ([^\s,]+)/.exec(text)?.[1];
    const path = /path: (\w+)/.exec(text)?.[1];
    expect(text).toContain(`{ name: GATEWAY_TOKEN_FILE, value: ${folder}/${path} }`);
    expect(text).toContain('  backoffLimit: 0\n');
    expect(text).toContain('      restartPolicy: Never\n');
  });
});
