/**
 * `npm run pack:client`: builds the client and packs it. The last line that it prints is the path of the tarball.
 *
 * Promises: the package has the files that its two entries reach and no others; it depends on nothing; its version is the release. Never: needs more than Node.js, npm and the compiler of this repository.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RELEASE } from '../../src/openapi/release.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';

const ROOT = join(import.meta.dirname, '../..');
const CLIENT = join(ROOT, 'src/client');
const OUTPUT = join(ROOT, '.wrangler/client');
/** The output folder in src/client/tsconfig.json. */
const BUILD = join(OUTPUT, 'build');
const PACKAGE = join(OUTPUT, 'package');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

/** Returns what the program printed. @throws Error if it failed */
function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  return stdout;
}

/** `entry` and the files that it imports, directly or not. @throws Error if one is outside the package */
function reachableFrom(entry: string, extension: '.js' | '.d.ts', found = new Set<string>()): Set<string> {
  found.add(entry);
  const text = readFileSync(join(BUILD, entry), 'utf8');
  for (const [, name = ''] of text.matchAll(/(?:from|import) ?\(?["']([^"']+)["']/g)) {
    if (!name.startsWith('.')) throw new Error(`${entry} needs ${name}, which the package does not have.`);
    const file = join(dirname(entry), name).replace(/\.[jt]s$/, extension);
    if (!found.has(file)) reachableFrom(file, extension, found);
  }
  return found;
}

/** The package file of the client, with the version of the gateway. */
function packageFile(): string {
  const client = parseJson(readFileSync(join(CLIENT, 'package.json'), 'utf8'));
  if (!isRecord(client)) throw new Error('The package.json of the client is not an object.');
  const { name, ...rest } = client;
  return `${JSON.stringify({ name, version: RELEASE, ...rest }, null, 2)}\n`;
}

rmSync(OUTPUT, { recursive: true, force: true });
run(process.execPath, [TSC, '-p', CLIENT], ROOT);
for (const entry of ['client/index', 'client/testing']) {
  for (const extension of ['.js', '.d.ts'] as const) {
    for (const file of reachableFrom(entry + extension, extension))
      cpSync(join(BUILD, file), join(PACKAGE, 'dist', file));
  }
}
mkdirSync(PACKAGE, { recursive: true });
writeFileSync(join(PACKAGE, 'package.json'), packageFile());
cpSync(join(CLIENT, 'README.md'), join(PACKAGE, 'README.md'));
cpSync(join(ROOT, 'LICENSE'), join(PACKAGE, 'LICENSE'));
const printed = run('npm', ['pack', '--silent', '--pack-destination', OUTPUT], PACKAGE);
console.log(join(OUTPUT, printed.trim().split('\n').at(-1) ?? ''));
