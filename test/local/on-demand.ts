/**
 * Tools that only one check needs, installed when it runs, so that `npm ci` stays small.
 *
 * Promises: exactly the versions of the folder's own lock file; does nothing if they are installed. Never: runs a script of a
 * package, or changes a lock file.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** Runs a program at the top of the repository, and exits if it fails. */
export function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  const { status, error } = spawnSync(program, args, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error !== undefined) console.error(error.message);
  if (status !== 0) process.exit(status ?? 1);
}

/** Installs what the lock file of `folder` names, such as `test/openapi`. */
export function installTools(folder: string): void {
  const lock = readFileSync(join(ROOT, folder, 'package-lock.json'), 'utf8');
  // Written last, so that an interrupted installation is repeated.
  const stamp = join(ROOT, folder, 'node_modules/.installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  run('npm', ['ci', `--prefix=${folder}`, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, lock);
}
