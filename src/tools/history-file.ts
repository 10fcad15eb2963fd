/**
 * The files of an export: FILE with the rows, FILE.part with those of a run that was cut off, FILE.view that says whose rows they
 * are, and FILE.lock while a run writes them.
 *
 * Promises: only one run writes at a time; the rows of one FILE are all of one gateway and one visibility; only the owner may read
 * them. A line that somebody else takes from FILE, or doubles, is not noticed. Never: replaces a file that is no history.
 */
import { existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DeletionJson, ReadinessBody } from '../client/index.ts';
import { isHistory } from '../client/shapes.ts';
import { parseJson } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import { appendToFile, lockFile, readTextFile, replaceFile } from './shell.ts';

/** `subject` may be personal data. */
const OWNER_ONLY = 0o600;

export class HistoryFile {
  readonly #folder: string;
  readonly #file: string;
  readonly #part: string;

  constructor(folder: string, file: string) {
    this.#folder = folder;
    this.#file = file;
    this.#part = `${file}.part`;
  }

  lock(): Result<() => void, string> {
    return lockFile(this.#folder, this.#file);
  }

  /** Notes whose rows the file has, or says that it has those of somebody else. */
  admit(gateway: string, { caller, scopes }: ReadinessBody): Result<null, string> {
    const view = scopes.includes('deletions:read')
      ? `the rows of everyone at ${gateway}`
      : `the rows of ${caller} at ${gateway}`;
    const file = `${this.#file}.view`;
    const noted = readTextFile(this.#folder, file);
    if (!noted.ok) return failed(`${file} ${noted.failure}.`);
    if (noted.value === `${view}\n`) return ok(null);
    if (!this.hasPart() && !existsSync(this.#path(this.#file))) return this.#replace(file, `${view}\n`);
    const rows = this.rows();
    if (!rows.ok) return rows;
    if (noted.value === null)
      return failed(`${file} is missing, so nobody knows whose rows ${this.#file} has. Name another FILE.`);
    return failed(`${this.#file} has ${noted.value.trim()}, and these would be ${view}. Name another FILE.`);
  }

  /** The rows, newest first; none if there is no file. */
  rows(): Result<readonly DeletionJson[], string> {
    const text = readTextFile(this.#folder, this.#file);
    return text.ok ? rowsIn(text.value ?? '', this.#file) : failed(`${this.#file} ${text.failure}.`);
  }

  /** Whether a run was cut off. */
  hasPart(): boolean {
    return existsSync(this.#path(this.#part));
  }

  /** What a run that was cut off has read. The line in whose middle it was killed is taken away. */
  partRows(): Result<readonly DeletionJson[], string> {
    const text = readTextFile(this.#folder, this.#part);
    if (!text.ok) return failed(`${this.#part} ${text.failure}.`);
    const whole = text.value?.slice(0, text.value.lastIndexOf('\n') + 1) ?? '';
    const rows = rowsIn(whole, this.#part);
    if (!rows.ok || whole === (text.value ?? '')) return rows;
    const written = this.#replace(this.#part, whole);
    return written.ok ? rows : written;
  }

  addToPart(row: DeletionJson): Result<null, string> {
    const added = appendToFile(this.#folder, this.#part, lineOf(row), { mode: OWNER_ONLY });
    return added.ok ? added : failed(`${this.#part} ${added.failure}.`);
  }

  /** Writes all rows, and takes away those of the run. */
  finish(rows: readonly DeletionJson[]): Result<null, string> {
    const written = this.#replace(this.#file, rows.map(lineOf).join(''));
    if (written.ok) rmSync(this.#path(this.#part), { force: true });
    return written;
  }

  #path(file: string): string {
    return resolve(this.#folder, file);
  }

  #replace(file: string, text: string): Result<null, string> {
    const written = replaceFile(this.#folder, file, text, { mode: OWNER_ONLY });
    return written.ok ? written : failed(`${file} ${written.failure}.`);
  }
}

function lineOf(row: DeletionJson): string {
  return `${JSON.stringify(row)}\n`;
}

/** The rows of a text that a run has written. */
function rowsIn(text: string, file: string): Result<readonly DeletionJson[], string> {
  const lines = text.split('\n');
  const history: unknown = { deletions: lines.slice(0, -1).map((line) => parseJson(line)) };
  if (isHistory(history) && lines.at(-1) === '') {
    return ok(history.deletions.map((row) => ({ ...row, verified: row.verified ?? null })));
  }
  return failed(`${file} is no history that this tool has written, and stays as it is.`);
}
