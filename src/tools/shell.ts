/**
 * What the tools do to the machine: read a file, add to it, replace it, lock it, print.
 *
 * Promises: a file is replaced whole or not at all, whenever the process dies. Never: quotes what a file holds.
 */
import { randomUUID } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isRecord } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';

/** What a tool has to say, and its exit status. */
export interface Outcome {
  readonly status: 0 | 1;
  readonly stdout: string;
  readonly stderr: string;
}

export function done(stdout: string): Outcome {
  return { status: 0, stdout, stderr: '' };
}

export function refused(stderr: string): Outcome {
  return { status: 1, stdout: '', stderr };
}

/** The Worker's own configuration, unless `--config` names another. */
export const WRANGLER_CONFIG = join(import.meta.dirname, '../../wrangler.toml');

/** Runs a tool with the arguments of the process; relative paths begin where the operator called npm. */
export async function runAsProgram(tool: (args: readonly string[], folder: string) => Promise<Outcome>): Promise<void> {
  const { status, stdout, stderr } = await tool(process.argv.slice(2), process.env['INIT_CWD'] ?? process.cwd());
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = status;
}

/** The text of a file, `null` if there is none, or why it cannot be read. */
export function readTextFile(folder: string, file: string): Result<string | null, string> {
  try {
    return ok(readFileSync(resolve(folder, file), 'utf8'));
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? ok(null) : failed(`cannot be read (${codeOf(error)})`);
  }
}

/** Adds text at the end of a file, which is made if there is none; with the flag `ax` it must be made. */
export function appendToFile(
  folder: string,
  file: string,
  text: string,
  options: { readonly mode?: number; readonly flag?: 'a' | 'ax' } = {},
): Result<null, string> {
  try {
    appendFileSync(resolve(folder, file), text, options);
    return ok(null);
  } catch (error) {
    return failed(`cannot be written (${codeOf(error)})`);
  }
}

/**
 * Replaces a file by way of another one in the same folder, which keeps the mode of the old one. A link still leads to it.
 * @param options `mode`: of a file that is new. `rename` is there for a test to die in its place
 */
export function replaceFile(
  folder: string,
  file: string,
  text: string,
  { mode: newMode = 0o666, rename = renameSync }: { readonly mode?: number; readonly rename?: typeof renameSync } = {},
): Result<null, string> {
  const path = realPath(resolve(folder, file));
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? newMode;
    const descriptor = openSync(temporary, 'wx', mode & 0o777);
    try {
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    rename(temporary, path);
    return ok(null);
  } catch (error) {
    rmSync(temporary, { force: true });
    return failed(`cannot be written (${codeOf(error)})`);
  }
}

/**
 * Begins to write a file as the only process on this machine that does. Returns what ends it, or why it cannot begin. What a process
 * that was killed has left does not count.
 */
export function lockFile(folder: string, file: string): Result<() => void, string> {
  const name = `${file}.lock`;
  const path = resolve(folder, name);
  const unlock = () => rmSync(path, { force: true });
  const make = () => appendToFile(folder, name, `${process.pid}\n`, { flag: 'ax' });
  const made = make();
  if (made.ok) return ok(unlock);
  const held = readTextFile(folder, name);
  if (!held.ok) return failed(`${name} ${held.failure}.`);
  if (held.value === null) return failed(`${file} ${made.failure}.`);
  if (isRunning(held.value) || !takeAway(folder, name)) {
    return failed(`Process ${held.value.trim()} writes ${file}. If there is no such process, remove ${name}.`);
  }
  const again = make();
  return again.ok ? ok(unlock) : failed(`${file} ${again.failure}.`);
}

/** Moves a lock away that nobody holds. If it is another one by now, somebody was faster, and gets it back. */
function takeAway(folder: string, name: string): boolean {
  const aside = `${name}.${randomUUID()}`;
  try {
    renameSync(resolve(folder, name), resolve(folder, aside));
    const taken = readTextFile(folder, aside);
    const isFree = taken.ok && !isRunning(taken.value ?? '');
    if (!isFree) linkSync(resolve(folder, aside), resolve(folder, name));
    rmSync(resolve(folder, aside));
    return isFree;
  } catch {
    return false;
  }
}

/** Whether there is a process with this id, as far as we may know. */
function isRunning(pid: string): boolean {
  if (!/^[1-9]\d{0,9}\n$/.test(pid)) return false;
  try {
    return process.kill(Number(pid), 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** The code of an error of the system, such as `EACCES`. @throws any other error, which is a bug */
function codeOf(error: unknown): string {
  const code = isRecord(error) ? error['code'] : undefined;
  if (typeof code !== 'string') throw error;
  return code;
}
