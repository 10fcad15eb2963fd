/**
 * The client's package as a new user has it: packed, installed into an empty project, and compiled there for each platform. It
 * then runs against the gateway, in this machine's own Node.js and in a Worker.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { scheduler } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RELEASE } from '../../src/openapi/release.ts';
import { createKey } from '../../src/tools/new-key.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import { type Door, type DoorFault, openDoor } from './door.ts';
import { installTools } from './on-demand.ts';
import {
  type Gateway,
  HASTY,
  removeFolder,
  type Server,
  startCaller,
  startEmulator,
  startGateway,
  temporaryFolder,
  varsFor,
} from './stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const PROJECT = temporaryFolder('client');
const PACKAGE = join(PROJECT, 'node_modules/bcc-image-gateway-client');
/** The path without the folders that npm puts first, which have another Node.js. */
const PATH = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
const PLAIN_NODE = PATH.map((folder) => join(folder, 'node')).find((file) => existsSync(file)) ?? process.execPath;
const NODE_TYPES = {
  lib: ['es2022'],
  types: ['node'],
  typeRoots: [join(ROOT, 'node_modules/@types')],
  module: 'nodenext',
  moduleResolution: 'nodenext',
};
/** One caller per runtime, so that each has its own rate limit. */
const KEYS = { ci: createKey(), Deno: createKey(), Bun: createKey() };
const SETUP_TIMEOUT_MS = 180_000;

let emulator: Server;
let gateway: Gateway;
let worker: Server;
let door: Door;

/** Returns what the program printed. @throws Error if it failed */
function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
  return stdout;
}

function write(file: string, content: unknown): void {
  writeFileSync(join(PROJECT, file), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
}

/** Compiles files of the project, and checks the package's own types just as strictly. */
function compile(files: readonly string[], options: object): void {
  const strict = { strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, target: 'es2022' };
  const modules = { module: 'esnext', moduleResolution: 'bundler', noEmit: true };
  write('tsconfig.json', { compilerOptions: { ...strict, ...modules, ...options }, files });
  run(process.execPath, [TSC, '-p', PROJECT], PROJECT);
}

interface End {
  value?: unknown;
  error?: Readonly<Record<string, unknown>>;
  alive: unknown;
  version: unknown;
}

/** The runtime of the program: this machine's own Node.js, or another one with its arguments. */
let runtime: readonly [program: string, ...args: string[]] = [PLAIN_NODE];
let caller: keyof typeof KEYS = 'ci';

/** One call of the client in a separate process, which must end by itself. `interrupt` aborts the call. */
function start(name: string, subject: string, ...options: string[]) {
  const [program, ...own] = runtime;
  const args = [...own, 'node.js', name, subject, '--base-url', door.url, '--token', KEYS[caller].key, ...options];
  const child = spawn(program, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'] });
  const end = new Promise<End>((resolve, reject) => {
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', () => {
      const end = parseJson(output);
      if (!isRecord(end)) reject(new Error(`It printed: ${output}`));
      else resolve({ alive: end['alive'], version: end['version'], ...end });
    });
  });
  return { end, interrupt: () => child.kill('SIGINT') };
}

const call = (...args: Parameters<typeof start>) => start(...args).end;

/** Uses a new connection: the server may close an idle one while a compiler blocks this process. */
const direct = (order: string, body: unknown) =>
  fetch(`${emulator.url}/__emulator/${order}`, {
    method: 'POST',
    headers: { connection: 'close' },
    body: JSON.stringify(body),
  });

/** How often Baidu was asked to delete the image, and whether it still exists. */
async function booksOf(id: string) {
  const state: unknown = await (await fetch(`${emulator.url}/__emulator/state`)).json();
  if (!isRecord(state) || !Array.isArray(state['calls']) || !Array.isArray(state['images']))
    throw new Error('no books');
  const calls = state['calls'].filter(
    (each) => isRecord(each) && each['method'] === 'DELETE' && each['path'] === `/v2/image/${id}`,
  );
  return { calls: calls.length, stands: state['images'].some((image) => isRecord(image) && image['id'] === id) };
}

/** Other runtimes. The registry does not have them for every machine. */
function binariesOf(pattern: string): string[] {
  return globSync(join(ROOT, 'test/runtimes/node_modules', pattern));
}

/** An origin where nothing listens. */
async function unusedOrigin(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** A server with an untrusted certificate. */
async function selfSigned() {
  const [key, cert] = [join(PROJECT, 'key.pem'), join(PROJECT, 'cert.pem')];
  const made = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=gateway.test',
    '-keyout',
    key,
    '-out',
    cert,
  ];
  run('openssl', made, PROJECT);
  const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `https://127.0.0.1:${port}`, stop: () => server.close() };
}

installTools('test/runtimes');

beforeAll(async () => {
  const printed = run('npm', ['run', '--silent', 'pack:client'], ROOT).trimEnd().split('\n');
  write('package.json', { name: 'consumer', private: true, type: 'module' });
  const install = ['install', printed.at(-1) ?? '', '--offline', '--no-audit', '--no-fund', '--loglevel=error'];
  run('npm', install, PROJECT);
  cpSync(join(import.meta.dirname, 'consumer'), PROJECT, { recursive: true });
  compile(['node.ts'], { ...NODE_TYPES, noEmit: false });
  write(
    'wrangler.toml',
    readFileSync(join(import.meta.dirname, 'caller/wrangler.toml'), 'utf8').replace('index.ts', 'worker.ts'),
  );

  emulator = await startEmulator(0);
  gateway = await startGateway({
    port: 0,
    vars: {
      ...varsFor(emulator),
      ...HASTY,
      CALLERS: JSON.stringify({
        ...Object.fromEntries(
          Object.entries(KEYS).map(([name, { keySha256 }]) => [
            name,
            { keySha256: [keySha256], scopes: ['images:delete', 'images:read'] },
          ]),
        ),
        'demo-worker': { binding: true, scopes: ['images:delete'] },
      }),
    },
  });
  door = await openDoor(gateway.url);
}, SETUP_TIMEOUT_MS);

afterAll(async () => {
  await door?.stop();
  await worker?.stop();
  await gateway?.stop();
  await emulator?.stop();
  removeFolder(PROJECT);
});

beforeEach(async () => {
  runtime = [PLAIN_NODE];
  caller = 'ci';
  door.fault = null;
  door.deletions = 0;
  await direct('reset', null);
});

describe('the package', () => {
  it('has the version of the release, and no dependencies', () => {
    const file = parseJson(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
    if (!isRecord(file)) throw new Error('no package file');
    expect(file).toMatchObject({ name: 'bcc-image-gateway-client', version: RELEASE, type: 'module' });
    expect(Object.keys(file).filter((name) => /dependencies/i.test(name))).toEqual([]);
    expect(readdirSync(join(PROJECT, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      'bcc-image-gateway-client',
    ]);
  });

  it('has only the code that the client imports, and declarations that need nothing else', () => {
    const files = readdirSync(PACKAGE, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => !file.startsWith('dist')).sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
    const foreign = files.filter((file) => file.endsWith('.js') && !file.startsWith('dist/client/'));
    expect(foreign.sort()).toEqual([
      'dist/openapi/bodies.js',
      'dist/openapi/shape.js',
      'dist/worker/image-id.js',
      'dist/worker/json.js',
      'dist/worker/kept-text.js',
      'dist/worker/origin.js',
      'dist/worker/outcome.js',
      'dist/worker/problems/facts.js',
      'dist/worker/problems/failure.js',
      'dist/worker/problems/table.js',
      'dist/worker/problems/upstream-details.js',
      'dist/worker/request-id.js',
      'dist/worker/scope.js',
      'dist/worker/time.js',
    ]);
    // The code for tests is not loaded with the rest.
    const entry = readFileSync(join(PACKAGE, 'dist/client/index.js'), 'utf8');
    expect(entry).not.toMatch(/testing|problems/);
    const declarations = files
      .filter((file) => file.endsWith('.d.ts'))
      .map((file) => readFileSync(join(PACKAGE, file), 'utf8'));
    expect(declarations.length).toBeGreaterThan(0);
    for (const text of declarations)
      expect(text).not.toMatch(/<reference|@internal|Runtime|(?:from|import\() ?['"][^.]/);
  });

  it('compiles with only the types of Node.js', () => {
    compile(['contract.ts'], NODE_TYPES);
  });

  it('compiles with only the types of the web platform, as in Deno and Bun', () => {
    compile(['contract.ts'], { lib: ['es2022', 'webworker'], types: [] });
  });

  it('compiles with only the types of Workers', () => {
    const types = join(ROOT, 'node_modules/@cloudflare/workers-types');
    compile(['contract.ts', 'worker.ts'], { lib: ['es2022'], types: [types] });
  });

  it('does not compile if the contract is broken, so that the tests above can fail', () => {
    write(
      'broken.ts',
      "import { ImageGateway } from 'bcc-image-gateway-client';\nnew ImageGateway({ baseURL: 'x' });\n",
    );
    expect(() => compile(['broken.ts'], { lib: ['es2022', 'webworker'], types: [] })).toThrow("'baseURL'");
  });
});

describe('CommonJS', () => {
  const script = `
    const { ImageGateway, ProblemError } = require('bcc-image-gateway-client');
    const { FakeGateway } = require('bcc-image-gateway-client/testing');
    const gateway = new FakeGateway();
    const images = gateway.nextFails('image_shared').client();
    const isClient = images instanceof ImageGateway;
    images.deleteImage('m-custom01').catch(async (error) => {
      const again = await import('bcc-image-gateway-client');
      console.log(isClient, error instanceof ProblemError, error.code, again.ImageGateway === ImageGateway);
    });`;

  it.each([
    ["this machine's own Node.js", PLAIN_NODE],
    ['a current Node.js', process.execPath],
  ])('can be loaded with require, with the same result as import, by %s', (_name, node) => {
    write('required.cjs', script);
    expect(run(node, ['required.cjs'], PROJECT)).toBe('true true image_shared true\n');
  });

  it('compiles with the module rules of current Node.js, and not with those of Node.js 16', () => {
    write(
      'required.cts',
      "import { ImageGateway } from 'bcc-image-gateway-client';\nexport const images = new ImageGateway({ fetch });\n",
    );
    compile(['required.cts'], NODE_TYPES);
    expect(() => compile(['required.cts'], { ...NODE_TYPES, module: 'node16', moduleResolution: 'node16' })).toThrow(
      'TS1479',
    );
  });
});

describe("with this machine's own Node.js, against the running gateway", () => {
  it('deletes an image, previews another, reads the history, and lets the process end', async () => {
    const deleted = await call('delete', 'm-custom01', '--request-id', 'node-1');
    const answer = { id: 'm-custom01', outcome: 'deleted', confirmed: true, requestId: 'node-1' };
    expect(deleted).toEqual({
      value: { ...answer, upstreamRequestId: expect.any(String) },
      alive: [],
      version: run(PLAIN_NODE, ['--version'], PROJECT).trim(),
    });
    expect(await booksOf('m-custom01')).toEqual({ calls: 1, stands: false });
    expect((await call('preview', 'm-shared01')).value).toMatchObject({ deletable: false, sharedWith: 1 });
    expect((await call('deletion', 'node-1')).value).toMatchObject({
      imageId: 'm-custom01',
      outcome: 'deleted',
      caller: 'ci',
    });
    expect((await call('history', 'm-custom01')).value).toMatchObject([{ requestId: 'node-1' }]);
  });

  it('throws the problem that the gateway returns', async () => {
    const { error } = await call('delete', 'm-system01');
    expect(error).toMatchObject({
      name: 'ProblemError',
      code: 'image_not_custom',
      outcome: 'rejected',
      retryable: false,
    });
  });

  it.each<DoorFault>(['cut_after', 'half_after', 'html_after'])(
    'ends in deleted if the image was deleted and the answer lost (%s)',
    async (fault) => {
      door.fault = fault;
      const { value, alive } = await call('delete', 'm-custom02');
      expect(value).toMatchObject({ id: 'm-custom02', outcome: 'deleted', confirmed: true });
      expect([alive, door.deletions]).toEqual([[], 1]);
      expect(await booksOf('m-custom02')).toEqual({ calls: 1, stands: false });
    },
  );

  it("ends in deleted after a check by the ledger, if Baidu's response was lost", async () => {
    await direct('deletion-faults', ['stalled_200', 'drop_after']);
    const { value } = await call('delete', 'm-custom03');
    expect(value).toMatchObject({ id: 'm-custom03', outcome: 'deleted', confirmed: false });
    expect([door.deletions, (await booksOf('m-custom03')).stands]).toEqual([1, false]);
  });

  it('ends in unknown if the request was cut off on its way', async () => {
    door.fault = 'cut_before';
    const { error, alive } = await call('delete', 'm-failed01', '--patience-ms', '1500');
    expect(error).toMatchObject({ name: 'LostAnswerError', outcome: 'unknown', status: null });
    expect([alive, door.deletions]).toEqual([[], 1]);
    expect(await booksOf('m-failed01')).toEqual({ calls: 0, stands: true });
  });

  it('ends in unknown if its signal aborts while Baidu is called', async () => {
    await direct('deletion-faults', ['hang', 'hang']);
    const { end, interrupt } = start('delete', 'm-failed01');
    while ((await booksOf('m-failed01')).calls === 0) await scheduler.wait(20);
    interrupt();
    const { error, alive } = await end;
    expect(error).toMatchObject({ name: 'LostAnswerError', outcome: 'unknown' });
    expect([alive, door.deletions]).toEqual([[], 1]);
  });
});

describe.each<['Deno' | 'Bun', string, ...string[]]>([
  ['Deno', '@deno/*/deno', 'run', '--no-prompt', '--allow-net=127.0.0.1'],
  ['Bun', '@oven/*/bin/bun', 'run'],
])('with %s, against the running gateway', (name, pattern, ...args) => {
  const [binary = ''] = binariesOf(pattern);
  const its = binary === '' ? it.skip : it;
  beforeEach(() => {
    runtime = [binary, ...args];
    caller = name;
  });

  its(`deletes, previews, reads and throws (skipped if the registry has no ${name} for this machine)`, async () => {
    const { value, version } = await call('delete', 'm-custom01', '--request-id', `${name}-1`);
    expect(value).toMatchObject({ id: 'm-custom01', outcome: 'deleted', requestId: `${name}-1` });
    expect(version).toMatch(/^v\d+/);
    expect((await call('preview', 'm-shared01')).value).toMatchObject({ deletable: false, sharedWith: 1 });
    expect((await call('history', 'm-custom01')).value).toMatchObject([{ requestId: `${name}-1`, caller: name }]);
    expect((await call('delete', 'm-system01')).error).toMatchObject({ code: 'image_not_custom', outcome: 'rejected' });
  });

  its.each<DoorFault>(['cut_after', 'half_after', 'html_after'])(
    'ends in deleted after one deletion if the answer was lost (%s)',
    async (fault) => {
      door.fault = fault;
      expect((await call('delete', 'm-custom02')).value).toMatchObject({ outcome: 'deleted', confirmed: true });
      expect([door.deletions, await booksOf('m-custom02')]).toEqual([1, { calls: 1, stands: false }]);
    },
  );
});

const [deno = ''] = binariesOf('@deno/*/deno');
const [bun = ''] = binariesOf('@oven/*/bin/bun');
const [openssl = ''] = PATH.map((folder) => join(folder, 'openssl')).filter((file) => existsSync(file));

describe.each<[string, keyof typeof KEYS, ...string[]]>([
  ["this machine's own Node.js", 'ci', PLAIN_NODE],
  ['a current Node.js', 'ci', process.execPath],
  ['Deno', 'Deno', deno, 'run', '--no-prompt', '--allow-net=127.0.0.1'],
  ['Bun', 'Bun', bun, 'run'],
])('a request that never left, with %s', (name, itsCaller, binary = '', ...args) => {
  const its = it.skipIf(binary === '');
  const knows = it.skipIf(binary === '' || name === 'Deno');
  beforeEach(() => {
    runtime = [binary, ...args];
    caller = itsCaller;
  });
  const deletionAt = async (baseUrl: string) =>
    (await call('delete', 'm-failed01', '--base-url', baseUrl, '--patience-ms', '100')).error;
  const neverSent = (reason: string) => ({
    name: 'NotSentError',
    outcome: 'not_attempted',
    message: `Nothing was sent: there is no connection to the gateway (${reason})`,
  });

  knows('is not_attempted if the connection is refused', async () => {
    expect(await deletionAt(await unusedOrigin())).toMatchObject(neverSent('ECONNREFUSED'));
  });

  knows('is not_attempted if there is no such host', async () => {
    expect(await deletionAt('https://no-such-host.invalid')).toMatchObject(neverSent('ENOTFOUND'));
  });

  it.skipIf(binary === '' || name === 'Deno' || openssl === '')(
    'is not_attempted if the certificate is not trusted',
    async () => {
      const server = await selfSigned();
      expect(await deletionAt(server.url)).toMatchObject(neverSent('DEPTH_ZERO_SELF_SIGNED_CERT'));
      server.stop();
    },
  );

  its('is not_attempted if the port is blocked', async () => {
    // Bun blocks no port, and nothing listens on this one.
    const reason = name === 'Bun' ? 'ECONNREFUSED' : 'bad port';
    expect(await deletionAt('http://127.0.0.1:6000')).toMatchObject(neverSent(reason));
  });

  its('is unknown if the refused connection may be the second one for a deletion', async () => {
    const closing = await openDoor(gateway.url);
    closing.fault = 'cut_and_shut';
    const end = await call('preview_and_delete', 'm-failed01', '--base-url', closing.url, '--patience-ms', '100');
    expect(end.error).toMatchObject({ name: 'LostAnswerError', outcome: 'unknown' });
    expect(closing.deletions).toBe(1);
    await closing.stop();
  });

  its('is sent again after a broken connection only by Deno', async () => {
    door.fault = 'cut_before';
    const { error } = await call('preview_and_delete', 'm-failed01', '--patience-ms', '100');
    expect(error).toMatchObject({ name: 'LostAnswerError', outcome: 'unknown' });
    expect(door.deletions).toBe(name === 'Deno' ? 2 : 1);
  });
});

describe('in a Worker that is bound to the gateway', () => {
  it('deletes an image without a token', async () => {
    worker = await startCaller(0, gateway, join(PROJECT, 'wrangler.toml'));
    const deleted = await fetch(`${worker.url}/m-custom01`);
    expect(await deleted.json()).toMatchObject({ id: 'm-custom01', outcome: 'deleted', confirmed: true });
    expect(await booksOf('m-custom01')).toEqual({ calls: 1, stands: false });
    const refused = await fetch(`${worker.url}/m-shared01`);
    expect(await refused.json()).toMatchObject({ name: 'ProblemError', code: 'image_shared' });
  });
});
