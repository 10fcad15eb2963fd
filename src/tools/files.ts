/**
 * Reads and replaces an operator's files.
 *
 * Promises: replaces a file completely or not at all, even if the process dies. If several processes change one file at the same time,
 * none undoes another's change. Keeps owner, group and mode. Never: quotes the content of a file.
 */
import { hash } from 'node:crypto';
import fs from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isRecord } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';

/** A file as read. */
export interface FoundFile {
  /** Absolute, with every link followed. */
  readonly path: string;
  /** `null` if it does not exist. */
  readonly bytes: Buffer | null;
  readonly text: string | null;
}

/** A temporary file older than this counts as left over from a killed process. */
const STALE_MS = 60_000;
/** As many as Linux follows before it reports a loop. */
const MAX_LINKS = 40;
const CHANGED = 'was changed by another process';
const BUSY = 'is being changed by another process; if not, try again in a minute';
const BIG = { bigint: true, throwIfNoEntry: false } as const;

/** Reads UTF-8, with or without a byte order mark. The failure completes a sentence that begins with the file's name. */
export function readFile(folder: string, file: string): Result<FoundFile, string> {
  const given = resolve(folder, file);
  const path = targetOf(given);
  let bytes: Buffer;
  try {
    // By its own name, because a pipe such as /dev/fd/63 has no other.
    bytes = fs.readFileSync(given);
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' ? ok({ path, bytes: null, text: null }) : failed(`cannot be read (${code})`);
  }
  // JSON and TOML contain no NUL; UTF-16 has one for each ASCII character.
  if (bytes.includes(0)) return failed('is UTF-16, as PowerShell writes it: save it as UTF-8');
  try {
    return ok({ path, bytes, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes) });
  } catch {
    return failed('is not UTF-8');
  }
}

/** Whether users other than its owner may read the file. `false` for anything but a file, such as a pipe, and on Windows. */
export function isOpenToOthers(folder: string, file: string): boolean {
  const stats = fs.statSync(resolve(folder, file), { throwIfNoEntry: false });
  return process.platform !== 'win32' && stats?.isFile() === true && (stats.mode & 0o044) !== 0;
}

/**
 * Replaces the file unless it has changed since it was read. The failure completes a sentence that begins with its name.
 *
 * The temporary file is the lock. Its name derives from the old content, so only one of the processes that read that content can create
 * it. A process that read older content notices that the file has changed.
 * @param confirm is called when everything is ready, and can still prevent the change by failing
 */
export async function replaceFile(
  { path, bytes }: FoundFile,
  text: string,
  confirm: () => Promise<Result<null, string>> = async () => ok(null),
): Promise<Result<null, string>> {
  const content = hash('sha256', bytes ?? '').slice(0, 16);
  const temporary = `${path}.${content}.tmp`;
  let descriptor: number | null = null;
  const isOurs = () => descriptor !== null && fs.fstatSync(descriptor, BIG).ino === fs.statSync(temporary, BIG)?.ino;
  const isUnchanged = () => {
    const now = fs.existsSync(path) ? fs.readFileSync(path) : null;
    return isOurs() && (bytes === null ? now === null : now?.equals(bytes) === true);
  };
  try {
    removeStale(temporary);
    descriptor = fs.openSync(temporary, 'wx');
    keepOwnerAndMode(descriptor, path);
    fs.writeFileSync(descriptor, text);
    fs.fsyncSync(descriptor);
    const confirmed = isUnchanged() ? await confirm() : failed(CHANGED);
    if (!confirmed.ok) return confirmed;
    if (!isUnchanged()) return failed(CHANGED);
    fs.renameSync(temporary, path);
    syncFolder(dirname(path));
    return ok(null);
  } catch (error) {
    return failed(codeOf(error) === 'EEXIST' ? BUSY : `cannot be written (${codeOf(error)})`);
  } finally {
    if (isOurs()) fs.rmSync(temporary);
    if (descriptor !== null) fs.closeSync(descriptor);
  }
}

/** The code of a system error, such as `EACCES`. @throws any other error, which is a bug */
export function codeOf(error: unknown): string {
  const code = isRecord(error) ? error['code'] : undefined;
  if (typeof code !== 'string') throw error;
  return code;
}

/** Follows every link, even to a file that does not exist yet. */
function targetOf(path: string, links = 0): string {
  try {
    const target = resolve(fs.realpathSync(dirname(path)), fs.readlinkSync(path));
    return links < MAX_LINKS ? targetOf(target, links + 1) : path;
  } catch {
    return path;
  }
}

function keepOwnerAndMode(descriptor: number, path: string): void {
  const old = fs.statSync(path, { throwIfNoEntry: false });
  if (old === undefined) return;
  const made = fs.fstatSync(descriptor);
  if (made.uid !== old.uid || made.gid !== old.gid) fs.fchownSync(descriptor, old.uid, old.gid);
  fs.fchmodSync(descriptor, old.mode & 0o7777);
}

/** If another process has just replaced it, that process loses its lock, notices, and changes nothing. */
function removeStale(temporary: string): void {
  const found = fs.statSync(temporary, { throwIfNoEntry: false });
  if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) fs.rmSync(temporary, { force: true });
}

/** Without this, a power failure can undo the rename. A failure is ignored, because the file has been replaced. */
function syncFolder(folder: string): void {
  try {
    const descriptor = fs.openSync(folder, 'r');
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
  } catch {
    // Windows cannot open a folder, and some file systems cannot sync one.
  }
}
