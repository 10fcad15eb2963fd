/** The runbook's commands and queries, against the installed Wrangler and lines that a running gateway wrote. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createKey } from '../../src/tools/new-key.ts';
import { EVENTS } from '../../src/worker/log.ts';
import { TOKEN_REFUSALS } from '../../src/worker/problems/facts.ts';
import { type Server, startEmulator, startGateway, temporaryFolder, varsFor } from './stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const RUNBOOK = textOf('src/docs/RUNBOOK.md');

/** Each command with its continuation lines. */
const commands = [...RUNBOOK.matchAll(/^ *```console\n(.*?)^ *```$/gms)].flatMap(([, block = '']) =>
  block.split(/^ *\$ /m).slice(1),
);
const [QUESTIONS = ''] = RUNBOOK.split(/^## /m).filter((section) => section.startsWith('Five questions'));
const queries = commands.filter((command) => command.startsWith('jq '));

describe('a command of the runbook', () => {
  const wrangler = commands
    .filter((command) => command.includes('npx wrangler '))
    .map((command) => ({
      name: /npx wrangler ((?:(?:versions|deployments|secret) )?[a-z]+)/.exec(command)?.[1] ?? '',
      options: [
        ...(command.split(' | ').find((part) => part.includes('wrangler ')) ?? '').matchAll(/ (--[a-z-]+)/g),
      ].map(([, option = '']) => option),
    }));
  it.each(wrangler)('exists in Wrangler: $name $options', ({ name, options }) => {
    const help = execFileSync(join(ROOT, 'node_modules/.bin/wrangler'), [...name.split(' '), '--help'], {
      encoding: 'utf8',
    });
    expect(help).toContain(`wrangler ${name}`);
    for (const option of options) expect(help).toMatch(new RegExp(` ${option}\\b(?!-)`));
  });

  it('is a script in package.json', () => {
    const scripts = [...RUNBOOK.matchAll(/npm run (?:-s )?([a-z-]+)/g)].map(([, script]) => script);
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) expect(textOf('package.json')).toContain(`"${script}": "`);
  });
});

describe('the list of codes that the runbook extends', () => {
  it('is where the runbook says, with lines of this form', () => {
    const [, list = '', file = '', line = ''] =
      /Add one line to `(\w+)` in \[`verdict\.ts`\]\((.*?)\), and deploy: `(.*?)`/.exec(RUNBOOK) ?? [];
    const [, lines = ''] =
      new RegExp(`^const ${list}\\b.*? = \\{(.*?)^\\};`, 'ms').exec(textOf(join('src/docs', file))) ?? [];
    const form = /^ *'?[\w.]+'?: 'image',$/m;
    expect([line, lines]).toEqual([expect.stringMatching(form), expect.stringMatching(form)]);
  });
});

describe('the alerts on log lines', () => {
  const [section = ''] = RUNBOOK.split(/^## /m).filter((each) => each.startsWith('Alerts on log lines'));
  const listed = [...section.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => name);

  it('cover an unavailable ledger, an exposed key, and every line but audit records and good news', () => {
    const harmless = ['audit', 'resolved', 'rows_removed'];
    expect(EVENTS).toEqual(expect.arrayContaining(harmless));
    const expected = new Set(
      ['ledger_unavailable', 'insecure_transport', ...EVENTS].filter((name) => !harmless.includes(name)),
    );
    expect(listed.toSorted()).toEqual([...expected].sort());
  });

  it('name sections that exist', () => {
    const headings = [...RUNBOOK.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    const named = [...section.matchAll(/\| "([^"]+)" \|$/gm)].map(([, heading]) => heading);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((heading) => !headings.includes(heading))).toEqual([]);
  });
});

describe('the reasons why a genuine token is refused', () => {
  it('are all explained, and no others', () => {
    const [section = ''] = RUNBOOK.split(/^## /m).filter((each) => each.startsWith('A genuine token is refused'));
    const rows = [...section.matchAll(/^\| (`[a-z_`, ]+`) \|/gm)].flatMap(
      ([, names = '']) => names.match(/[a-z_]+/g) ?? [],
    );
    expect(rows.toSorted()).toEqual([...TOKEN_REFUSALS].sort());
  });
});

describe('the five questions', () => {
  it('are five, and each has its query', () => {
    expect(QUESTIONS.match(/^\*\*\d\. /gm)).toHaveLength(5);
    expect(queries).toHaveLength(5);
  });

  it('use only fields that a line can have', () => {
    const [, record = ''] = /^ {2}const fields = \{(.*?)^ {2}\};/ms.exec(textOf('src/worker/http/audit.ts')) ?? [];
    const [, others = ''] = /^export interface EventFields \{(.*?)^\}/ms.exec(textOf('src/worker/log.ts')) ?? [];
    const names = [...`${record}${others}`.matchAll(/^ +(?:readonly )?'?([\w.]+)'?\??[:,]/gm)].map(([, name]) => name);
    const fields = ['timestamp', 'severity_text', 'event.name', ...names];
    const dotted = [...QUESTIONS.matchAll(/["`]([a-z_]+(?:\.[a-z_]+)+)["`]/g)];
    const filtered = [...QUESTIONS.matchAll(/`([a-z_.]+)` (?:=|is|exists)/g)];
    const plain = queries.flatMap((query) => [
      ...query.matchAll(/[ (]\.([a-z_]+)/g),
      ...query.matchAll(/[{,] ?([a-z_]+)[,}]/g),
    ]);
    const asked = [...dotted, ...filtered, ...plain].map(([, field]) => field);
    expect(fields).toContain('caller.id');
    expect(asked).toContain('outcome');
    expect([...new Set(asked)].filter((field) => !fields.includes(field))).toEqual([]);
  });
});

// Most machines have jq, but npm does not install it.
describe.skipIf(spawnSync('jq', ['--version']).status !== 0)('the answers of jq', () => {
  const folder = temporaryFolder('runbook');
  const lines: string[] = [];
  const running: Server[] = [];
  const visited: string[] = [];
  const answerOf = (index: number): unknown[] =>
    run(queries[index - 1] ?? '')
      .trim()
      .split(/\n(?=\{)/)
      .map((text) => JSON.parse(text));
  const run = (command: string, input = '') =>
    execFileSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8', input });

  beforeAll(async () => {
    const { key, keySha256 } = createKey();
    const emulator = await startEmulator(0);
    running.push(emulator);
    const callers = { demo: { keySha256: [keySha256], scopes: ['images:delete'] } };
    const gateway = await startGateway({
      port: 0,
      vars: { ...varsFor(emulator), CALLERS: JSON.stringify(callers) },
      onLine: (line) => line.startsWith('{"timestamp"') && !line.includes('/healthz') && lines.push(line),
    });
    running.push(gateway);
    /** Requests what a browser does when it opens the pages and runs their scripts. `test/browser` shows that it requests no more. */
    const visitPages = async (url: string) => {
      const before = lines.length;
      visited.push('/docs', '/console', '/openapi.json');
      for (const path of visited) {
        const response = await fetch(url + path);
        const html = response.headers.get('content-type')?.startsWith('text/html')
          ? await response.text()
          : '<link rel="icon"';
        const files = [...html.matchAll(/<(?:link|script)[^>]* (?:href|src)="(\/[^"]+)"/g)].map(
          ([, file = '']) => file,
        );
        visited.push(...files, ...(html.includes('<link rel="icon"') ? [] : ['/favicon.ico']));
      }
      await vi.waitFor(() => expect(lines).toHaveLength(before + visited.length), { timeout: 20_000 });
    };
    const remove = async (id: string, requestId: string, proof = key) => {
      const headers = { Authorization: `Bearer ${proof}`, 'X-Request-Id': requestId };
      const count = lines.length;
      await fetch(`${gateway.url}/images/${id}`, { method: 'DELETE', headers });
      await vi.waitFor(() => expect(lines).toHaveLength(count + 1), { timeout: 20_000 });
    };
    await remove('m-custom01', 'job-6');
    await remove('m-custom01', 'job-7');
    await remove('m-custom02', 'job-8', 'nobody');
    await fetch(`${emulator.url}/__emulator/faults`, { method: 'POST', body: '["html_502", "html_502"]' });
    await remove('m-custom03', 'job-9');
    await visitPages(gateway.url);
    // The form of a request's lines in `wrangler tail`, as observed in a tail Worker.
    const tailed = lines.map((line) =>
      JSON.stringify({ outcome: 'ok', logs: [{ message: [line], level: 'log' }] }, null, 2),
    );
    const [, filter = ''] = (commands.find((command) => command.includes('wrangler tail')) ?? '').split(' | jq ');
    run(`jq ${filter}`, tailed.join('\n'));
  });
  afterAll(async () => {
    for (const server of running) await server.stop();
  });

  it('begin with the lines that the Worker wrote', () => {
    expect(readFileSync(join(folder, 'lines.jsonl'), 'utf8').trim().split('\n')).toEqual(lines);
  });

  it('1: who tried to delete an image', () => {
    expect(answerOf(1)).toMatchObject([
      { 'caller.id': 'demo', 'caller.proof': 'key', outcome: 'deleted', 'error.type': null, 'request.id': 'job-6' },
      { 'caller.id': 'demo', outcome: 'already_absent', 'error.type': 'image_not_found', 'request.id': 'job-7' },
    ]);
  });

  it('2: what a caller did', () => {
    const deletions = { 'http.request.method': 'DELETE', 'http.route': '/images/:id', count: 1 };
    const outcomes = ['already_absent', 'deleted', 'unknown'];
    expect(answerOf(2)).toEqual(outcomes.map((outcome) => ({ ...deletions, outcome })));
  });

  it('3: what happened to a request', () => {
    expect(answerOf(3)).toEqual([JSON.parse(lines[1] ?? '')]);
  });

  it('4: what fails, since when, in which version, and on whose side', () => {
    const since = expect.stringMatching(/^20.*Z$/);
    const version = { 'service.version': expect.stringMatching(/^[\da-f-]{36}$/), since, count: 1 };
    expect(answerOf(4)).toEqual([
      { 'error.type': 'image_not_found', ...version, 'bce.status_code': [404] },
      { 'error.type': 'unauthenticated', ...version, 'bce.status_code': [null] },
      { 'error.type': 'upstream_error', ...version, 'bce.status_code': [502] },
    ]);
  });

  it('4: ignores visits to the pages, because no page, file or icon fails', () => {
    expect(visited).toEqual(expect.arrayContaining(['/docs', '/console', '/assets/console.js', '/assets/docs.js']));
    const records = lines.map((line): Record<string, unknown> => JSON.parse(line));
    const pages = records.filter((record) => record['http.route'] !== '/images/:id');
    expect(pages).toHaveLength(visited.length);
    expect(pages.map((record) => [record['http.response.status_code'], record['error.type']])).toEqual(
      pages.map(() => [200, undefined]),
    );
  });

  it('5: what is unknown or was not recorded', () => {
    const others = ['settle_failed', 'alarm_failed', 'misconfigured'].map((name) => `{"event.name": "${name}"}\n`);
    writeFileSync(join(folder, 'lines.jsonl'), others.join(''), { flag: 'a' });
    const [unknown, ...more] = answerOf(5);
    expect(unknown).toMatchObject({
      'event.name': 'audit',
      'image.id': 'm-custom03',
      outcome: 'unknown',
      'ledger.settled': true,
    });
    expect(more).toHaveLength(3);
  });
});
