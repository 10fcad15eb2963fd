/**
 * `npm run soak`: the real gateway and emulator over real sockets, with many callers, every fault at random, callers who hang up,
 * and a gateway that is killed and started again. When the faults have stopped it waits until the ledger knows every fate, and then
 * compares what the callers were told, what the ledger and the audit records say, and what the emulator did. The exit code is 1 if
 * there is any contradiction. The faults last `--seconds N` (default 300), and the wait about as long again.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createKey } from '../../src/tools/new-key.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import { checkAnswer } from '../answers.ts';
import { FAULTS } from '../emulator/emulator.ts';
import { EMULATOR_CREDENTIALS } from '../fixtures.ts';
import { type Server, startEmulator, startGateway, temporaryFolder, varsFor } from './stack.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '300' } } });
const seconds = Number(values.seconds);
const endMs = Date.now() + seconds * 1000;
/** So many that the rate limit, which admits each about once a second, refuses few requests. */
const CALLERS = 160;
/** The budget of every fifth caller, who uses it up. The others have more than they can use. */
const SMALL_BUDGET = 5;
const LARGE_BUDGET = 1_000;
const WORKERS = 16;
const FAULT_SHARE = 0.35;
const HANG_UP_SHARE = 0.1;
/** Deletions of an image that somebody has deleted before. */
const REPEATED_SHARE = 0.15;
/**
 * When unknown outcomes are looked at, in seconds. Of every row the last look comes after the faults, because the one after it would
 * come an hour later.
 */
const LAST_LOOK_S = Math.max(45, seconds + 25);
const LOOKS_S = [6, 9, 13, 18, 24, 31, 38, LAST_LOOK_S];
const RESOLUTION_TIMEOUT_MS = (LAST_LOOK_S + 75) * 1000;
const KILL_EVERY_MS = 9_000;

/** What a caller remembers of one deletion. */
interface Told {
  caller: string;
  imageId: string;
  requestId: string;
  /** `null` if no answer came, because the caller hung up or the gateway was killed. */
  outcome: string | null;
  code: string | null;
}

const contradictions: string[] = [];
const tally: Record<string, number> = {};
const count = (what: string) => {
  tally[what] = (tally[what] ?? 0) + 1;
};
const secrets = [EMULATOR_CREDENTIALS.secretAccessKey, EMULATOR_CREDENTIALS.accessKeyId];

const keys = Array.from({ length: CALLERS }, createKey);
/** They read the history page by page; so many that none reaches the rate limit. */
const auditors = Array.from({ length: 20 }, createKey);
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
      DAILY_DELETIONS_TOTAL: '100000',
      RESOLVE_UNKNOWN_AFTER_S: JSON.stringify(LOOKS_S),
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

/** Holds an answer against the OpenAPI document. */
function checkShape(method: string, response: Response, text: string): void {
  try {
    checkAnswer(method, response.url, response, text);
  } catch (error) {
    contradictions.push(String(error));
  }
}

/** One deletion by one caller, with whatever may happen to it. */
async function deleteOne(): Promise<void> {
  const n = Math.floor(Math.random() * CALLERS);
  const repeated = Math.random() < REPEATED_SHARE ? pick(told.slice(-50))?.imageId : undefined;
  const imageId = repeated ?? `m-soak${String(images++).padStart(8, '0')}`;
  // One image in ten is absent from the start, and one in ten has a name that some callers may not delete.
  const fate = repeated === undefined ? Math.random() : 0;
  if (fate > 0.1) await direct('images', { id: imageId, name: fate > 0.2 ? `soak-${imageId}` : `other-${imageId}` });
  if (Math.random() < FAULT_SHARE) await direct('faults', [pick(faultNames)]);
  const memory: Told = { caller: callerName(n), imageId, requestId: `soak-${told.length}`, outcome: null, code: null };
  told.push(memory);
  const hangUp = Math.random() < HANG_UP_SHARE ? AbortSignal.timeout(Math.floor(Math.random() * 300)) : null;
  try {
    const headers = { Authorization: `Bearer ${keys[n]?.key}`, 'X-Request-Id': memory.requestId };
    const response = await fetch(`${gateway.url}/images/${imageId}`, { method: 'DELETE', headers, signal: hangUp });
    const text = await response.text();
    captured += `${JSON.stringify([...response.headers])}${text}\n`;
    const body: unknown = JSON.parse(text);
    if (!isRecord(body)) throw new SyntaxError('not an object');
    checkShape('DELETE', response, text);
    if (body['requestId'] !== memory.requestId) contradictions.push(`another request id: ${text}`);
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
  requestId: string;
  caller: string;
  imageId: string;
  outcome: string;
  confirmed: boolean | null;
  isResolved: boolean;
}

function listOf<T>(body: unknown, name: string, read: (entry: Readonly<Record<string, unknown>>) => T): T[] {
  const list = isRecord(body) ? body[name] : undefined;
  if (!Array.isArray(list)) throw new Error(`no ${name}: ${JSON.stringify(body).slice(0, 200)}`);
  return list.filter(isRecord).map(read);
}

let pages = 0;
/** The whole history, or the part that a query asks for, by following `Link`. */
async function history(query: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let url: string | undefined = `${gateway.url}/deletions?limit=500${query}`; url !== undefined; ) {
    const key = auditors[pages++ % auditors.length]?.key;
    const response: Response = await fetch(url, { headers: { Authorization: `Bearer ${key}` } });
    const text = await response.text();
    captured += `${text}\n`;
    checkShape('GET', response, text);
    rows.push(
      ...listOf(parseJson(text), 'deletions', (row) => ({
        requestId: String(row['requestId']),
        caller: String(row['caller']),
        imageId: String(row['imageId']),
        outcome: String(row['outcome']),
        confirmed: typeof row['confirmed'] === 'boolean' ? row['confirmed'] : null,
        isResolved: row['resolvedAt'] !== null,
      })),
    );
    url = /<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
  }
  return rows;
}

// The faults have stopped. Now every unknown outcome has to come to light by itself.
await direct('calm', null);
const giveUpMs = Date.now() + RESOLUTION_TIMEOUT_MS;
while ((await history('&outcome=unknown')).length > 0 && Date.now() < giveUpMs) await wait(1_000);

const rows = new Map<string, Row>();
for (const row of await history('')) {
  if (rows.has(row.requestId)) contradictions.push(`two rows for ${row.requestId}`);
  rows.set(row.requestId, row);
  count(`row ${row.outcome}${row.isResolved ? ' (resolved)' : ''}`);
  if (row.outcome === 'unknown') contradictions.push(`${row.requestId} is unknown at the end`);
}
const state: unknown = await (await fetch(`${emulator.url}/__emulator/state`)).json();
const calls = listOf(state, 'calls', (call) => ({
  method: String(call['method']),
  imageId: String(call['path']).slice('/v2/image/'.length),
  deleted: call['deleted'] === true,
  answer: String(call['answer']),
}));
const standing = new Set(listOf(state, 'images', (image) => String(image['id'])));
await Promise.all([gateway.stop(), emulator.stop()]);

const deletions = calls.filter(({ method }) => method === 'DELETE');
const called = new Set(deletions.map(({ imageId }) => imageId));
const removed = new Set(deletions.filter(({ deleted }) => deleted).map(({ imageId }) => imageId));
/** Baidu deleted it and said so. */
const confirmed = new Set(
  deletions.filter((call) => call.deleted && call.answer === 'ok').map(({ imageId }) => imageId),
);
const rowsOf = new Map<string, Row[]>();
for (const row of rows.values()) rowsOf.set(row.imageId, [...(rowsOf.get(row.imageId) ?? []), row]);
for (const imageId of called) if (!rowsOf.has(imageId)) contradictions.push(`${imageId} was called and has no row`);
for (const imageId of removed) {
  if (!rowsOf.get(imageId)?.some(({ outcome }) => outcome === 'deleted')) {
    contradictions.push(`${imageId} was deleted, and no row says so`);
  }
}

/** What is claimed about an image, held against what the emulator did. */
function check(side: string, imageId: string, outcome: string | null, isConfirmed: boolean | null): void {
  const claim = (isFalse: boolean, truth: string) => {
    if (isFalse) contradictions.push(`${side}: ${imageId} is ${outcome}, and ${truth}`);
  };
  const stands = standing.has(imageId);
  // Of an image with several rows the emulator cannot tell which of them did it.
  const isAlone = rowsOf.get(imageId)?.length === 1;
  claim(outcome === 'deleted' && stands, 'stands');
  // A kill can end a request between its reservation and its call. If the image was absent before, the ledger then finds it gone,
  // and says no more than that a deletion may have been sent.
  claim(outcome === 'deleted' && isConfirmed !== false && !called.has(imageId), 'was not called');
  claim(outcome === 'deleted' && isConfirmed === true && !confirmed.has(imageId), 'Baidu did not say so');
  claim(outcome === 'already_absent' && stands, 'stands');
  claim(outcome === 'already_absent' && isAlone && removed.has(imageId), 'was deleted');
  claim(outcome === 'not_deleted' && !stands, 'is gone');
  claim(outcome === 'rejected' && isAlone && removed.has(imageId), 'was deleted');
  claim(outcome === 'not_attempted' && isAlone && called.has(imageId), 'was called');
}
for (const { imageId, outcome, code } of told) {
  // A request that was refused before the ledger has no row, so the rows of others say nothing about it.
  if (!isRefused(code)) check('caller', imageId, outcome, null);
}
for (const row of rows.values()) check('ledger', row.imageId, row.outcome, row.confirmed);

const deletedBy = new Map<string, Set<string>>();
for (const { caller, imageId, outcome } of rows.values()) {
  if (outcome === 'deleted') deletedBy.set(caller, (deletedBy.get(caller) ?? new Set()).add(imageId));
}
for (let n = 0; n < CALLERS; n++) {
  const spent = deletedBy.get(callerName(n))?.size ?? 0;
  if (spent > budgetOf(n)) contradictions.push(`${callerName(n)} deleted ${spent} of ${budgetOf(n)}`);
}

function isRefused(code: string | null): boolean {
  return code !== null && ['budget_exhausted', 'rate_limited', 'ledger_unavailable'].includes(code);
}

const records = new Map<string, Readonly<Record<string, unknown>>>();
for (const line of captured.split('\n').filter((text) => text.includes('"event.name":"audit"'))) {
  const record = parseJson(line);
  if (!isRecord(record)) continue;
  if (records.has(String(record['gateway.request.id']))) contradictions.push(`two audit records: ${line}`);
  records.set(String(record['gateway.request.id']), record);
}
const recordOf = new Map([...records.values()].map((record) => [String(record['request.id']), record]));
for (const { imageId, requestId, outcome, code } of told) {
  if (outcome === null) continue;
  const row = rows.get(requestId);
  const record = recordOf.get(requestId);
  if (!isRefused(code) && row === undefined) contradictions.push(`${imageId} was told ${outcome}, and has no row`);
  if (row !== undefined && row.outcome !== outcome && outcome !== 'unknown') {
    // The settlement got lost with a killed gateway, and the looks inferred what they could.
    const isInferred = row.isResolved && (record === undefined || record['ledger.settled'] === false);
    if (!isInferred) contradictions.push(`${imageId} was told ${outcome}, and its row says ${row.outcome}`);
  }
  if (record !== undefined && record['outcome'] !== outcome) {
    contradictions.push(`${imageId} was told ${outcome}, and its record says ${record['outcome']}`);
  }
  // A killed gateway loses the records that it had not written yet.
  if (record === undefined) count('told without a record');
}
if (tally['kills'] === undefined && tally['told without a record'] !== undefined) {
  contradictions.push(`${tally['told without a record']} answers without a record, and nobody was killed`);
}
for (const secret of secrets) if (captured.includes(secret)) contradictions.push('a secret in what was captured');

console.log(
  `\n${told.length} deletions, ${calls.length} calls, ${rows.size} rows, ${records.size} audit records, ${captured.length} bytes captured`,
);
for (const [what, times] of Object.entries(tally).sort()) console.log(`  ${String(times).padStart(6)}  ${what}`);
console.log(`\n${contradictions.length} contradictions`);
for (const contradiction of contradictions.slice(0, 20)) console.log(`  ${contradiction}`);
process.exit(contradictions.length === 0 ? 0 : 1);
