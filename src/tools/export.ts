/**
 * `npm run export -- URL [FILE]`: copies the history of deletions into a file of JSON Lines, newest first.
 *
 * Promises: after status 0 the file has, once each, all rows that the ledger had when the run began, and those that the ledger has
 * forgotten since an earlier run. A row is read again by the next run while it is `unknown` or was younger than an hour. A run that is
 * cut off, however, leaves the file as it was and its rows beside it; the next one goes on behind the last of them, and then reads
 * what has come or changed since. Never: takes the token from the command line.
 * One gap: if the ledger's clock goes back by more than an hour, rows of that time may be missed.
 */
import { parseArgs } from 'node:util';
import { type DeletionJson, ImageGateway, ImageGatewayError } from '../client/index.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import { HistoryFile } from './history-file.ts';
import { done, type Outcome, refused, runAsProgram } from './shell.ts';

const HELP = `Usage: GATEWAY_TOKEN=… npm run export -- URL [FILE]

Copies the history of deletions from the gateway at URL into FILE, one row of JSON a line, newest first. FILE is by default the
gateway's host name with .jsonl. FILE.view says whose rows they are: each gateway, and each caller, needs a FILE of its own.

If FILE is there already, only what has come or changed since is read, and rows that the ledger has forgotten stay. If a run is cut
off, its rows are in FILE.part; run it again, and it goes on from there. All files are for their owner only, because the rows may
name persons. What somebody else changes in FILE is not noticed.

  GATEWAY_TOKEN   the key or token, a variable of the environment. With the scope deletions:read the history is everyone's,
                  otherwise the caller's own

The exit status is 0 if FILE is whole, 1 if not.
`;

const OPTIONS = { help: { type: 'boolean', short: 'h' } } as const;
const RECENT_MS = 3_600_000;
const DAY_MS = 86_400_000;
const BAR_CHARS = 30;
/** Rows on a page, and so between two looks of the bar. */
const STEP_ROWS = 100;

/** What the tool takes from the world. */
export interface World {
  readonly token: string;
  /** Shows how far it is, if somebody looks. */
  readonly show: ((text: string) => void) | null;
}

const PLATFORM: World = {
  token: process.env['GATEWAY_TOKEN'] ?? '',
  show: process.stderr.isTTY ? (text) => process.stderr.write(text) : null,
};

/** Exports what the arguments name. Relative paths begin at `folder`. */
export async function runExport(args: readonly string[], folder: string, world = PLATFORM): Promise<Outcome> {
  const command = parseCommand(args, world.token);
  if (!command.ok) return refused(`${command.failure} See: npm run export -- --help\n`);
  if (command.value === null) return done(HELP);
  const { images, gateway, file } = command.value;
  const history = new HistoryFile(folder, file);
  const locked = history.lock();
  if (!locked.ok) return refused(`${locked.failure}\n`);
  const copied = await copyAll(images, gateway, history, world.show).finally(locked.value);
  if (!copied.ok) return refused(`${copied.failure}\n`);
  const unknown = copied.value.filter(({ outcome }) => outcome === 'unknown').length;
  return done(`${file} is whole: ${copied.value.length} rows, ${unknown} of them unknown.\n`);
}

function parseCommand(args: readonly string[], token: string) {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    if (values.help === true) return ok(null);
    const [url, file, ...more] = positionals;
    if (url === undefined || more.length > 0) return failed('A URL and at most one FILE are needed.');
    if (token === '') return failed('The variable GATEWAY_TOKEN is not set.');
    const images = new ImageGateway({ baseUrl: url, token, retries: 9 });
    const { origin, hostname } = new URL(url);
    return ok({ images, gateway: origin, file: file ?? `${hostname}.jsonl` });
  } catch (error) {
    // Of parseArgs, of URL, or of the client; none of them quotes the token.
    return failed(error instanceof Error ? error.message : 'The arguments cannot be read.');
  }
}

/** Brings the file up to date, if its rows are of what this token may see. Returns all rows. */
async function copyAll(
  images: ImageGateway,
  gateway: string,
  history: HistoryFile,
  show: World['show'],
): Promise<Result<readonly DeletionJson[], string>> {
  const who = await settled(images.readiness());
  if (!who.ok) return who;
  const admitted = history.admit(gateway, who.value);
  if (!admitted.ok) return admitted;
  const wasCut = history.hasPart();
  const copied = await copy(images, history, show);
  // What was read before the cut is old by now.
  return copied.ok && wasCut ? copy(images, history, show) : copied;
}

/** Reads what the file lacks, beginning behind what a run before has left beside it. Returns all rows. */
async function copy(
  images: ImageGateway,
  history: HistoryFile,
  show: World['show'],
): Promise<Result<readonly DeletionJson[], string>> {
  const older = history.rows();
  const begun = history.partRows();
  if (!older.ok || !begun.ok) return older.ok ? begun : older;
  const newer = [...begun.value];
  const read = await settled(readInto(newer, history, rowsAfter(newer, floorMs(older.value), images, show)));
  show?.('\n');
  if (!read.ok)
    return failed(`Cut off after ${newer.length} rows. ${read.failure} Run it again, and it goes on from there.`);
  if (!read.value.ok) return read.value;
  const rows = merge(newer, older.value);
  const written = history.finish(rows);
  return written.ok ? ok(rows) : written;
}

/** Adds each row to `rows` and to the file. */
async function readInto(
  rows: DeletionJson[],
  history: HistoryFile,
  more: AsyncIterable<DeletionJson>,
): Promise<Result<null, string>> {
  for await (const row of more) {
    const added = history.addToPart(row);
    if (!added.ok) return added;
    rows.push(row);
  }
  return ok(null);
}

/** What the client returns, or what it says went wrong. @throws any other error, which is a bug */
async function settled<T>(call: Promise<T>): Promise<Result<T, string>> {
  try {
    return ok(await call);
  } catch (error) {
    if (!(error instanceof ImageGatewayError)) throw error;
    return failed(error.message);
  }
}

/** The rows that follow `rows` down to the floor; `rows` grows with them. */
async function* rowsAfter(
  rows: readonly DeletionJson[],
  floor: number | null,
  images: ImageGateway,
  show: World['show'],
): AsyncGenerator<DeletionJson> {
  const last = rows.at(-1);
  const isThere = finder(rows);
  const nowMs = Date.now();
  const bottomMs = floor ?? (show === null ? 0 : await oldestMs(images, nowMs));
  const look = (row: DeletionJson | undefined, part: number) => show?.(bar(rows.length, row?.reservedAt, part));
  const filter = {
    ...(floor !== null && { since: new Date(floor) }),
    // Of the last one's millisecond there may be more.
    ...(last !== undefined && { until: new Date(timeOf(last) + 1) }),
  };
  for await (const row of images.deletions(filter)) {
    if (isThere(row)) continue;
    yield row;
    if (rows.length % STEP_ROWS === 0) look(row, (nowMs - timeOf(row)) / (nowMs - bottomMs));
  }
  look(rows.at(-1), 1);
}

const timeOf = ({ reservedAt }: DeletionJson) => Date.parse(reservedAt);

/** Says of a row whether it is one of `rows`, perhaps as it was at another time. Each of them is found once. */
function finder(rows: readonly DeletionJson[]): (row: DeletionJson) => boolean {
  const identityOf = (row: DeletionJson) => JSON.stringify([row.reservedAt, row.caller, row.requestId, row.imageId]);
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(identityOf(row), (counts.get(identityOf(row)) ?? 0) + 1);
  return (row) => {
    const left = counts.get(identityOf(row)) ?? 0;
    counts.set(identityOf(row), left - 1);
    return left > 0;
  };
}

/** `newer`, and the rows of `older` that it lacks; newest first. */
export function merge(newer: readonly DeletionJson[], older: readonly DeletionJson[]): readonly DeletionJson[] {
  const isThere = finder(newer);
  const kept = older.filter((row) => !isThere(row));
  return [...newer, ...kept].sort((a, b) => timeOf(b) - timeOf(a));
}

/** From when on the ledger may know more than these rows say; `null`: from its beginning. Milliseconds since the epoch. */
export function floorMs(rows: readonly DeletionJson[]): number | null {
  const [newest] = rows;
  if (newest === undefined) return null;
  const unknown = rows.findLast(({ outcome }) => outcome === 'unknown');
  const recentMs = timeOf(newest) - RECENT_MS;
  return unknown === undefined ? recentMs : Math.min(recentMs, timeOf(unknown));
}

/** About when the oldest row was reserved: at most half as long again before. */
async function oldestMs(images: ImageGateway, nowMs: number): Promise<number> {
  const isOlder = async (ageMs: number) =>
    (await images.deletions({ until: new Date(nowMs - ageMs) }).next()).done === false;
  let ageMs = DAY_MS;
  while (await isOlder(ageMs)) ageMs *= 1.5;
  return nowMs - ageMs;
}

/** A line that replaces the one before. `part` is between 0 and 1. */
function bar(rows: number, reached: string | undefined, part: number): string {
  const full = Math.round(Math.min(1, Math.max(0, part)) * BAR_CHARS);
  return `\r[${'#'.repeat(full).padEnd(BAR_CHARS)}] ${rows} rows${reached === undefined ? '' : `, back to ${reached}`}`;
}

if (import.meta.main) await runAsProgram(runExport);
