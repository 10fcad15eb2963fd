/**
 * `npm run soak`: the real gateway and emulator over real sockets, with many callers, every fault at random, callers who hang up,
 * and a gateway that is killed and started again. Then it compares what the callers were told, what the ledger and the audit records
 * say, and what the emulator did. `--seconds N` bounds it (default 300). The exit code is 1 if there is any contradiction.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Validator } from '@cfworker/json-schema';
import { createKey } from '../../src/callers/new-key.ts';
import { problemSchema } from '../../src/http/schemas.ts';
import { isRecord, parseJson } from '../../src/json.ts';
import { FAULTS } from '../emulator/emulator.ts';
import { EMULATOR_CREDENTIALS } from '../fixtures.ts';
import { type Server, startEmulator, startGateway, temporaryFolder, varsFor } from './stack.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '300' } } });
const endMs = Date.now() + Number(values.seconds) * 1000;
/** So many that the rate limit, which admits each about once a second, refuses few requests. */
const CALLERS = 160;
/** The budget of every fifth caller, who uses it up. The others have more than they can use. */
const SMALL_BUDGET = 5;
const LARGE_BUDGET = 1_000;
const WORKERS = 16;
const FAULT_SHARE = 0.35;
const HANG_UP_SHARE = 0.1;
const KILL_EVERY_MS = 9_000;

/** What a caller remembers of one deletion. */
interface Told {
  caller: string;
  imageId: string;
  /** `null` if no answer came, because the caller hung up or the gateway was killed. */
  requestId: string | null;
  outcome: string | null;
  code: string | null;
}

const contradictions: string[] = [];
const tally: Record<string, number> = {};
const count = (what: string) => {
  tally[what] = (tally[what] ?? 0) + 1;
};
const validator = new Validator(JSON.parse(JSON.stringify(problemSchema)), '2020-12');
const secrets = [EMULATOR_CREDENTIALS.secretAccessKey, EMULATOR_CREDENTIALS.accessKeyId];

const keys = Array.from({ length: CALLERS }, createKey);
/** So many that none reaches the rate limit when each asks about ten callers. */
const auditors = Array.from({ length: Math.ceil(CALLERS / 10) }, createKey);
const callerName = (n: number) => `caller-${n}`;
const budgetOf = (n: number) => (n % 5 === 0 ? SMALL_BUDGET : LARGE_BUDGET);
secrets.push(...[...keys, ...auditors].map(({ key }) => key));
const callers = {
  ...Object.fromEntries(
    keys.map(({ keySha256 }, n) => [
      callerName(n),
      // Every fourth caller may delete only certain names, so that there are reads before deletions too.
      {
        keySha256: [keySha256],
        scopes: ['images:delete'],
        dailyDeletions: budgetOf(n),
        ...(n % 4 === 0 ? { names: ['soak-*'] } : {}),
      },
    ]),
  ),
  ...Object.fromEntries(
    auditors.map(({ keySha256 }, n) => [`auditor-${n}`, { keySha256: [keySha256], scopes: ['deletions:read'] }]),
  ),
};

const persistTo = temporaryFolder('soak');
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const emulator = await startEmulator(0);
let captured = '';
const start = () =>
  startGateway({
    port: 0,
    persistTo,
    vars: {
      ...varsFor(emulator),
      CALLERS: JSON.stringify(callers),
      UPSTREAM_ATTEMPT_TIMEOUT_MS: '700',
      UPSTREAM_DEADLINE_MS: '2000',
    },
    onLine: (line) => {
      captured += `${line}\n`;
    },
  });
let gateway: Server = await start();
let stopping = false;

const direct = (order: string, body: unknown) =>
  fetch(`${emulator.url}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });
const faultNames = Object.keys(FAULTS);
const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)];

const told: Told[] = [];
let images = 0;

/** One deletion by one caller, with whatever may happen to it. */
async function deleteOne(): Promise<void> {
  const n = Math.floor(Math.random() * CALLERS);
  const imageId = `m-soak${String(images++).padStart(8, '0')}`;
  // One image in ten is absent from the start, and one in ten has a name that some callers may not delete.
  const fate = Math.random();
  if (fate > 0.1) await direct('images', { id: imageId, name: fate > 0.2 ? `soak-${imageId}` : `other-${imageId}` });
  if (Math.random() < FAULT_SHARE) await direct('faults', [pick(faultNames)]);
  const memory: Told = { caller: callerName(n), imageId, requestId: null, outcome: null, code: null };
  told.push(memory);
  const hangUp = Math.random() < HANG_UP_SHARE ? AbortSignal.timeout(Math.floor(Math.random() * 300)) : null;
  try {
    const headers = { Authorization: `Bearer ${keys[n]?.key}` };
    const response = await fetch(`${gateway.url}/images/${imageId}`, { method: 'DELETE', headers, signal: hangUp });
    const text = await response.text();
    captured += `${JSON.stringify([...response.headers])}${text}\n`;
    const body: unknown = JSON.parse(text);
    if (!isRecord(body)) throw new SyntaxError('not an object');
    if (!response.ok && !validator.validate(body).valid) contradictions.push(`not in the shape: ${text}`);
    memory.requestId = String(body['requestId']);
    memory.outcome = String(body['outcome']);
    memory.code = response.ok ? null : String(body['code']);
    count(`told ${memory.code ?? memory.outcome}`);
  } catch (error) {
    if (error instanceof SyntaxError) contradictions.push(`an answer that is no JSON for ${imageId}`);
    count('no answer');
    // While the gateway is being started again, it refuses connections at once.
    await wait(500);
  }
}

async function work(): Promise<void> {
  while (Date.now() < endMs) {
    await deleteOne();
  }
}

async function killNowAndThen(): Promise<void> {
  while (Date.now() + KILL_EVERY_MS < endMs) {
    await wait(KILL_EVERY_MS * (0.5 + Math.random()));
    if (stopping) return;
    await gateway.stop('SIGKILL');
    count('kills');
    gateway = await start();
  }
}

const progress = setInterval(() => {
  const leftS = Math.max(0, Math.round((endMs - Date.now()) / 1000));
  console.log(
    `${leftS} s left, ${told.length} deletions, ${tally['kills'] ?? 0} kills, ${contradictions.length} contradictions`,
  );
}, 5_000);
const killing = killNowAndThen();
await Promise.all(Array.from({ length: WORKERS }, work));
stopping = true;
await killing;
clearInterval(progress);
// Whatever is still running, such as a deletion whose caller hung up, ends within its deadline.
await wait(4_000);

interface Row {
  imageId: string;
  outcome: string;
  attempts: number | null;
}

async function listOf<T>(
  url: string,
  name: string,
  read: (entry: Readonly<Record<string, unknown>>) => T,
  key = '',
): Promise<T[]> {
  const response = await fetch(url, { headers: { Authorization: `Bearer ${key}` } });
  const text = await response.text();
  // The emulator's state has signatures in it, and no caller ever sees it.
  if (url.startsWith(gateway.url)) captured += `${text}\n`;
  const body: unknown = JSON.parse(text);
  const list = isRecord(body) ? body[name] : undefined;
  if (!Array.isArray(list)) throw new Error(`no ${name}: ${text.slice(0, 200)}`);
  return list.filter(isRecord).map(read);
}

const PAGE = 500;
const rows = new Map<string, Row>();
for (let n = 0; n < CALLERS; n++) {
  const own = await listOf(
    `${gateway.url}/deletions?caller=${callerName(n)}&limit=${PAGE}`,
    'deletions',
    (row) => ({
      imageId: String(row['imageId']),
      outcome: String(row['outcome']),
      attempts: typeof row['attempts'] === 'number' ? row['attempts'] : null,
    }),
    auditors[n % auditors.length]?.key,
  );
  if (own.length === PAGE) throw new Error(`${callerName(n)} has more rows than one page`);
  for (const row of own) {
    if (rows.has(row.imageId)) contradictions.push(`two rows for ${row.imageId}`);
    rows.set(row.imageId, row);
    count(`row ${row.outcome}`);
  }
  const spent = own.filter(
    ({ outcome, attempts }) => !['rejected', 'not_attempted'].includes(outcome) && attempts !== 0,
  );
  if (spent.length > budgetOf(n)) contradictions.push(`${callerName(n)} spent ${spent.length} of ${budgetOf(n)}`);
}
const calls = await listOf(`${emulator.url}/__emulator/state`, 'calls', (call) => ({
  method: String(call['method']),
  imageId: String(call['path']).slice('/v2/image/'.length),
  deleted: call['deleted'] === true,
}));
const standing = new Set(await listOf(`${emulator.url}/__emulator/state`, 'images', (image) => String(image['id'])));
await Promise.all([gateway.stop(), emulator.stop()]);

const called = new Set(calls.filter(({ method }) => method === 'DELETE').map(({ imageId }) => imageId));
for (const imageId of called) if (!rows.has(imageId)) contradictions.push(`${imageId} was called and has no row`);
const removed = new Set(calls.filter(({ deleted }) => deleted).map(({ imageId }) => imageId));
const check = (side: string, imageId: string, outcome: string | null, attempts: number | null) => {
  if (outcome === 'deleted' && standing.has(imageId)) contradictions.push(`${side}: ${imageId} is deleted, and stands`);
  if (outcome === 'deleted' && !called.has(imageId))
    contradictions.push(`${side}: ${imageId} is deleted, and was not called`);
  if (outcome === 'not_attempted' && called.has(imageId))
    contradictions.push(`${side}: ${imageId} is not_attempted, and was called`);
  if (outcome === 'already_absent' && standing.has(imageId))
    contradictions.push(`${side}: ${imageId} is absent, and stands`);
  if (outcome === 'rejected' && removed.has(imageId))
    contradictions.push(`${side}: ${imageId} is rejected, and was deleted`);
  if (attempts === 0 && called.has(imageId)) contradictions.push(`${side}: ${imageId} has no attempt, and was called`);
};
for (const { imageId, outcome } of told) check('caller', imageId, outcome, null);
for (const { imageId, outcome, attempts } of rows.values()) check('ledger', imageId, outcome, attempts);

const records = new Map<string, Readonly<Record<string, unknown>>>();
for (const line of captured.split('\n').filter((text) => text.includes('"event.name":"audit"'))) {
  const record = parseJson(line);
  if (isRecord(record)) records.set(String(record['request.id']), record);
}
for (const { imageId, requestId, outcome, code } of told) {
  const row = rows.get(imageId);
  const record = requestId === null ? undefined : records.get(requestId);
  const reserved = outcome !== null && !['budget_exhausted', 'rate_limited', 'ledger_unavailable'].includes(code ?? '');
  if (reserved && row === undefined) contradictions.push(`${imageId} was told ${outcome}, and has no row`);
  if (outcome !== null && row !== undefined && row.outcome !== outcome) {
    // A row stays unknown if the ledger did not take the outcome, and then the audit record says so.
    const unsettled = row.outcome === 'unknown' && (record === undefined || record['ledger.settled'] === false);
    if (!unsettled) contradictions.push(`${imageId} was told ${outcome}, and its row says ${row.outcome}`);
  }
  if (record !== undefined && record['outcome'] !== outcome)
    contradictions.push(`${imageId} was told ${outcome}, and its record says ${record['outcome']}`);
  // A killed gateway loses the records that it had not written yet.
  if (outcome !== null && record === undefined) count('told without a record');
}
if (tally['kills'] === undefined && tally['told without a record'] !== undefined)
  contradictions.push(`${tally['told without a record']} answers without a record, and nobody was killed`);
for (const secret of secrets) if (captured.includes(secret)) contradictions.push('a secret in what was captured');

console.log(
  `\n${told.length} deletions, ${calls.length} calls, ${rows.size} rows, ${records.size} audit records, ${captured.length} bytes captured`,
);
for (const [what, times] of Object.entries(tally).sort()) console.log(`  ${String(times).padStart(6)}  ${what}`);
console.log(`\n${contradictions.length} contradictions`);
for (const contradiction of contradictions.slice(0, 20)) console.log(`  ${contradiction}`);
process.exit(contradictions.length === 0 ? 0 : 1);
