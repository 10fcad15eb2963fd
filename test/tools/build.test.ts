/** What `npm run build` makes. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { build, DIST, isBuilt } from '../../src/tools/build.ts';
import { temporaryFolder } from '../local/stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const FILES = [
  'console.css',
  'console.html',
  'console.js',
  'docs.css',
  'docs.html',
  'docs.js',
  'openapi.json',
  'swagger-ui-bundle.js',
  'swagger-ui.css',
];
const dist = join(temporaryFolder('build'), 'dist');
const page = (file: string, folder = dist) => join(folder, 'pages', file);
const contents = (folder: string) => FILES.map((file) => [file, readFileSync(page(file, folder), 'hex')]);

beforeAll(async () => {
  expect(isBuilt(dist)).toBe(false);
  expect(await build(dist)).toBe(true);
});

describe('a build', () => {
  it('makes the files that the Worker serves, and leaves nothing beside them', () => {
    expect(readdirSync(join(dist, 'pages')).sort()).toEqual(FILES);
    expect(readdirSync(dist).sort()).toEqual(['inputs.sha256', 'pages']);
    expect(readdirSync(join(dist, '..'))).toEqual(['dist']);
  });

  it('is reproducible byte for byte', async () => {
    const again = join(temporaryFolder('build'), 'dist');
    await build(again);
    expect(contents(again)).toEqual(contents(dist));
  });

  it('is up to date in dist (if not: npm run build)', () => {
    expect(readFileSync(join(DIST, 'inputs.sha256'), 'utf8')).toBe(readFileSync(join(dist, 'inputs.sha256'), 'utf8'));
    expect(contents(DIST)).toEqual(contents(dist));
  });

  it.each(['swagger-ui.css', 'swagger-ui-bundle.js'])('has the %s of the pinned version', (file) => {
    const pinned = readFileSync(join(ROOT, 'node_modules/swagger-ui-dist', file));
    expect(readFileSync(page(file)).equals(pinned)).toBe(true);
  });

  it('has every style and script that a page loads', () => {
    for (const html of ['docs.html', 'console.html']) {
      const loaded = [...readFileSync(page(html), 'utf8').matchAll(/(?:src|href)="\/assets\/([\w.-]+)"/g)];
      expect(loaded.length, html).toBeGreaterThan(1);
      for (const [, file = ''] of loaded) expect(FILES, html).toContain(file);
    }
  });
});

describe('a second build', () => {
  it('does nothing if the inputs are unchanged', async () => {
    const { ino, mtimeMs } = statSync(page('console.js'));
    expect(await build(dist)).toBe(false);
    expect(statSync(page('console.js'))).toMatchObject({ ino, mtimeMs });
  });

  it('replaces what other inputs made, and removes obsolete files', async () => {
    writeFileSync(join(dist, 'inputs.sha256'), 'of other inputs');
    writeFileSync(page('console.js'), 'old');
    writeFileSync(page('old.js'), 'old');
    expect(await build(dist)).toBe(true);
    expect(readdirSync(join(dist, 'pages')).sort()).toEqual(FILES);
    expect(contents(dist)).toEqual(contents(DIST));
  });

  it('runs if the first was interrupted', async () => {
    const broken = join(temporaryFolder('build'), 'dist');
    mkdirSync(page('swagger-ui.css', broken), { recursive: true });
    await expect(build(broken)).rejects.toThrow();
    expect(isBuilt(broken)).toBe(false);
    expect(readdirSync(join(broken, '..'))).toEqual(['dist']);
  });

  it('may run at the same time', async () => {
    const shared = join(temporaryFolder('build'), 'dist');
    expect(await Promise.all([build(shared), build(shared)])).toEqual([true, true]);
    expect(contents(shared)).toEqual(contents(dist));
    expect(readdirSync(join(shared, '..'))).toEqual(['dist']);
  });
});

describe('without a build', () => {
  it('Vitest exits with one sentence', () => {
    const check = `import { requireBuild } from './test/built.ts'; requireBuild(${JSON.stringify(join(dist, 'nothing'))});`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', check], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([1, '', 'The pages were not built: run "npm run build".\n']);
  });

  it.each(['test', 'test/browser', 'test/prometheus'])('%s checks for it first', (folder) => {
    expect(readFileSync(join(ROOT, folder, 'vitest.config.ts'), 'utf8')).toMatch(/^requireBuild\(\);$/m);
  });

  it('each npm script that needs one makes it first', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const name of [
      'start',
      'openapi',
      'test',
      'test:watch',
      'test:browser',
      'screenshot',
      'test:prometheus',
      'soak',
      'mutate',
    ]) {
      expect(scripts[name], name).toBeDefined();
      expect(scripts[`pre${name}`], name).toBe('npm run --silent build');
    }
    expect(Object.keys(scripts).filter((name) => /^(?:pre|post)?install$|^prepare$/.test(name))).toEqual([]);
  });
});
