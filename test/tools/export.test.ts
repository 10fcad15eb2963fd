/** `npm run export`: against the running gateway, through a door that makes pages of two rows and can fail between them. */
import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DeletionJson } from '../../src/client/index.ts';
import { isHistory } from '../../src/client/shapes.ts';
import { floorMs, merge, runExport } from '../../src/tools/export.ts';
import { createKey } from '../../src/tools/new-key.ts';
import { deletionRow } from '../fixtures.ts';
import { type Gateway, HASTY, type Server, startEmulator, startGateway, varsFor } from '../local/stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const cleaner = createKey();
/** One for each test, because each has its own rate limit. */
const auditors = Array.from({ length: 14 }, createKey);
let auditor = createKey();
/** After so many pages the connection breaks. */
let pagesLeft = Number.POSITIVE_INFINITY;
/** Done after each page. */
let betweenPages = async () => {};
let emulator: Server;
let gateway: Gateway;
let folder = '';
let url = '';

const door = createServer(async (request, response) => {
  const target = new URL(request.url ?? '/', gateway.url);
  const isPage = target.pathname === '/deletions';
  if (isPage && !target.searchParams.has('limit')) target.searchParams.set('limit', '2');
  if (isPage && pagesLeft <= 0) {
    request.socket.destroy();
    return;
  }
  const { authorization = '', 'x-request-id': requestId } = request.headers;
  const answer = await fetch(target, { headers: { authorization, 'x-request-id': String(requestId) } });
  const text = await answer.text();
  if (isPage && answer.ok) pagesLeft--;
  if (isPage) await betweenPages();
  const names = ['content-type', 'date', 'link', 'retry-after', 'x-request-id'];
  const headers = names.map((name) => [name, answer.headers.get(name)]).filter(([, value]) => value !== null);
  response.writeHead(answer.status, Object.fromEntries(headers)).end(text);
});

beforeAll(async () => {
  emulator = await startEmulator(0);
  gateway = await startGateway({
    port: 0,
    vars: {
      ...varsFor(emulator),
      ...HASTY,
      CALLERS: JSON.stringify({
        cleaner: { keySha256: [cleaner.keySha256], scopes: ['images:delete'] },
        ...Object.fromEntries(
          auditors.map(({ keySha256 }, index) => [
            `auditor-${index}`,
            { keySha256: [keySha256], scopes: ['deletions:read'] },
          ]),
        ),
      }),
    },
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
  for (let number = 1; number <= 5; number++) await remove();
});
afterAll(async () => {
  door.close();
  await gateway?.stop();
  await emulator?.stop();
});
beforeEach(() => {
  auditor = auditors.pop() ?? auditor;
  pagesLeft = Number.POSITIVE_INFINITY;
  betweenPages = async () => {};
  folder = mkdtempSync(join(tmpdir(), 'bcg-export-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const headersOf = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });
/** One more row. */
const remove = () => fetch(`${gateway.url}/images/m-absent01`, { method: 'DELETE', headers: headersOf(cleaner) });

async function history(): Promise<readonly DeletionJson[]> {
  const answer = await fetch(`${gateway.url}/deletions?limit=500`, { headers: headersOf(auditor) });
  const body: unknown = await answer.json();
  if (!isHistory(body)) throw new Error('no history');
  return body.deletions.map((row) => ({ ...row, verified: row.verified ?? null }));
}

const run = (...args: string[]) => runExport(args, folder, { token: auditor.key, show: null });
/** What a run notes about the rows of `file`. */
const note = (file: string) => write(`${file}.view`, `the rows of everyone at ${url}\n`);
const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
const textOf = (file: string) => readFileSync(join(folder, file), 'utf8');
const rowsOf = (file: string): unknown[] =>
  textOf(file)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

describe('npm run export', () => {
  it('copies the whole history, newest first, as an operator runs it', async () => {
    const args = ['--prefix', ROOT, 'run', '--silent', 'export', '--', url];
    const env = { ...process.env, GATEWAY_TOKEN: auditor.key };
    const { stdout, stderr } = await promisify(execFile)('npm', args, { cwd: folder, env });
    const rows = await history();
    expect(rows.length).toBeGreaterThanOrEqual(5);
    expect(rowsOf('127.0.0.1.jsonl')).toEqual(rows);
    expect([stdout, stderr]).toEqual([`127.0.0.1.jsonl is whole: ${rows.length} rows, 0 of them unknown.\n`, '']);
  });

  it('goes on where it was cut off, and then reads what has come since', async () => {
    pagesLeft = 2;
    const cut = await run(url, 'h.jsonl');
    expect([cut.status, cut.stdout, cut.stderr]).toEqual([
      1,
      '',
      expect.stringMatching(/^Cut off after 4 rows\. .*\n$/),
    ]);
    expect(existsSync(join(folder, 'h.jsonl'))).toBe(false);
    expect(rowsOf('h.jsonl.part')).toEqual((await history()).slice(0, 4));
    // What a kill in the middle of a line leaves.
    appendFileSync(join(folder, 'h.jsonl.part'), '{"requestId":"é');
    await remove();
    pagesLeft = 3;
    const whole = await run(url, 'h.jsonl');
    // Two pages down to the end, and the first of what has come since.
    expect([whole.status, existsSync(join(folder, 'h.jsonl.part'))]).toEqual([1, true]);
    expect(rowsOf('h.jsonl')).toEqual((await history()).slice(1));
    pagesLeft = Number.POSITIVE_INFINITY;
    expect((await run(url, 'h.jsonl')).status).toBe(0);
    expect(rowsOf('h.jsonl')).toEqual(await history());
    expect(existsSync(join(folder, 'h.jsonl.part'))).toBe(false);
  });

  it('reads the rest of the millisecond in which it was cut off', async () => {
    const rows = await history();
    const neighbour = { ...rows[0], requestId: 'neighbour' };
    note('h.jsonl');
    write('h.jsonl.part', `${JSON.stringify(neighbour)}\n`);
    pagesLeft = Math.floor(rows.length / 2) + 1;
    expect((await run(url, 'h.jsonl')).status).toBe(1);
    expect(rowsOf('h.jsonl')).toEqual([neighbour, ...rows]);
  });

  it('has the rows of the moment in which it began, once each, if others come meanwhile, and those the next time', async () => {
    const before = await history();
    betweenPages = async () => {
      await remove();
    };
    expect((await run(url, 'h.jsonl')).status).toBe(0);
    const copied = rowsOf('h.jsonl');
    expect(copied).toEqual(before);
    betweenPages = async () => {};
    await run(url, 'h.jsonl');
    const after = await history();
    expect(after.length).toBeGreaterThan(before.length);
    expect(rowsOf('h.jsonl')).toEqual(after);
  });

  it('reads a row again that was unknown', async () => {
    const order = { method: 'POST', body: JSON.stringify(['stalled_200', 'drop_after']) };
    await fetch(`${emulator.url}/__emulator/faults`, order);
    await fetch(`${gateway.url}/images/m-custom01`, { method: 'DELETE', headers: headersOf(cleaner) });
    const { stdout } = await run(url, 'h.jsonl');
    expect(stdout).toMatch(/ 1 of them unknown\.\n$/);
    await vi.waitFor(async () => expect((await history())[0]).toMatchObject({ outcome: 'deleted' }), {
      timeout: 50_000,
      interval: 2_000,
    });
    expect((await run(url, 'h.jsonl')).stdout).toMatch(/ 0 of them unknown\.\n$/);
    expect(rowsOf('h.jsonl')).toEqual(await history());
  });

  it('keeps rows that the ledger has forgotten', async () => {
    const forgotten = deletionRow({ reservedAt: '2025-01-01T00:00:00.000Z' });
    note('h.jsonl');
    write('h.jsonl', `${JSON.stringify(forgotten)}\n`);
    await run(url, 'h.jsonl');
    expect(rowsOf('h.jsonl')).toEqual([...(await history()), forgotten]);
  });

  it('calls no file whole that began with the rows of another caller, or of another gateway', async () => {
    await runExport([url, 'h.jsonl'], folder, { token: cleaner.key, show: null });
    const before = textOf('h.jsonl');
    const widened = await run(url, 'h.jsonl');
    expect([widened.status, widened.stderr]).toEqual([
      1,
      `h.jsonl has the rows of cleaner at ${url}, and these would be the rows of everyone at ${url}. Name another FILE.\n`,
    ]);
    const elsewhere = await run(gateway.url, 'h.jsonl');
    expect([elsewhere.status, elsewhere.stderr]).toEqual([1, expect.stringContaining(`everyone at ${gateway.url}.`)]);
    expect(textOf('h.jsonl')).toBe(before);
    rmSync(join(folder, 'h.jsonl.view'));
    expect((await run(url, 'h.jsonl')).stderr).toMatch(/^h\.jsonl\.view is missing/);
    expect(textOf('h.jsonl')).toBe(before);
  });

  it('writes from one process at a time', async () => {
    const [one, other] = await Promise.all([run(url, 'h.jsonl'), run(url, 'h.jsonl')]);
    expect([one.status, other.status, other.stderr]).toEqual([0, 1, expect.stringContaining('h.jsonl.lock')]);
    expect(rowsOf('h.jsonl')).toEqual(await history());
    expect(readdirSync(folder).sort()).toEqual(['h.jsonl', 'h.jsonl.view']);
  });

  it('shows a bar if somebody looks', async () => {
    const shown: string[] = [];
    const show = (text: string) => shown.push(text);
    await runExport([url, 'h.jsonl'], folder, { token: auditor.key, show });
    const rows = await history();
    const end = `\r[${'#'.repeat(30)}] ${rows.length} rows, back to ${rows.at(-1)?.reservedAt}`;
    expect(shown.slice(-2)).toEqual([end, '\n']);
  });

  it.each(['# Notes\n', '{"requestId":"job-1"}\n', '{}', '\n'])(
    'leaves a file alone that is no history: %j',
    async (text) => {
      write('notes', text);
      expect(await run(url, 'notes')).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(/^notes is no history/),
      });
      expect(textOf('notes')).toBe(text);
    },
  );

  it('says what is wrong, and never the token', async () => {
    const wrong = await runExport([url, 'h.jsonl'], folder, { token: cleaner.keySha256, show: null });
    expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('unauthenticated')]);
    expect(wrong.stderr).not.toContain(cleaner.keySha256);
    expect((await run(url, 'absent/h.jsonl')).stderr).toBe('absent/h.jsonl cannot be written (ENOENT).\n');
    expect((await run('http://images.test')).stderr).toMatch(/^baseUrl must be an origin: https/);
    for (const args of [[], ['a', 'b', 'c'], ['--token', 'x'], ['nowhere']]) {
      expect(await run(...args)).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('--help') });
    }
    expect((await runExport([url], folder, { token: '', show: null })).stderr).toMatch(/^The variable GATEWAY_TOKEN/);
    expect(await run('--help')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Usage: GATEWAY_TOKEN=…/) });
  });
});

describe('a copy', () => {
  it('is read again from the oldest unknown row on, and at least an hour back', () => {
    const newest = deletionRow({ reservedAt: '2026-11-25T08:00:00.000Z' });
    const old = deletionRow({ reservedAt: '2026-11-20T08:00:00.000Z' });
    expect(floorMs([])).toBeNull();
    expect(floorMs([newest, old])).toBe(Date.parse('2026-11-25T07:00:00.000Z'));
    expect(floorMs([{ ...newest, outcome: 'unknown' }, old])).toBe(Date.parse('2026-11-25T07:00:00.000Z'));
    const unknown = { ...old, outcome: 'unknown' } as const;
    expect(floorMs([newest, unknown, old])).toBe(Date.parse('2026-11-20T08:00:00.000Z'));
  });

  it('has each row once, as it was read last, and as many equal ones as there are', () => {
    const older = [
      deletionRow({ outcome: 'unknown' }),
      deletionRow({ outcome: 'unknown' }),
      deletionRow({ requestId: 'job-2' }),
    ];
    expect(merge([deletionRow({}), deletionRow({})], older)).toEqual([
      deletionRow({}),
      deletionRow({}),
      deletionRow({ requestId: 'job-2' }),
    ]);
    expect(merge([deletionRow({})], older)).toEqual([
      deletionRow({}),
      deletionRow({ outcome: 'unknown' }),
      deletionRow({ requestId: 'job-2' }),
    ]);
    const later = deletionRow({ reservedAt: '2026-11-25T09:00:00.000Z' });
    expect(merge([deletionRow({})], [later])).toEqual([later, deletionRow({})]);
  });
});
