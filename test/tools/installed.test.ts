/** What the scripts say if the installation is incomplete. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { recordOf } from '../../src/tools/json-text.ts';
import { parseJson } from '../../src/worker/json.ts';
import { temporary } from './world.ts';

const ROOT = join(import.meta.dirname, '../..');
const CHECK = 'src/tools/installed.js';
const { path, put, remove } = temporary('installed');
mkdirSync(path(dirname(CHECK)), { recursive: true });
cpSync(join(ROOT, CHECK), path(CHECK));
put('script.ts', 'console.log("ran" as string);');
put('package.json', { type: 'module' });
afterAll(remove);

const run = (...options: string[]) =>
  spawnSync(process.execPath, [...options, '--import', path(CHECK), path('script.ts')], { encoding: 'utf8' });
const sentence = (text: string | RegExp) => ({ status: 1, stdout: '', stderr: expect.stringMatching(text) });

describe('a script', () => {
  it('says what to do without development dependencies, which NODE_ENV=production or --omit=dev leave out', () => {
    expect(run()).toMatchObject(sentence(/^The development dependencies are missing: run "npm ci --include=dev"\.\n$/));
  });

  it('says what to do with a Node.js that cannot read TypeScript, which --ignore-scripts leaves in place', () => {
    mkdirSync(path('node_modules/wrangler'), { recursive: true });
    put('node_modules/wrangler/package.json', {});
    expect(run('--no-experimental-strip-types')).toMatchObject(
      sentence(/^Node\.js [\d.]+ cannot read TypeScript: run "npm ci", without --ignore-scripts, .*\n$/),
    );
    expect(run()).toMatchObject({ status: 0, stdout: 'ran\n', stderr: '' });
  });

  it('in TypeScript runs this check first', () => {
    const { scripts } = recordOf(parseJson(readFileSync(join(ROOT, 'package.json'), 'utf8')));
    const typescript = Object.values(recordOf(scripts)).filter((script) => /\bnode .*\.ts\b/.test(String(script)));
    expect(typescript.length).toBeGreaterThan(5);
    for (const script of typescript) expect(script).toMatch(new RegExp(`^node --import \\./${CHECK} \\S+\\.ts$`));
  });
});

describe('npm in this repository', () => {
  it('prints only errors, because each package that wants a newer Node.js warns in five lines', () => {
    const { stdout } = spawnSync('npm', ['config', 'get', 'loglevel'], {
      cwd: ROOT,
      encoding: 'utf8',
      env: envOfOperator(),
    });
    expect(stdout).toBe('error\n');
  });
});

/** The environment without what npm has set for the tests. */
function envOfOperator(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter((name) => name.startsWith('npm_config_'));
  return { ...process.env, ...Object.fromEntries(names.map((name) => [name, undefined])) };
}
