/** The layout of `src` and `test`: which way imports point, what may import Hono, and which files have a test. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseSync } from 'vite';
import { describe, expect, it } from 'vitest';
import { RELEASE } from '../../src/openapi/release.ts';

const ROOT = join(import.meta.dirname, '../..');

/** From the bottom up. A file may import from its own layer and from those below. */
const LAYERS = [
  ['result', 'outcome', 'image-id', 'request-id', 'json', 'kept-text', 'origin', 'runtime', 'log', 'scope', 'time'],
  ['problems'],
  ['baidu', 'callers', 'ledger'],
  ['deletions'],
  ['bindings', 'pages'],
  ['config'],
  ['create-gateway'],
  ['http'],
  ['app', 'platform'],
  ['ledger-object'],
  ['index'],
  // The other programs, each in a folder beside the Worker's.
  ['openapi'],
  ['client'],
  ['console'],
  ['tools'],
];
const WORKER = 'worker/';
/** Imports that are forbidden although the layers would allow them. */
const STRANGERS: readonly (readonly [from: string, to: string])[] = [
  ['baidu', 'problems'],
  ['baidu', 'callers'],
  ['baidu', 'ledger'],
  ['callers', 'baidu'],
  ['callers', 'ledger'],
  ['ledger', 'problems'],
  ['ledger', 'baidu'],
  ['ledger', 'callers'],
  ['ledger-object', 'app'],
  ['app', 'platform'],
];
const KNOWS_HONO: readonly string[] = ['http', 'app', 'index'];
/** Runs in Node.js, on the operator's machine; nothing in the Worker may import it. */
const TOOLS = 'tools';
/** What the client imports at run time from outside its folder. Only its fake uses the problem table. */
const CLIENT_RUNS = [
  'openapi/bodies',
  'worker/json',
  'worker/kept-text',
  'worker/origin',
  'worker/problems/failure',
  'worker/time',
];
/** Runs in a browser; only its own files import it. */
const CONSOLE = 'console/';
/** Files without a test of their own: types, constants, and code tested end to end or in a browser. */
const WITHOUT_TEST: readonly string[] = [
  'client/errors.ts',
  'console/cells.ts',
  'console/chart.ts',
  'console/console.ts',
  'console/dom.ts',
  'console/entries.ts',
  'console/main.ts',
  'openapi/bodies.ts',
  'openapi/operations.ts',
  'openapi/release.ts',
  'worker/create-gateway.ts',
  'worker/deletions/bodies.ts',
  'worker/deletions/gateway.ts',
  'worker/env.d.ts',
  'worker/http/answer.ts',
  'worker/http/context.ts',
  'worker/http/outermost.ts',
  'worker/http/version-header.ts',
  'worker/ledger/rows.ts',
  'worker/ledger/sql.ts',
  'worker/ledger/stored-row.ts',
  'worker/log.ts',
  'worker/outcome.ts',
  'worker/platform.ts',
  'worker/problems/facts.ts',
  'worker/problems/failure.ts',
  'worker/request-id.ts',
  'worker/result.ts',
  'worker/scope.ts',
  'worker/time.ts',
];

const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();
const textOf = (file: string) => readFileSync(join(ROOT, 'src', file), 'utf8');
const codeOf = (file: string) => textOf(file).replaceAll(/\/\*.*?\*\/|\/\/.*$/gms, '');
/** The first part of a file's path below `worker/`, or the name of its program outside the Worker. */
const roomOf = (file: string) => file.replace(WORKER, '').replace(/\.ts$/, '').split('/')[0] ?? '';
const layerOf = (room: string) => LAYERS.findIndex((rooms) => rooms.includes(room));
/** The modules that a file names, from its syntax tree. `isType`: imported only for types. */
function modulesOf(file: string): readonly { readonly name: string; readonly isType: boolean }[] {
  const text = textOf(file);
  const { program, module, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} cannot be parsed.`);
  const named = program.body.flatMap((node) => {
    if (node.type === 'ImportDeclaration') return [{ name: node.source.value, isType: node.importKind === 'type' }];
    if (node.type !== 'ExportNamedDeclaration' && node.type !== 'ExportAllDeclaration') return [];
    return node.source === null ? [] : [{ name: node.source.value, isType: node.exportKind === 'type' }];
  });
  const dynamic = module.dynamicImports.map(({ moduleRequest: { start, end } }) => text.slice(start + 1, end - 1));
  return [...named, ...dynamic.map((name) => ({ name, isType: false }))];
}
const modules = new Map(files.map((file) => [file, modulesOf(file)]));
const importsOf = (file: string) => (modules.get(file) ?? []).map(({ name }) => name);
const ownImportsOf = (file: string) =>
  importsOf(file)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(join(ROOT, 'src'), resolve(ROOT, 'src', dirname(file), name)));
const code = files.filter((file) => !file.endsWith('.d.ts'));

describe('src', () => {
  it.each(code)('%s is in a layer, and imports only from its own and those below', (file) => {
    const from = roomOf(file);
    expect(layerOf(from), `${from} has no layer`).toBeGreaterThanOrEqual(0);
    for (const imported of ownImportsOf(file)) {
      const to = roomOf(imported);
      expect(layerOf(to), `${file} imports ${imported}`).toBeLessThanOrEqual(layerOf(from));
      const strange = STRANGERS.some(([a, b]) => a === from && b === to);
      expect(strange, `${file} must not import ${imported}`).toBe(false);
    }
  });

  it('keeps the Worker separate: nothing in it imports the other programs', () => {
    const worker = code.filter((file) => file.startsWith(WORKER));
    expect(worker).not.toEqual([]);
    expect(worker.flatMap(ownImportsOf).filter((file) => !file.startsWith(WORKER))).toEqual([]);
  });

  it('takes clock, timers and randomness as arguments in Worker and client', () => {
    const platforms = ['worker/platform.ts', 'client/runtime.ts'];
    const own =
      /\b(?:Date\.now|new Date\(\)|performance\.|Math\.random|crypto\.(?:randomUUID|getRandomValues)|set(?:Timeout|Interval)|scheduler\.|AbortSignal\.timeout)/;
    const taking = code.filter((file) => /^(?:worker|client)\//.test(file)).filter((file) => own.test(codeOf(file)));
    expect(taking).toEqual(platforms.toSorted());
  });

  it('has no circular imports', () => {
    const reachable = (file: string, seen = new Set<string>()): Set<string> => {
      for (const next of ownImportsOf(file)) {
        if (!seen.has(next)) reachable(next, seen.add(next));
      }
      return seen;
    };
    expect(code.filter((file) => reachable(file).has(file))).toEqual([]);
  });

  it('lets only http, app and index import Hono', () => {
    const knowing = code.filter((file) => importsOf(file).some((name) => /^hono(?:\/|$)/.test(name))).map(roomOf);
    expect([...new Set(knowing)].filter((room) => !KNOWS_HONO.includes(room))).toEqual([]);
    expect(knowing).toContain('http');
  });

  it('lets only the tools import Node.js and Wrangler, and nothing import the tools', () => {
    const knowing = code
      .filter((file) => importsOf(file).some((name) => /^(?:node:|wrangler$)/.test(name)))
      .map(roomOf);
    expect([...new Set(knowing)]).toEqual([TOOLS]);
    const others = code.filter((file) => roomOf(file) !== TOOLS).flatMap(ownImportsOf);
    expect(others.filter((file) => roomOf(file) === TOOLS)).toEqual([]);
  });

  it('lets the client import only pure code of the Worker', () => {
    const client = code.filter((file) => roomOf(file) === 'client');
    const foreign = client
      .flatMap((file) => modules.get(file) ?? [])
      .filter(({ name, isType }) => !isType && !name.startsWith('./'));
    expect(new Set(foreign.map(({ name }) => name))).toEqual(new Set(CLIENT_RUNS.map((room) => `../${room}.ts`)));
  });

  it('lets only the console import the console', () => {
    const others = code.filter((file) => !file.startsWith(CONSOLE));
    expect(others.flatMap(ownImportsOf).filter((file) => file.startsWith(CONSOLE))).toEqual([]);
  });
});

describe('test', () => {
  const tests = new Set(
    readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts')),
  );
  it.each(files.filter((file) => !WITHOUT_TEST.includes(file)))('has a test for %s in the same place', (file) => {
    expect(tests).toContain(file.replace(/\.ts$/, '.test.ts'));
  });

  it('excuses only files that exist', () => {
    expect(WITHOUT_TEST.filter((file) => !files.includes(file))).toEqual([]);
  });
});

describe('the change log', () => {
  it('begins with the release', () => {
    const [, newest] = /^## \[([^\]]+)\]/m.exec(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8')) ?? [];
    expect(newest).toBe(RELEASE);
  });
});
