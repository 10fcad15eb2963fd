/**
 * The files of an operator: how the tools read one, and how they replace one.
 *
 * Promises: a file is replaced as a whole or not at all, whenever the process dies. Of several processes that change one file at the
 * same time, none undoes what another has written. Owner, group and mode stay. Never: quotes what a file holds.
 */
import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isRecord } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';

/** A file as it was read. */
export interface FoundFile {
  /** Absolute, with every link followed. */
  readonly path: string;
  /** `null` if it does not exist. */
  readonly bytes: Buffer | null;
  readonly text: string | null;
}

/** After this time a temporary file is taken for one that a killed process has left. */
const STALE_MS = 60_000;
/** What Linux follows before it reports a loop. */
const MAX_LINKS = 40;
const CHANGED = 'was changed by somebody else';

/** Reads UTF-8, with or without a byte order mark. The failure completes a sentence that begins with the name of the file. */
export function readFile(folder: string, file: string): Result<FoundFile, string> {
  const given = resolve(folder, file);
  const path = targetOf(given);
  // By its own name, because a pipe such as /dev/fd/63 has no other.
  const bytes = bytesOf(given);
  if (!bytes.ok) return failed(`cannot be read (${bytes.failure})`);
  if (bytes.value === null) return ok({ path, bytes: null, text: null });
  // JSON and TOML have no such character, and UTF-16 has one for each that is ASCII.
  if (bytes.value.includes(0)) return failed('is UTF-16, as PowerShell writes it: save it as UTF-8');
  try {
    return ok({
      path,
      bytes: bytes.value,
      text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes.value),
    });
  } catch {
    return failed('is not UTF-8');
  }
}

/** Whether others than its owner may read the file. `false` for what is no file, such as a pipe, and on Windows. */
export function isOpenToOthers(folder: string, file: string): boolean {
  const stats = statSync(resolve(folder, file), { throwIfNoEntry: false });
  return process.platform !== 'win32' && stats?.isFile() === true && (stats.mode & 0o044) !== 0;
}

/**
 * Replaces the file unless it has changed since it was read. The failure completes a sentence that begins with its name.
 *
 * The temporary file is the lock: its name is made of the content that it replaces, so of all who have read that content only one can
 * make it, and whoever has read an older one sees that.
 * @param confirm is called when everything is ready, and can still prevent the change with a failure
 */
export async function replaceFile(
  { path, bytes }: FoundFile,
  text: string,
  confirm: () => Promise<Result<null, string>> = async () => ok(null),
): Promise<Result<null, string>> {
  const digest = createHash('sha256').update(bytes ?? '');
  const temporary = `${path}.${digest.digest('hex').slice(0, 16)}.tmp`;
  let descriptor: number | null = null;
  const isOurs = () => descriptor !== null && isSame(fstatSync(descriptor, { bigint: true }), statOf(temporary));
  const isUnchanged = () => {
    const now = bytesOf(path);
    return isOurs() && now.ok && (bytes === null ? now.value === null : now.value?.equals(bytes) === true);
  };
  try {
    removeStale(temporary);
    descriptor = openSync(temporary, 'wx');
    keepOwnerAndMode(descriptor, path);
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
    if (!isUnchanged()) return failed(CHANGED);
    const confirmed = await confirm();
    if (!confirmed.ok) return confirmed;
    if (!isUnchanged()) return failed(CHANGED);
    renameSync(temporary, path);
    syncFolder(dirname(path));
    return ok(null);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return failed('is being changed by another process; if not, this works in a minute');
    return failed(`cannot be written (${code})`);
  } finally {
    if (isOurs()) rmSync(temporary);
    if (descriptor !== null) closeSync(descriptor);
  }
}

/** The code of an error of the system, such as `EACCES`. @throws any other error, which is a bug */
export function codeOf(error: unknown): string {
  const code = isRecord(error) ? error['code'] : undefined;
  if (typeof code !== 'string') throw error;
  return code;
}

/** Follows every link, also one to a file that does not exist yet. */
function targetOf(path: string): string {
  let target = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    try {
      return realpathSync(target);
    } catch {
      try {
        target = resolve(dirname(target), readlinkSync(target));
      } catch {
        return target;
      }
    }
  }
  return path;
}

/** `null` if there is no such file, or the code of the error. */
function bytesOf(path: string): Result<Buffer | null, string> {
  try {
    return ok(readFileSync(path));
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' ? ok(null) : failed(code);
  }
}

function statOf(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

function isSame(one: BigIntStats, other: BigIntStats | undefined): boolean {
  return one.ino === other?.ino && one.dev === other.dev;
}

function keepOwnerAndMode(descriptor: number, path: string): void {
  const old = statSync(path, { throwIfNoEntry: false });
  if (old === undefined) return;
  const { uid, gid } = fstatSync(descriptor);
  if (uid !== old.uid || gid !== old.gid) fchownSync(descriptor, old.uid, old.gid);
  fchmodSync(descriptor, old.mode & 0o7777);
}

/** If meanwhile somebody has made a new one under its name, he loses that, notices it, and changes nothing. */
function removeStale(temporary: string): void {
  const found = statOf(temporary);
  if (found !== undefined && Date.now() - Number(found.mtimeMs) > STALE_MS) rmSync(temporary, { force: true });
}

/** Without this a new name can be lost in a power failure. The file has its new content either way, so a failure is none. */
function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, 'r');
    fsyncSync(descriptor);
    closeSync(descriptor);
  } catch {
    // Windows cannot open a folder, and some file systems cannot sync one.
  }
}
