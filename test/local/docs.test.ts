/**
 * README and docs, checked against the repository: links lead somewhere, commands run, figures are measured, and both languages
 * show the same commands. A command is run here, or the table below says where else it is run or why it cannot be.
 */
import { execFile, spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../src/tools/new-key.ts';
import { SCOPES } from '../../src/worker/scope.ts';
import { figures, stated } from './prose/figures.ts';
import { anchorsOf, blocksOf, commandsOf, linksOf } from './prose/markdown.ts';
import { pages, ROOT } from './prose/pages.ts';
import { reading } from './prose/reading.ts';
import { type Gateway, type Server, startEmulator, startGateway, temporaryFolder, varsFor } from './stack.ts';

const PAGES = pages();
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe('a link', () => {
  const links = PAGES.flatMap((page) => linksOf(textOf(page)).map(({ target }) => ({ page, target })));
  const relative = links.filter(({ target }) => !/^https:\/\//.test(target));

  it.each(relative)('on $page leads somewhere: $target', ({ page, target }) => {
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), decodeURIComponent(path));
    expect(existsSync(join(ROOT, file))).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(textOf(file))).toContain(anchor);
  });

  it('to another site is a valid https URL', () => {
    const others = links.filter(({ target }) => !relative.some((each) => each.target === target));
    expect(others.length).toBeGreaterThan(0);
    expect(others.filter(({ target }) => !URL.canParse(target))).toEqual([]);
  });
});

describe('a page of docs', () => {
  it.each(['src/docs/calling.md', 'src/docs/operating.md'])('%s lists each of its sections at its top', (page) => {
    const text = textOf(page);
    const listed = linksOf(text.slice(0, text.indexOf('\n## '))).filter(({ target }) => target.startsWith('#'));
    const sections = anchorsOf(text.replaceAll(/^### .*$/gm, '')).slice(1);
    expect(listed.map(({ target }) => target.slice(1))).toEqual(sections);
  });
});

describe('the two languages', () => {
  const [english, chinese] = [textOf('README.md'), textOf('README.zh-CN.md')];

  it('show the same commands', () => {
    expect(commandsOf(english).length).toBeGreaterThan(0);
    expect(commandsOf(chinese).map(({ text }) => text)).toEqual(commandsOf(english).map(({ text }) => text));
  });

  it('show the same code and responses', () => {
    const codeOf = (page: string) =>
      blocksOf(page)
        .filter(({ kind, language }) => kind === 'code' && language !== 'mermaid')
        .map(({ text }) => text);
    expect(codeOf(chinese)).toEqual(codeOf(english));
  });

  it('have the same links, and link to each other', () => {
    const targetsOf = (page: string) => linksOf(page).map(({ target }) => target);
    expect(targetsOf(english)[0]).toBe('README.zh-CN.md');
    expect(targetsOf(chinese)[0]).toBe('README.md');
    expect(targetsOf(chinese).slice(1).sort()).toEqual(targetsOf(english).slice(1).sort());
  });
});

describe('the reading order', () => {
  const rows = reading().flatMap(({ about, paths }) => (paths === undefined ? [] : [{ about, paths }]));

  it.each(rows)('names the files of: $about', ({ about, paths }) => {
    const cells = textOf('SECURITY.md')
      .split('\n')
      .map((line) => line.split(' | '))
      .find(([first]) => first === `| ${about}`);
    const named = [...(cells?.[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name);
    expect(named).toEqual(paths.map((path) => path.replace('.ts', '')));
  });
});

describe('an invariant in SECURITY.md', () => {
  const [, section = ''] = textOf('SECURITY.md').split('## What must hold, and which test holds it\n');
  const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => /^\| \d+\. /.test(line));
  /** A cell is a list of files, each with optional titles in it. An ellipsis in a title stands for any text. */
  const named = rows.flatMap((row) => {
    const [, invariant = '', , tests = ''] = /^\| (\d+)\. (.*?) \| (.*) \|$/.exec(row) ?? [];
    return [...tests.matchAll(/`([\w/.-]+)`(?:\s*:\s*((?:(?:and )?"[^"]+"(?:, )?)+))?/g)].map(
      ([, file = '', titles = '']) => ({
        invariant,
        file,
        titles: [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title),
      }),
    );
  });
  const TESTS = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );

  it.each(named)('$invariant has tests that exist: $file $titles', ({ file, titles }) => {
    const paths = TESTS.filter((path) =>
      [`${file}.test.ts`, file.replace(/^test\//, '')].some((each) => `/${path}`.endsWith(`/${each}`)),
    );
    expect(paths).not.toEqual([]);
    const text = paths.map((path) => textOf(`test/${path}`)).join();
    for (const title of titles) {
      const pattern = title.split('…').map((part) => part.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      expect(text).toMatch(new RegExp(pattern.join('.*')));
    }
  });

  it('is one of nine', () => {
    expect(new Set(named.map(({ invariant }) => invariant)).size).toBe(9);
  });
});

describe('a figure', () => {
  const all = figures();
  const places = all.flatMap(({ name, value, places: of }) =>
    of.map(([page, pattern]) => ({ name, value, page, pattern })),
  );

  it.each(places)('is the measured value: $name in $page', ({ value, page, pattern }) => {
    expect(stated(page, pattern)).toBe(value);
  });

  it('of time is from the benchmark', () => {
    const bench = textOf('test/bench/README.md').replaceAll('\n', ' ');
    for (const page of ['README.md', 'README.zh-CN.md']) {
      const line = textOf(page)
        .split('\n')
        .find((each) => each.includes('test/bench/README.md#'));
      const [without, withLedger] = [...(line ?? '').matchAll(/([\d.]+) ms/g)].map(([, ms]) => ms);
      expect(bench).toContain(
        `waits ${without} ms longer than behind the bare Worker, and ${withLedger} ms longer with the ledger`,
      );
    }
  });
});

/** Why a command is not run here. */
const NOT_HERE: readonly { readonly command: RegExp; readonly reason: string; readonly test?: string }[] = [
  { command: /^npm ci && npm start$/, reason: 'runs elsewhere', test: 'test/local/start.test.ts' },
  { command: /^npm ci --include=dev$/, reason: 'must have run before this test' },
  { command: /^npm ci && npm test$/, reason: 'runs this test' },
  { command: /^npm run pack:client$/, reason: 'runs elsewhere', test: 'test/local/client.test.ts' },
  { command: /^npm install \/path\/to\//, reason: 'runs elsewhere', test: 'test/local/client.test.ts' },
  { command: /^npm run sha256$/, reason: 'runs elsewhere', test: 'test/tools/sha256.test.ts' },
  { command: /^cat first\.jsonl second\.jsonl \|/, reason: 'runs elsewhere', test: 'test/tools/export.test.ts' },
  { command: /^npm run (?:check|soak|mutate|bench)(?: -- --only .*)?$/, reason: 'takes minutes or hours' },
  { command: /^npx wrangler |deploy --env (?:""|gz) *$|--url https:/, reason: 'needs a Cloudflare account' },
];
const COMMANDS = PAGES.filter((page) => !page.endsWith('RUNBOOK.md')).flatMap((page) =>
  commandsOf(textOf(page)).map(({ text }) => ({ page, command: text.trim() })),
);
const reasonOf = (command: string) => NOT_HERE.find((each) => each.command.test(command));
const here = COMMANDS.filter(({ command }) => reasonOf(command) === undefined);

describe('a command that is not run here', () => {
  const others = COMMANDS.filter(({ command }) => reasonOf(command) !== undefined);

  it.each(others)('has scripts that exist: $command', ({ command }) => {
    const scripts = [...command.matchAll(/npm (?:run )?([a-z][a-z0-9-]*(?::[a-z]+)?)/g)].map(
      ([, script = '']) => script,
    );
    for (const script of scripts) {
      if (!['ci', 'install'].includes(script)) expect(textOf('package.json')).toContain(`"${script}": "`);
    }
  });

  it.each(others.filter(({ command }) => command.includes('npx wrangler')))(
    'exists in Wrangler: $command',
    ({ command }) => {
      const [, name = ''] = /npx wrangler ((?:secret )?[a-z]+)/.exec(command) ?? [];
      const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/wrangler'), [...name.split(' '), '--help'], {
        encoding: 'utf8',
      });
      expect(stdout).toContain(`wrangler ${name}`);
      const [used = ''] = command.split(' && ');
      for (const [option] of used.matchAll(/ --[a-z-]+/g)) expect(stdout).toMatch(new RegExp(`${option}\\b(?!-)`));
    },
  );

  it('is in a page, and runs in the test that the table names', () => {
    for (const { command, test } of NOT_HERE) {
      expect([command, COMMANDS.some((each) => command.test(each.command))]).toEqual([command, true]);
      if (test !== undefined) expect(existsSync(join(ROOT, test))).toBe(true);
    }
  });
});

describe('a command', () => {
  const folder = temporaryFolder('docs');
  const { key, keySha256 } = createKey();
  const servers: Server[] = [];
  let emulator: Server;
  let gateway: Gateway;

  beforeAll(async () => {
    emulator = await startEmulator(0);
    servers.push(emulator);
    const callers = { demo: { keySha256: [keySha256], scopes: SCOPES } };
    gateway = await startGateway({ port: 0, vars: { ...varsFor(emulator), CALLERS: JSON.stringify(callers) } });
    servers.push(gateway);
    cpSync(join(ROOT, 'wrangler.toml'), join(folder, 'wrangler.toml'));
    const secrets = { BCE_ACCESS_KEY_ID: 'a'.repeat(32), BCE_SECRET_ACCESS_KEY: 'b'.repeat(32) };
    writeFileSync(join(folder, 'secrets.json'), JSON.stringify(secrets));
  });
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  /** Runs a command from a page in its own folder, with this gateway in place of the example's. */
  async function run(command: string): Promise<string> {
    const [, caller = '', revoked = /$^/] = /revoke (\S+) (\S+)/.exec(command) ?? [];
    const text = command
      .replaceAll('https://images.internal.example.com', gateway.url)
      .replaceAll('http://localhost:8788', emulator.url)
      .replaceAll('m-nky7qeom', 'm-custom01')
      .replace(revoked, () => firstFingerprint(caller))
      .replaceAll(/npm run ([a-z-]+) --/g, (_, script: string) => `node ${join(ROOT, scriptOf(script))}`)
      .replace(/^curl /, 'curl --fail ');
    const env = { ...process.env, INIT_CWD: folder, KEY: key, CLOUDFLARE_ENV: '' };
    const { stdout } = await promisify(execFile)('sh', ['-c', text], { cwd: folder, env });
    return stdout;
  }
  const scriptOf = (script: string) =>
    new RegExp(`"${script}": "node [^"]*?([\\w/.-]+\\.ts)"`).exec(textOf('package.json'))?.[1] ?? '';
  function firstFingerprint(caller: string): string {
    const [, digest = ''] =
      new RegExp(`"${caller}": {\\s*"keySha256": \\[\\s*"([\\da-f]+)"`).exec(
        readFileSync(join(folder, 'callers.json'), 'utf8'),
      ) ?? [];
    return digest.slice(0, 8);
  }
  /** A command that changes what others need runs after them. */
  const inOrder = here.toSorted((a, b) => stageOf(a.command) - stageOf(b.command));
  function stageOf(command: string): number {
    const stages = [/ add /, / rotate /, / revoke /, /check-config|list|export/, / remove /, /curl/, /reset/];
    return stages.findIndex((stage) => stage.test(command));
  }

  it.each(inOrder)('on $page runs: $command', async ({ command }) => {
    const printed = await run(command);
    if (/\/images\/\S*allowMissing/.test(command)) expect(printed).toContain('"confirmed":true');
    if (command.includes('readyz')) expect(printed).toContain('"status":"ready"');
    if (command.includes('faults')) {
      const headers = { Authorization: `Bearer ${key}` };
      const response = await fetch(`${gateway.url}/images/m-custom02`, { method: 'DELETE', headers });
      expect(await response.json()).toMatchObject({ outcome: 'unknown' });
    }
    if (command.includes('check-config')) expect(printed).not.toMatch(/^fault/m);
    await fetch(`${emulator.url}/__emulator/reset`, { method: 'POST' });
  });

  it('runs at all', () => {
    expect(here.length).toBeGreaterThan(10);
  });
});
