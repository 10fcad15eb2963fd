/** What `npm start` starts, over real sockets, used as in a fresh clone of the repository. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import sdk from '@baiducloud/sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isRecord } from '../../src/worker/json.ts';
import { checkAnswer, checked } from '../answers.ts';
import { EMULATOR_CREDENTIALS } from '../fixtures.ts';
import { removeFolder } from './stack.ts';

const ROOT = join(import.meta.dirname, '../..');
let npmStart: ChildProcess;
let output = '';
let gateway = '';
let emulator = '';
let key = '';
const persistTo = mkdtempSync(join(tmpdir(), 'bcc-start-'));

async function until<T>(found: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    await wait(50);
  }
}

const OPTIONS = ['--port', '0', '--emulator-port', '0', '--caller-port', '0', '--persist-to', persistTo];
/** Variables that a developer may have set, and that must have no effect. */
const HOSTILE = { CLOUDFLARE_ENV: 'gz', WRANGLER_LOG: 'none', WRANGLER_HIDE_BANNER: 'false', HOME: '/dev/null' };

async function start(): Promise<void> {
  output = '';
  npmStart = spawn('npm', ['start', '--silent', '--', ...OPTIONS], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...HOSTILE },
  });
  npmStart.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  await until(() => (output.includes('Ctrl-C') || npmStart.exitCode !== null ? true : undefined));
  gateway = /^Gateway +(\S+)/m.exec(output)?.[1] ?? '';
  emulator = /^Emulator +(\S+)/m.exec(output)?.[1] ?? '';
  key = /Bearer (\S+)'/.exec(output)?.[1] ?? '';
}

async function stop(): Promise<void> {
  const gone = new Promise((resolve) => npmStart.once('exit', resolve));
  if (npmStart.pid !== undefined && npmStart.exitCode === null) process.kill(-npmStart.pid, 'SIGTERM');
  await gone;
}

beforeAll(start);
afterAll(async () => {
  await stop();
  removeFolder(persistTo);
});

beforeEach(async () => {
  await fetch(`${emulator}/__emulator/reset`, { method: 'POST' });
});

const direct = (order: string, body: unknown) =>
  fetch(`${emulator}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });

/** How often the emulator was called for an image, and whether the image still exists. */
async function booksOf(id: string) {
  const state: unknown = await (await fetch(`${emulator}/__emulator/state`)).json();
  if (!isRecord(state) || !Array.isArray(state['calls']) || !Array.isArray(state['images']))
    throw new Error('no books');
  const calls = state['calls'].filter((call) => isRecord(call) && call['path'] === `/v2/image/${id}`);
  const stands = state['images'].some((image) => isRecord(image) && image['id'] === id);
  return { calls: calls.length, stands };
}

/** The audit record of a request, once it is written. */
function recordOf(requestId: string) {
  return until(() => {
    const line = output
      .split('\n')
      .find((text) => text.startsWith('{') && text.includes(`"request.id":"${requestId}"`));
    return line === undefined ? undefined : (JSON.parse(line) as unknown);
  });
}

/** Calls the gateway, and checks its answer against the OpenAPI document. */
async function call(method: string, url: string, headers: Record<string, string> = {}): Promise<Response> {
  return checked(method, url, await fetch(url, { method, headers }));
}

/** Writes exactly `text` to a socket, reads until the other side closes it, and checks the answer against the document. */
function raw(text: string): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(gateway).port), '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  }).then((answer) => {
    const [, method = '', target = ''] = /^(\S+) (\S+)/.exec(text) ?? [];
    const [head = '', body = ''] = answer.split(/\r\n\r\n(.*)/s);
    const [statusLine = '', ...lines] = head.split('\r\n');
    const headers = new Headers();
    for (const line of lines) headers.append(line.replace(/:.*/, ''), line.replace(/^[^:]*: */, ''));
    // Removes the chunk sizes around the JSON.
    const json = body.replace(/^[^{]+/, '').replace(/[^}]+$/, '');
    checkAnswer(method, target, { status: Number(statusLine.split(' ')[1]), headers }, json);
    return answer;
  });
}

describe('the curl lines that npm start prints', () => {
  const lines = () => [...output.matchAll(/curl -i -X (\S+) (\S+)(?: -H '([^:]+): ([^']+)')?/g)];
  const run = ([, method = '', url = '', name, value = '']: RegExpMatchArray) =>
    call(method, url, name === undefined ? {} : { [name]: value });

  it('delete a custom image, but not a system image', async () => {
    const [first, second] = lines();
    if (first === undefined || second === undefined) throw new Error(output);
    const deleted = await run(first);
    expect([deleted.status, await deleted.json()]).toEqual([200, expect.objectContaining({ outcome: 'deleted' })]);
    expect((await booksOf('m-custom01')).stands).toBe(false);
    const refused = await run(second);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect([refused.status, await refused.json()]).toEqual([
      403,
      expect.objectContaining({ code: 'image_not_custom' }),
    ]);
    expect((await booksOf('m-system01')).stands).toBe(true);
  });
});

describe('the pages that npm start prints', () => {
  it('exist', async () => {
    const addresses = [...output.matchAll(/^(?:Docs|Console) +(\S+)/gm)].map(([, url = '']) => url);
    expect(addresses).toEqual([`${gateway}/docs`, `${gateway}/console`]);
    for (const url of addresses) expect((await call('GET', url)).status).toBe(200);
  });
});

describe('the three kinds of credential that npm start shows', () => {
  /** Reads the line as a shell does: `$( )` is the output of curl. */
  const lineOf = async (id: string) => {
    const [, url = '', , given] =
      new RegExp(`curl -i -X DELETE (\\S+/${id})(?: -H (['"])Authorization: (.+)\\2)?$`, 'm').exec(output) ?? [];
    const [, tokens] = /\$\(curl -s (\S+)\)/.exec(given ?? '') ?? [];
    const authorization = tokens === undefined ? given : `Bearer ${await (await fetch(tokens)).text()}`;
    return { url, authorization, tokens };
  };
  const remove = ({ url, authorization }: { url: string; authorization: string | undefined }, requestId: string) =>
    call('DELETE', url, { 'X-Request-Id': requestId, ...(authorization && { Authorization: authorization }) });

  it.each([
    ['m-custom01', { 'caller.id': 'demo', 'caller.proof': 'key' }],
    [
      'm-custom03',
      { 'caller.id': 'demo-job', 'caller.proof': 'token', 'caller.issuer': 'local', 'caller.subject': 'demo-job' },
    ],
    ['m-custom04', { 'caller.id': 'demo-worker', 'caller.proof': 'binding' }],
  ])('each delete an image: %s with %j', async (id, proof) => {
    const response = await remove(await lineOf(id), `proof-${id}`);
    expect([response.status, await response.json()]).toEqual([
      200,
      expect.objectContaining({ id, outcome: 'deleted', confirmed: true, requestId: `proof-${id}` }),
    ]);
    expect((await booksOf(id)).stands).toBe(false);
    expect(await recordOf(`proof-${id}`)).toMatchObject({ ...proof, 'ledger.settled': true });
  });

  it('do not mix: a key has no effect through the binding, and no header can name a caller', async () => {
    const { url } = await lineOf('m-custom04');
    const headers = { Authorization: `Bearer ${key}`, 'X-Request-Id': 'bound-1' };
    expect((await call('DELETE', url, headers)).status).toBe(200);
    expect(await recordOf('bound-1')).toMatchObject({ 'caller.id': 'demo-worker' });
    expect((await call('GET', `${gateway}/readyz`, { caller: 'demo-worker' })).status).toBe(401);
  });

  it('last as long as the demo: each call of the printed line fetches a new token', async () => {
    const expiryOf = (authorization = '') => {
      const payload: unknown = JSON.parse(Buffer.from(authorization.split('.')[1] ?? '', 'base64url').toString());
      return isRecord(payload) ? Number(payload['exp']) : Number.NaN;
    };
    const first = expiryOf((await lineOf('m-custom03')).authorization);
    await wait(1_100);
    expect(expiryOf((await lineOf('m-custom03')).authorization)).toBeGreaterThan(first);
  });

  it('give a bound Worker failures in the same shape', async () => {
    const { url } = await lineOf('m-custom04');
    const response = await call('DELETE', url.replace('m-custom04', 'm-system01'));
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect([response.status, await response.json()]).toEqual([
      403,
      expect.objectContaining({ code: 'image_not_custom', outcome: 'rejected' }),
    ]);
  });
});

describe('the type of a problem', () => {
  it('is a URL that explains it', async () => {
    const problem: unknown = await (await call('DELETE', `${gateway}/images/m-custom01`)).json();
    if (!isRecord(problem) || typeof problem['type'] !== 'string') throw new Error('no problem');
    expect(await (await call('GET', problem['type'])).json()).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('a request over a raw socket', () => {
  const request = (path: string, headers: string[] = [], body = '') =>
    [`DELETE ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers, '', body].join('\r\n');
  const auth = () => `Authorization: Bearer ${key}`;

  it('is accepted with a Content-Length of 0, or without one', async () => {
    expect(await raw(request('/images/m-custom01', [auth()]))).toMatch(/^HTTP\/1.1 200 /);
    expect(await raw(request('/images/m-custom02', [auth(), 'Content-Length: 0']))).toMatch(/^HTTP\/1.1 200 /);
    expect((await booksOf('m-custom02')).stands).toBe(false);
  });

  it('is unauthenticated with two Authorization headers', async () => {
    const answer = await raw(request('/images/m-custom01', [auth(), auth()]));
    expect(answer).toMatch(/^HTTP\/1.1 401 /);
    expect(answer).toMatch(/\r\nWWW-Authenticate: Bearer\r\n/i);
  });

  it.each([
    '/images/..%2Finstance%2Fi-1',
    '/images/%252e',
    '/images/m-custom01%2f..',
    '/images/m-custom0%31',
    '/images/../images/m-custom01/..',
    '/images/m-custom01?dryrun=1',
    '//images/m-custom01',
    '/images/m-custom01;x',
    'http://other.test/images/m-custom01/',
  ])('for %s sends nothing to Baidu', async (path) => {
    expect(await raw(request(path, [auth()]))).toMatch(/^HTTP\/1.1 4\d\d /);
    const state: unknown = await (await fetch(`${emulator}/__emulator/state`)).json();
    expect(isRecord(state) && state['calls']).toEqual([]);
  });

  it('is refused with a body, chunked or not', async () => {
    const known = await raw(request('/images/m-custom01', [auth(), 'Content-Length: 2'], '{}'));
    const chunked = await raw(
      request('/images/m-custom01', [auth(), 'Transfer-Encoding: chunked'], '2\r\n{}\r\n0\r\n\r\n'),
    );
    for (const answer of [known, chunked]) expect(answer).toMatch(/^HTTP\/1.1 400 .*"code":"invalid_request"/s);
    expect((await booksOf('m-custom01')).calls).toBe(0);
  });
});

describe('a caller that hangs up', () => {
  it('stops neither the deletion in flight nor its record', async () => {
    await direct('deletion-faults', ['slow']);
    const socket = connect(Number(new URL(gateway).port), '127.0.0.1');
    socket.write(
      `DELETE /images/m-custom01 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\nX-Request-Id: gone-1\r\n\r\n`,
    );
    await until(async () => ((await booksOf('m-custom01')).calls === 1 ? true : undefined));
    expect(output).not.toContain('gone-1');
    socket.destroy();
    expect(await recordOf('gone-1')).toMatchObject({
      outcome: 'deleted',
      attempts: 1,
      'http.response.status_code': 200,
    });
    expect(await booksOf('m-custom01')).toEqual({ calls: 1, stands: false });
  });
});

describe('the history', () => {
  it('survives a restart', async () => {
    const rows = async (): Promise<unknown> => {
      const response = await call('GET', `${gateway}/deletions`, { Authorization: `Bearer ${key}` });
      const body: unknown = await response.json();
      return isRecord(body) ? body['deletions'] : body;
    };
    await call('DELETE', `${gateway}/images/m-custom03`, { Authorization: `Bearer ${key}` });
    const before = await rows();
    expect(before).toEqual(
      expect.arrayContaining([expect.objectContaining({ imageId: 'm-custom03', outcome: 'deleted' })]),
    );
    await stop();
    await start();
    expect(await rows()).toEqual(before);
  });
});

describe('the official SDK', () => {
  const client = (ak: string, sk: string) => new sdk.BccClient({ endpoint: emulator, credentials: { ak, sk } });
  const { accessKeyId, secretAccessKey } = EMULATOR_CREDENTIALS;

  it('deletes an image on the emulator', async () => {
    await client(accessKeyId, secretAccessKey).sendRequest('DELETE', '/v2/image/m-custom01', {});
    expect(await booksOf('m-custom01')).toEqual({ calls: 1, stands: false });
  });

  it.each([
    ['secret key', accessKeyId, 'another-secret'],
    ['access key', 'another-access-key', secretAccessKey],
  ])('is refused with a wrong %s', async (_what, ak, sk) => {
    await expect(client(ak, sk).sendRequest('DELETE', '/v2/image/m-custom01', {})).rejects.toMatchObject({
      status_code: 403,
      code: 'IamSignatureInvalid',
    });
    expect(await booksOf('m-custom01')).toEqual({ calls: 1, stands: true });
  });
});

describe('the faults on demand', () => {
  it('are listed if one is misspelled', async () => {
    const response = await direct('faults', ['drop_afer']);
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringMatching(/^Send a JSON list of these names: slow, hang, .*\bdrop_after\b.*\.\n$/),
    ]);
  });
});

/** Runs `npm start` with these arguments until it exits. */
async function startWith(...args: string[]) {
  const child = spawn('npm', ['start', '--silent', '--', ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status, stdout, stderr };
}

describe('npm start with arguments', () => {
  it('prints its usage', async () => {
    expect(await startWith('--help')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^npm start -- \[options\]/),
    });
  });

  it.each([
    '--ports',
    'gateway',
    '--port http',
    '--port 70000',
    '--port=',
    '--caller-port -1',
    '--port 8790 --emulator-port 8790',
    '--persist-to=',
  ])('refuses unknown or invalid ones, and starts nothing: %s', async (args) => {
    const { status, stdout, stderr } = await startWith(...args.split(' '));
    expect([status, stdout, stderr]).toEqual([
      1,
      '',
      expect.stringMatching(/^[^\n]*[^.]\. See: npm start -- --help\n$/),
    ]);
  });
});

describe('a second npm start', () => {
  it.each([
    ['--port', '127.0.0.1'],
    ['--emulator-port', '127.0.0.1'],
    ['--caller-port', '127.0.0.1'],
    ['--port', '::1'],
  ])('says that the port of %s is in use, and starts nothing: %s', async (option, host) => {
    const held = createServer();
    await new Promise<void>((resolve) => held.listen(0, host, resolve));
    const address = held.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const folder = mkdtempSync(join(tmpdir(), 'bcc-start-'));
    const { status, stdout, stderr } = await startWith(...OPTIONS, '--persist-to', folder, option, `${port}`);
    held.close();
    rmSync(folder, { recursive: true });
    expect([status, stdout, stderr]).toEqual([
      1,
      '',
      `Port ${port} is in use. Give another: npm start -- ${option} N\n`,
    ]);
  });

  it('says that the history is in use, and starts nothing', async () => {
    const { status, stdout, stderr } = await startWith(...OPTIONS);
    expect([status, stdout, stderr]).toEqual([
      1,
      '',
      `Another "npm start" uses ${persistTo}: give this one its own by --persist-to FOLDER.\n`,
    ]);
  });
});

/** The processes with this text in their command line or environment. */
function processesWith(text: string): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const of = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'latin1');
    } catch {
      return '';
    }
  };
  return pids.filter((pid) => `${of(pid, 'cmdline')}${of(pid, 'environ')}`.includes(text));
}

// Only Linux has `/proc`.
describe.runIf(process.platform === 'linux')('the servers of npm start', () => {
  it.each(['SIGHUP', 'SIGKILL'] as const)('end with it: %s', async (signal) => {
    const mark = `BCC_MARK_${process.pid}_${signal}`;
    const folder = mkdtempSync(join(tmpdir(), 'bcc-start-'));
    const program = join(ROOT, 'test/local/start.ts');
    const child = spawn(process.execPath, [program, ...OPTIONS, '--persist-to', folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MARK: mark },
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await until(() => (said.includes('Ctrl-C') || child.exitCode !== null ? true : undefined));
    // Three servers, each of Wrangler, its bundler and workerd.
    expect(processesWith(mark).length).toBeGreaterThan(6);
    const [, url = ''] = /^Gateway +(\S+)/m.exec(said) ?? [];
    child.kill(signal);
    await until(() => (processesWith(mark).length === 0 ? true : undefined));
    await expect(fetch(url)).rejects.toThrow();
    removeFolder(folder);
  });
});
