/**
 * `npm run export -- URL [FILE]`: copies the deletion history into a JSON Lines file, newest first.
 *
 * Promises: FILE has every row that the ledger had when the run began, or does not exist; memory use does not grow with the rows. The
 * next `--since` includes all rows that may still change. Never: takes the token from the command line. One gap: if the ledger's clock
 * goes back by more than an hour, rows from that hour may be missing.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { resolve } from 'node:path';
import { type DeletionJson, ImageGateway, ImageGatewayError, LostAnswerError } from '../client/index.ts';
import { HOUR_MS } from '../worker/time.ts';
import { type Outcome, parseCommand, refusal, refused, runAsProgram, unprinted, type World } from './command.ts';
import { codeOf } from './files.ts';
import { asciiJson, counted } from './print.ts';

/** One page. */
const STEP_ROWS = 500;
const MAX_REPEATS = 5;
const PAUSE_MS = 1_000;
/** The longest schedule of checks, plus an hour. A deletion that has not been verified by then never will be. */
const OPEN_MS = 25 * HOUR_MS;

/** Runs the export. */
export async function runExport(args: readonly string[], world: World): Promise<Outcome> {
  const command = parseCommand('export', { texts: ['since'] }, args, world.env);
  if (!command.ok) return command.failure;
  const [url = '', given, ...more] = command.value.words;
  const { GATEWAY_TOKEN: token = '' } = world.env;
  if (!URL.canParse(url) || given === '' || more.length > 0)
    return refusal('export', 'Give a URL and at most one FILE.');
  if (token === '') return refusal('export', 'The variable GATEWAY_TOKEN is not set.');
  const file = given ?? `${URL.parse(url)?.hostname}.jsonl`;
  const path = resolve(world.folder, file);
  const temporary = `${path}.${randomUUID()}.tmp`;
  let descriptor: number | null = null;
  try {
    const images = new ImageGateway({ baseUrl: url, token, retries: 9 });
    if (file !== '-' && fs.existsSync(path)) return refused(`${file} already exists. Give another FILE.\n`);
    // `subject` may be personal data.
    if (file !== '-') descriptor = fs.openSync(temporary, 'wx', 0o600);
    let [rows, open, nextMs] = [0, 0, 0];
    for await (const row of rowsOf(images, command.value.text('since'), world.sleep)) {
      const line = `${asciiJson(row)}\n`;
      const failure = descriptor === null ? await world.print(line) : fs.appendFileSync(descriptor, line);
      if (failure) return unprinted(failure);
      const reservedMs = Date.parse(row.reservedAt);
      if (rows++ === 0) nextMs = reservedMs - HOUR_MS;
      if (mayChange(row, world.now() - reservedMs)) [open, nextMs] = [open + 1, Math.min(nextMs, reservedMs)];
      if (rows % STEP_ROWS === 0) world.show?.(`\r${rows} rows, back to ${new Date(reservedMs).toISOString()}`);
    }
    world.show?.('\r');
    const next =
      rows === 0 ? (command.value.text('since') ?? new Date(0).toISOString()) : new Date(nextMs).toISOString();
    const said = `${counted(rows, 'row')} (${open} may still change). Next time: --since ${next}\n`;
    if (descriptor === null) return { status: 0, stdout: '', stderr: said };
    fs.fsyncSync(descriptor);
    if (fs.existsSync(path)) return refused(`${file} was created by another process meanwhile.\n`);
    fs.renameSync(temporary, path);
    return { status: 0, stdout: `${next}\n`, stderr: `${file}: ${said}` };
  } catch (error) {
    // The client's errors do not quote the token. Any other is the file system's.
    if (error instanceof ImageGatewayError || error instanceof TypeError) return refused(`${error.message}\n`);
    return refused(`${file} cannot be written (${codeOf(error)}).\n`);
  } finally {
    if (descriptor !== null) fs.closeSync(descriptor);
    fs.rmSync(temporary, { force: true });
  }
}

/** The rows since a time, each once. After a lost response it resumes after the last row. */
async function* rowsOf(
  images: ImageGateway,
  since: string | undefined,
  sleep: World['sleep'],
): AsyncGenerator<DeletionJson> {
  let [last, ofLast, repeats] = ['', 0, 0];
  for (;;) {
    // There may be more rows in the last one's millisecond.
    const until = last === '' ? {} : { until: new Date(Date.parse(last) + 1) };
    let known = ofLast;
    try {
      for await (const row of images.deletions({ ...(since !== undefined && { since }), ...until })) {
        if (known-- > 0) continue;
        [last, ofLast, repeats] = [row.reservedAt, row.reservedAt === last ? ofLast + 1 : 1, 0];
        yield row;
      }
      return;
    } catch (error) {
      if (!(error instanceof LostAnswerError) || repeats === MAX_REPEATS) throw error;
      await sleep(PAUSE_MS * 2 ** repeats++);
    }
  }
}

/** Whether the row may still change. */
function mayChange({ outcome, verified }: DeletionJson, ageMs: number): boolean {
  return outcome === 'unknown' || (outcome === 'deleted' && verified === null && ageMs < OPEN_MS);
}

if (import.meta.main) await runAsProgram(runExport);
