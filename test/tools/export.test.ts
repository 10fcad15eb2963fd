/** `npm run export`: against the running gateway, and against a fake with as many rows as a test wants. */
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DeletionJson } from '../../src/client/index.ts';
import { BODIES } from '../../src/openapi/bodies.ts';
import type { World } from '../../src/tools/command.ts';
import { runExport } from '../../src/tools/export.ts';
import { createKey } from '../../src/tools/new-key.ts';
import { HOUR_MS } from '../../src/worker/time.ts';
import { deletionRow } from '../fixtures.ts';
import { type Gateway, type Server, startEmulator, startGateway, varsFor } from '../local/stack.ts';
import { type History, startHistory } from './history.ts';
import { npmArgs, runTool, temporary } from './world.ts';

const ROOT = join(import.meta.dirname, '../..');
const TOOL = join(ROOT, 'src/tools/export.ts');
const NEWEST_MS = Date.parse('2026-11-25T08:00:00.000Z');
let at: ReturnType<typeof temporary>;
let history: History;

beforeAll(async () => {
  history = await startHistory();
});
afterAll(() => history.stop());
beforeEach(() => {
  at = temporary('export');
  history.pages.length = 0;
  history.isLost = () => false;
  useRows(Array.from({ length: 1_203 }, (_, index) => row(index)));
});
afterEach(() => at.remove());

/** A row that is `seconds` older than the newest. */
const row = (seconds: number, fields: Partial<DeletionJson> = {}): DeletionJson =>
  deletionRow({
    requestId: `job-${seconds}`,
    reservedAt: new Date(NEWEST_MS - seconds * 1_000).toISOString(),
    imageName: '镜像\u202e',
    verified: true,
    ...fields,
  });
function useRows(rows: readonly DeletionJson[]): void {
  history.length = rows.length;
  history.rowAt = (index) => rows[index] ?? row(index);
}
const all = () => Array.from({ length: history.length }, (_, index) => history.rowAt(index));
const run = (args: string[], world: Partial<World> = {}) =>
  runTool(runExport, args, { folder: at.folder, env: { GATEWAY_TOKEN: 'token' }, now: () => NEWEST_MS, ...world });
const rowsIn = (text: string): unknown[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
const asProgram = (args: readonly string[], options: readonly string[] = []) =>
  spawn(process.execPath, [...options, TOOL, ...args], {
    cwd: at.folder,
    env: { ...process.env, INIT_CWD: at.folder, GATEWAY_TOKEN: 'token' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

describe('npm run export', () => {
  it('writes every row once, newest first, as ASCII that only the owner can read, from pages of 500', async () => {
    const { status, stdout, stderr } = await run([history.url, 'h.jsonl']);
    expect([status, stdout, stderr]).toEqual([
      0,
      '2026-11-25T07:00:00.000Z\n',
      'h.jsonl: 1203 rows (0 may still change). Next time: --since 2026-11-25T07:00:00.000Z\n',
    ]);
    expect(rowsIn(at.textOf('h.jsonl'))).toEqual(all());
    expect(at.textOf('h.jsonl')).toMatch(/^[\x20-\x7e\n]*$/);
    expect(history.pages.map((page) => page.get('limit'))).toEqual(['500', '500', '500']);
    expect([statSync(at.path('h.jsonl')).mode & 0o777, readdirSync(at.folder)]).toEqual([0o600, ['h.jsonl']]);
  });

  it('writes rows to standard output, and the rest to standard error', async () => {
    const { status, stdout, stderr } = await run([history.url, '-']);
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^1203 rows .* Next time: --since 2026-11-25T07:/)]);
    expect(rowsIn(stdout)).toEqual(all());
    expect(readdirSync(at.folder)).toEqual([]);
  });

  it('reads lost pages again, and writes each row once, even rows of the same millisecond', async () => {
    const rows = Array.from({ length: 1_500 }, (_, index) => ({
      ...row(Math.floor(index / 300)),
      requestId: `r-${index}`,
    }));
    useRows(rows);
    const pauses: number[] = [];
    history.isLost = (page) => page % 2 === 1;
    const sleep = async (ms: number) => pauses.push(ms);
    const { status } = await run([history.url, 'h.jsonl'], { sleep });
    expect([status, rowsIn(at.textOf('h.jsonl'))]).toEqual([0, rows]);
    expect(pauses.length).toBeGreaterThan(1);
  });

  it('gives up in the end, and leaves no FILE', async () => {
    history.isLost = (page) => page > 0;
    const pauses: number[] = [];
    const { status, stdout, stderr } = await run([history.url, 'h.jsonl'], { sleep: async (ms) => pauses.push(ms) });
    expect([status, stdout, readdirSync(at.folder)]).toEqual([1, '', []]);
    expect(stderr).toMatch(/No response from the gateway/);
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
  });

  it('leaves no FILE if it is killed, and can be run again', async () => {
    history.length = 1_000_000;
    const child = asProgram([history.url, 'h.jsonl']);
    while (history.pages.length < 5) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(at.path('h.jsonl'))).toBe(false);
    expect(readdirSync(at.folder)).toEqual([expect.stringMatching(/^h\.jsonl\..*\.tmp$/)]);
    history.length = 3;
    expect((await run([history.url, 'h.jsonl'])).status).toBe(0);
    expect(rowsIn(at.textOf('h.jsonl'))).toHaveLength(3);
  });

  it('keeps no rows in memory', async () => {
    // As objects, these rows take about 50 MB.
    history.length = 60_000;
    const child = asProgram([history.url, 'h.jsonl'], ['--max-old-space-size=24']);
    const stderr = child.stderr.toArray();
    const [status] = await once(child, 'exit');
    expect([status, Buffer.concat(await stderr).toString()]).toEqual([
      0,
      expect.stringMatching(/^h\.jsonl: 60000 rows/),
    ]);
    expect(execFileSync('wc', ['-l', at.path('h.jsonl')], { encoding: 'utf8' })).toMatch(/^ *60000 /);
  });

  it('ends silently if its reader is gone', async () => {
    history.length = 100_000;
    const child = asProgram([history.url, '-']);
    const stderr = child.stderr.toArray();
    child.stdout.once('data', () => child.stdout.destroy());
    await once(child, 'exit');
    expect([Buffer.concat(await stderr).toString(), history.pages.length < 200]).toEqual(['', true]);
  });

  it.each([
    ['h.jsonl', 'ulimit -f 100; exec "$@"', 'h.jsonl cannot be written (EFBIG).\n'],
    ['-', 'exec "$@" > /dev/full', 'Standard output cannot be written (ENOSPC).\n'],
  ])('reports a full disk in one sentence: %s', async (file, command, sentence) => {
    const child = spawn('sh', ['-c', command, 'sh', process.execPath, TOOL, history.url, file], {
      cwd: at.folder,
      env: { ...process.env, INIT_CWD: at.folder, GATEWAY_TOKEN: 'token' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stderr = child.stderr.toArray();
    const [status] = await once(child, 'exit');
    expect([status, Buffer.concat(await stderr).toString(), readdirSync(at.folder)]).toEqual([1, sentence, []]);
  });

  it('never replaces a file', async () => {
    at.put('h.jsonl', 'old');
    const { status, stderr } = await run([history.url, 'h.jsonl']);
    expect([status, stderr, at.textOf('h.jsonl')]).toEqual([1, 'h.jsonl already exists. Give another FILE.\n', 'old']);
    history.isLost = () => {
      at.put('new.jsonl', 'made');
      return false;
    };
    expect((await run([history.url, 'new.jsonl'])).stderr).toBe(
      'new.jsonl was created by another process meanwhile.\n',
    );
    expect(at.textOf('new.jsonl')).toBe('made');
  });

  it('shows its progress on a terminal', async () => {
    const shown: string[] = [];
    await run([history.url, 'h.jsonl'], { show: (text) => shown.push(text) });
    expect(shown).toEqual([
      `\r500 rows, back to ${row(499).reservedAt}`,
      `\r1000 rows, back to ${row(999).reservedAt}`,
      '\r',
    ]);
  });

  it('says what is wrong, and never prints the token', async () => {
    const secret = { GATEWAY_TOKEN: 'bcg_secret-token' };
    for (const args of [[], ['a', 'b', 'c'], ['--token', 'x'], ['nowhere'], ['http://images.test']]) {
      const { status, stdout, stderr } = await run(args, { env: secret });
      expect([args, status, stdout, stderr]).toEqual([args, 1, '', expect.stringMatching(/./)]);
      expect(stderr).not.toContain('secret');
    }
    expect((await run(['nowhere'])).stderr).toMatch(/^Give a URL and at most one FILE\. /);
    expect((await run([history.url, ''])).stderr).toMatch(/^Give a URL and at most one FILE\. /);
    expect((await run(['http://images.test'])).stderr).toMatch(/^baseUrl must be an origin: https/);
    expect((await run([history.url], { env: {} })).stderr).toMatch(/^The variable GATEWAY_TOKEN is not set\. /);
    expect((await run([history.url, 'absent/h.jsonl'])).stderr).toBe('absent/h.jsonl cannot be written (ENOENT).\n');
    expect(readdirSync(at.folder)).toEqual([]);
  });

  it('writes by default to a FILE that git ignores', async () => {
    await run([history.url]);
    const [file = ''] = readdirSync(at.folder);
    expect(file).toBe('127.0.0.1.jsonl');
    for (const name of [file, `${file}.5b1e7f0a.tmp`, 'images.internal.example.com.jsonl']) {
      expect(spawnSync('git', ['check-ignore', '-q', name], { cwd: ROOT }).status).toBe(0);
    }
  });
});

describe('the time for the next run', () => {
  const nextOf = async (rows: readonly DeletionJson[], nowMs = NEWEST_MS) => {
    useRows(rows);
    return (await run([history.url, '-'], { now: () => nowMs })).stderr;
  };
  const since = (seconds: number) => `--since ${new Date(NEWEST_MS - seconds * 1_000).toISOString()}\n`;

  it('is an hour before the newest row', async () => {
    expect(await nextOf([row(0), row(7_200)])).toBe(`2 rows (0 may still change). Next time: ${since(3_600)}`);
  });

  it('is that of the oldest row that may still change', async () => {
    const rows = [row(0), row(7_200, { outcome: 'unknown' }), row(9_000, { outcome: 'unknown' }), row(20_000)];
    expect(await nextOf(rows)).toBe(`4 rows (2 may still change). Next time: ${since(9_000)}`);
  });

  it('waits for a deletion that was not read back, until an hour after its last check', async () => {
    const unverified = row(7_200, { verified: null });
    const rows = [row(0), unverified];
    const untilMs = Date.parse(unverified.reservedAt) + 25 * HOUR_MS;
    expect(await nextOf(rows, untilMs - 1)).toContain(since(7_200));
    expect(await nextOf(rows, untilMs)).toContain(since(3_600));
    for (const final of [
      { verified: true },
      { verified: false },
      { verified: null, outcome: 'rejected' } as const,
      {},
    ]) {
      expect(await nextOf([row(0), row(7_200, final)])).toContain(since(3_600));
    }
  });

  it('is the given time if there are no rows', async () => {
    useRows([]);
    const { stderr } = await run([history.url, '-', '--since', '2026-01-01T00:00:00Z']);
    expect([stderr, history.pages.at(-1)?.get('since')]).toEqual([
      '0 rows (0 may still change). Next time: --since 2026-01-01T00:00:00Z\n',
      '2026-01-01T00:00:00Z',
    ]);
    expect((await run([history.url, '-'])).stderr).toContain('--since 1970-01-01T00:00:00.000Z\n');
  });

  // Most machines have jq, but npm does not install it.
  it.skipIf(spawnSync('jq', ['--version']).status !== 0)(
    "gives the same history as a full export, when merged by the page's command",
    async () => {
      const page = readFileSync(join(ROOT, 'src/docs/tools.md'), 'utf8');
      const [, merge = ''] = /^\$ (cat first\.jsonl .*)$/m.exec(page) ?? [];
      const before = [row(100, { outcome: 'unknown' }), row(9_000, { verified: null }), row(20_000)];
      useRows(before);
      const first = await run([history.url, 'first.jsonl']);
      const after = [row(0), row(100), row(9_000, { verified: true }), row(20_000)];
      useRows(after);
      await run([history.url, 'second.jsonl', '--since', first.stdout.trim()]);
      expect(rowsIn(at.textOf('second.jsonl'))).toEqual(after.slice(0, 3));
      execFileSync('sh', ['-c', merge], { cwd: at.folder });
      expect(rowsIn(at.textOf('history.jsonl')).reverse()).toEqual(after);
    },
  );
});

describe('an export of the running gateway', () => {
  const cleaner = createKey();
  const auditor = createKey();
  let emulator: Server;
  let gateway: Gateway;
  beforeAll(async () => {
    emulator = await startEmulator(0);
    const CALLERS = JSON.stringify({
      cleaner: { keySha256: [cleaner.keySha256], scopes: ['images:delete'] },
      auditor: { keySha256: [auditor.keySha256], scopes: ['deletions:read'] },
    });
    gateway = await startGateway({ port: 0, vars: { ...varsFor(emulator), CALLERS } });
  });
  afterAll(async () => {
    await gateway?.stop();
    await emulator?.stop();
  });
  const headersOf = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });

  it('has its history, as an operator runs it', async () => {
    for (let number = 1; number <= 5; number++) {
      await fetch(`${gateway.url}/images/m-absent01`, { method: 'DELETE', headers: headersOf(cleaner) });
    }
    const env = { ...process.env, GATEWAY_TOKEN: auditor.key };
    await promisify(execFile)('npm', npmArgs('export', gateway.url), { cwd: at.folder, env });
    const answer = await fetch(`${gateway.url}/deletions?limit=500`, { headers: headersOf(auditor) });
    const body: unknown = await answer.json();
    if (!BODIES.HistoryPage.is(body)) throw new Error('no history');
    expect(body.deletions).toHaveLength(5);
    expect(rowsIn(at.textOf('localhost.jsonl'))).toEqual(body.deletions);
    const wrong = await runTool(runExport, [gateway.url, 'h.jsonl', '--since', 'yesterday'], {
      folder: at.folder,
      env,
    });
    expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('invalid_request')]);
  });
});
