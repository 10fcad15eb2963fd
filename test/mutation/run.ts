/**
 * `npm run mutate`: breaks the modules that decide, one place at a time, and shows the changes that no test notices. Names of modules
 * limit it to those: `npm run mutate -- src/worker/baidu/signer.ts`.
 *
 * Each change first meets the tests of its own folder, which are quick. Only a change that they miss meets all tests.
 *
 * Promises: Stryker is installed on demand, and package.json and the lock file stay unchanged. `npm ci` removes it again.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRecord, listOf, parseJson } from '../../src/worker/json.ts';
import { run } from '../local/on-demand.ts';

const ROOT = join(import.meta.dirname, '../..');
const CONFIG = 'test/mutation/stryker.config.json';
const STRYKER = ['@stryker-mutator/core@10.1.1', '@stryker-mutator/vitest-runner@10.1.1'];

/** One change to a module. `place` is a range as Stryker's `--mutate` takes it. */
interface Change {
  readonly module: string;
  readonly place: string;
  readonly replacement: string;
  readonly isNoticed: boolean;
}

/** Makes every change in `places`, which are modules or ranges within them, and runs the tests of `folder` below `test`, or all. */
function changesIn(places: readonly string[], folder?: string): readonly Change[] {
  const args = ['run', CONFIG, '--mutate', places.join()];
  if (folder === undefined) run('stryker', args);
  // What these tests miss is no result yet, so it is not printed.
  else run('stryker', [...args, '--reporters', 'json,progress'], { MUTATION_TESTS: folder });
  const report = read('.wrangler/mutation.json');
  const files = isRecord(report) && isRecord(report['files']) ? Object.entries(report['files']) : [];
  return files.flatMap(([module, file]) =>
    isRecord(file) ? listOf(file['mutants']).flatMap((mutant) => changeOf(module, mutant)) : [],
  );
}

/** A mutant of the report; none if it cannot run. */
function changeOf(module: string, mutant: unknown): readonly Change[] {
  if (!isRecord(mutant) || !isRecord(mutant['location'])) return [];
  const { location, replacement, status } = mutant;
  const isNoticed = status === 'Killed' || status === 'Timeout';
  if (!isNoticed && status !== 'Survived' && status !== 'NoCoverage') return [];
  const place = `${module}:${positionOf(location['start'])}-${positionOf(location['end'])}`;
  return [{ module, place, replacement: String(replacement), isNoticed }];
}

/** In a report columns begin at 1; in `--mutate` at 0. */
function positionOf(position: unknown): string {
  const { line, column } = isRecord(position) ? position : {};
  return `${line}:${Number(column) - 1}`;
}

function read(path: string): unknown {
  return parseJson(readFileSync(join(ROOT, path), 'utf8'));
}

const config = read(CONFIG);
const all = isRecord(config) ? listOf(config['mutate']).map(String) : [];
const named = process.argv.slice(2);
const unknown = named.find((module) => !all.includes(module));
if (unknown !== undefined) {
  console.error(`${unknown} is not one of the modules in ${CONFIG}.`);
  process.exit(1);
}

run('npm', ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error', ...STRYKER]);
const folders = Map.groupBy(named.length === 0 ? all : named, dirname);
const first = [...folders].flatMap(([folder, modules]) => changesIn(modules, `${folder.replace(/^src\//, '')}/`));
const missed = first.filter(({ isNoticed }) => !isNoticed);
const keyOf = ({ place, replacement }: Change) => `${place} ${replacement}`;
const noticedLater = new Set<string>();
if (missed.length > 0) {
  console.log(`\nThe tests of their folders miss ${missed.length} changes, which now meet all tests.`);
  for (const change of changesIn(missed.map(({ place }) => place))) {
    if (change.isNoticed) noticedLater.add(keyOf(change));
  }
}

console.log('\nChanges that a test notices:');
for (const [module, changes] of [...Map.groupBy(first, ({ module }) => module), ['all', first] as const]) {
  const noticed = changes.filter((change) => change.isNoticed || noticedLater.has(keyOf(change))).length;
  console.log(
    `${module.padEnd(44)}${noticed} of ${changes.length} (${((100 * noticed) / changes.length).toFixed(1)} %)`,
  );
}
