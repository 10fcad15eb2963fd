/**
 * `npm run export -- URL [FILE]`: copies the history of deletions into a file of JSON Lines, newest first.
 *
 * Promises: FILE has every row that the ledger had when the run began, or does not exist; memory does not grow with the rows. Rows that
 * may still change come again with the next `--since`. Never: takes the token from the command line.
 * One gap: if the ledger's clock goes back by more than an hour, rows of that time may be missed.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { resolve } from 'node:path';
import { type DeletionJson, ImageGateway, ImageGatewayError, LostAnswerError } from '../client/index.ts';
import { HOUR_MS } from '../worker/time.ts';
import { type Outcome, parseCommand, refusal, refused, runAsProgram, unprinted, type World } from './command.ts';
import { codeOf } from './files.ts';
import { asciiJson, counted } from './print.ts';

/** As many as a page has. */
const STEP_ROWS = 500;
const MAX_REPEATS = 5;
const PAUSE_MS = 1_000;
/** The longest plan of checks, and an hour. A deletion that was not read back by then never will be. */
const OPEN_MS = 25 * HOUR_MS;

/** Exports what the arguments name. */
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
    // Of the client, which does not quote the token, or of the file system.
    if (error instanceof ImageGatewayError || error instanceof TypeError) return refused(`${error.message}\n`);
    return refused(`${file} cannot be written (${codeOf(error)}).\n`);
  } finally {
    if (descriptor !== null) fs.closeSync(descriptor);
    fs.rmSync(temporary, { force: true });
  }
}

/** The rows since a time, each once. After a lost answer it goes on behind the last row. */
async function* rowsOf(
  images: ImageGateway,
  since: string | undefined,
  sleep: World['sleep'],
): AsyncGenerator<DeletionJson> {
  let [last, ofLast, repeats] = ['', 0, 0];
  for (;;) {
    // Of the last one's millisecond there may be more.
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

/** Whether a later run may read the row with another word. */
function mayChange({ outcome, verified }: DeletionJson, ageMs: number): boolean {
  return outcome === 'unknown' || (outcome === 'deleted' && verified === null && ageMs < OPEN_MS);
}

if (import.meta.main) await runAsProgram(runExport);
