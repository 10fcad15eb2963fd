/**
 * `npm run soak`: the real gateway and emulator over real sockets, with many callers by key, token and binding, and every fault
 * at random. A hop repeats deletions, callers hang up or send a request twice, and the gateway is killed and restarted. When
 * the faults have stopped, it waits until every outcome is final and every deletion is read back. Then it compares the
 * responses, the ledger, metrics and audit records with what the emulator did. The exit status is 1 if there is any
 * contradiction.
 * The faults last `--seconds N` (default 300), and the wait about as long again.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createKey } from '../../src/tools/new-key.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import { ROW_OUTCOMES } from '../../src/worker/outcome.ts';
import { checkAnswer } from '../answers.ts';
import { FAULTS } from '../emulator/emulator.ts';
import { EMULATOR_CREDENTIALS } from '../fixtures.ts';
import { TestIssuer } from '../issuer.ts';
import { openHop } from './hop.ts';
import { startIssuer } from './issuer.ts';
import { type Answered, type AuditRecord, type Call, type Row, reconcile, type Sent } from './reconcile.ts';
import {
  type Gateway,
  type Server,
  startCaller,
  startEmulator,
  startGateway,
  temporaryFolder,
  varsFor,
} from './stack.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '300' } } });
const seconds = Number(values.seconds);
/** Enough that the rate limit, about one request a second for each caller, refuses few. */
const CALLERS = 160;
/** The Worker of `test/local/caller`: one caller, with the same rate limit as any other. */
const BOUND = 'demo-worker';
const BOUND_SHARE = 0.03;
/** The budget of every fifth caller, which exhausts it. The others have more than they can use. */
const SMALL_BUDGET = 5;
const LARGE_BUDGET = 1_000;
const WORKERS = 16;
const FAULT_SHARE = 0.35;
const HANG_UP_SHARE = 0.1;
/** Deletions that the hop between gateway and Baidu sends again. */
const REPETITION_SHARE = 0.15;
/** Deletions of an image that was or is being deleted by another request. */
const SAME_IMAGE_SHARE = 0.15;
/** Requests that the caller sends again, during the first or soon after. */
const SAME_REQUEST_SHARE = 0.15;
const SAME_REQUEST_WITHIN_MS = 9_000;
/** When images are checked, in seconds. Each row's last check comes after the faults, because the next is an hour later. */
const LAST_CHECK_S = Math.max(45, seconds + 25);
const CHECKS_S = [7, 9, 13, 18, 24, 31, 38, LAST_CHECK_S];
const RESOLUTION_TIMEOUT_MS = (LAST_CHECK_S + 75) * 1000;
const KILL_EVERY_MS = 9_000;
const TOKEN_REUSED_MS = 60_000;

const secrets = [EMULATOR_CREDENTIALS.secretAccessKey, EMULATOR_CREDENTIALS.accessKeyId];
const newKey = () => {
  const pair = createKey();
  secrets.push(pair.key);
  return pair;
};

const persistTo = temporaryFolder('soak');
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const emulator = await startEmulator(0);
const hop = await openHop(emulator.url, REPETITION_SHARE);
const issuerServer = await startIssuer();
const issuer = await TestIssuer.create(issuerServer.url);

/** A caller that deletes images. */
interface Caller {
  readonly name: string;
  readonly proof: Sent['proof'];
  readonly subject: string | null;
  readonly budget: number;
  readonly config: object;
  /** Where it sends its requests, and with which credential. */
  readonly origin: () => string;
  readonly authorization: () => Promise<string | null>;
}

function callerByKey(): Pick<Caller, 'proof' | 'subject' | 'config' | 'authorization'> {
  const { key, keySha256 } = newKey();
  const authorization = async () => `Bearer ${key}`;
  return { proof: 'key', subject: null, config: { keySha256: [keySha256] }, authorization };
}

function callerByToken(name: string): Pick<Caller, 'proof' | 'subject' | 'config' | 'authorization'> {
  const config = { tokens: [{ issuer: 'local', claims: { sub: name } }] };
  const newToken = async () => {
    const token = await issuer.token({ sub: name });
    secrets.push(token.slice(token.lastIndexOf('.') + 1));
    return token;
  };
  let token = Promise.resolve('');
  let signedMs = 0;
  const authorization = async () => {
    if (Date.now() - signedMs > TOKEN_REUSED_MS) {
      signedMs = Date.now();
      token = newToken();
    }
    return `Bearer ${await token}`;
  };
  return { proof: 'token', subject: name, config, authorization };
}

const callers: Caller[] = Array.from({ length: CALLERS }, (_, n) => {
  const name = `caller-${n}`;
  const byProof = n % 3 === 0 ? callerByToken(name) : callerByKey();
  const budget = n % 5 === 0 ? SMALL_BUDGET : LARGE_BUDGET;
  // Every fourth caller may delete only certain names, so that the gateway reads some images first.
  const names = n % 4 === 0 ? { names: ['soak-*'] } : {};
  const config = { ...byProof.config, ...names, scopes: ['images:delete'], dailyDeletions: budget };
  return { ...byProof, name, budget, config, origin: () => gateway.url };
});
const boundCaller: Caller = {
  name: BOUND,
  proof: 'binding',
  subject: null,
  budget: LARGE_BUDGET,
  config: { binding: true, scopes: ['images:delete'], dailyDeletions: LARGE_BUDGET },
  origin: () => bound?.url ?? gateway.url,
  authorization: async () => null,
};
const callerOf = new Map([...callers, boundCaller].map((caller) => [caller.name, caller]));
/** They read the history page by page. There are enough that none reaches the rate limit. */
const auditors = Array.from({ length: 20 }, newKey);

const contradictions: string[] = [];
let kills = 0;
let captured = '';
const start = () =>
  startGateway({
    port: 0,
    persistTo,
    vars: {
      ...varsFor(emulator),
      BCC_ENDPOINT: hop.url,
      ISSUERS: JSON.stringify({ local: issuer.entry() }),
      CALLERS: JSON.stringify({
        ...Object.fromEntries([...callerOf.values()].map(({ name, config }) => [name, config])),
        ...Object.fromEntries(
          auditors.map(({ keySha256 }, n) => [
            `auditor-${n}`,
            { keySha256: [keySha256], scopes: ['deletions:read', 'metrics:read'] },
          ]),
        ),
      }),
      UPSTREAM_ATTEMPT_TIMEOUT_MS: '1500',
      UPSTREAM_DEADLINE_MS: '3000',
      DAILY_DELETIONS_TOTAL: '100000',
      RESOLVE_UNKNOWN_AFTER_S: JSON.stringify(CHECKS_S),
    },
    onLine: (line) => {
      captured += `${line}\n`;
    },
  });
let gateway: Gateway = await start();
/** `null` while it restarts. */
let bound: Server | null = await startCaller(0, gateway);
const endMs = Date.now() + seconds * 1000;
let stopping = false;
/** Settles when the gateway is up again after a kill. Requests under way get no answer. */
let up = Promise.resolve();

const direct = (order: string, body: unknown) =>
  fetch(`${emulator.url}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });
/** All but a 404 under an unlisted code, whose outcome is a guess (`confirmed: false`). */
const faultNames = Object.keys(FAULTS).filter((name) => name !== 'unseen_404');
const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(Math.random() * list.length)];

const sent: Sent[] = [];
let images = 0;

/** Checks an answer against the OpenAPI document. */
function checkShape(method: string, response: Response, text: string): void {
  try {
    checkAnswer(method, response.url, response, text);
  } catch (error) {
    contradictions.push(String(error));
  }
}

/** One deletion by one caller, with random faults. */
async function deleteOne(): Promise<void> {
  const isBound = bound !== null && Math.random() < BOUND_SHARE;
  const caller = (isBound ? boundCaller : pick(callers)) ?? boundCaller;
  const earlier = Math.random() < SAME_IMAGE_SHARE ? pick(sent.slice(-300))?.imageId : undefined;
  const imageId = earlier ?? `m-soak${String(images++).padStart(8, '0')}`;
  // One image in ten is absent from the start, and one in ten has a name that some callers may not delete.
  const kind = earlier === undefined ? Math.random() : 0;
  if (kind > 0.1) await direct('images', { id: imageId, name: kind > 0.2 ? `soak-${imageId}` : `other-${imageId}` });
  if (Math.random() < FAULT_SHARE) await direct('faults', [pick(faultNames)]);
  const requestId = `soak-${sent.length}`;
  const first = send(caller, imageId, requestId);
  if (Math.random() >= SAME_REQUEST_SHARE) return first;
  await wait(Math.random() ** 2 * SAME_REQUEST_WITHIN_MS);
  await Promise.all([first, send(caller, imageId, requestId)]);
}

async function send(caller: Caller, imageId: string, requestId: string): Promise<void> {
  const entry: Sent = { caller: caller.name, proof: caller.proof, imageId, requestId, answer: null };
  sent.push(entry);
  const signal = Math.random() < HANG_UP_SHARE ? AbortSignal.timeout(Math.floor(Math.random() * 300)) : null;
  try {
    const authorization = await caller.authorization();
    const headers = { 'X-Request-Id': requestId, ...(authorization !== null && { Authorization: authorization }) };
    const response = await fetch(`${caller.origin()}/images/${imageId}`, { method: 'DELETE', headers, signal });
    const text = await response.text();
    captured += `${JSON.stringify([...response.headers])}${text}\n`;
    const body: unknown = JSON.parse(text);
    if (!isRecord(body)) throw new SyntaxError('not an object');
    checkShape('DELETE', response, text);
    if (body['requestId'] !== requestId) contradictions.push(`another request id: ${text}`);
    entry.answer = answered(response, body);
  } catch (error) {
    // While the gateway is away, the bound Worker answers with an error of its own.
    if (error instanceof SyntaxError && caller !== boundCaller)
      contradictions.push(`an answer without JSON for ${imageId}`);
  }
}

function answered(response: Response, body: Readonly<Record<string, unknown>>): Answered {
  const { deletion, deletedBefore, confirmed } = body;
  const before = isRecord(deletedBefore) ? deletedBefore['requestId'] : null;
  return {
    outcome: String(body['outcome']),
    code: response.ok ? null : String(body['code']),
    confirmed: typeof confirmed === 'boolean' ? confirmed : null,
    deletionCaller: typeof deletion === 'string' ? new URL(deletion).searchParams.get('caller') : null,
    deletedBefore: typeof before === 'string' ? before : null,
    retryAfter: response.headers.get('retry-after'),
  };
}

async function work(): Promise<void> {
  while (Date.now() < endMs) {
    await up;
    await deleteOne();
  }
}

async function killNowAndThen(): Promise<void> {
  while (Date.now() + KILL_EVERY_MS < endMs) {
    await wait(KILL_EVERY_MS * (0.5 + Math.random()));
    if (stopping) return;
    let isUp = () => {};
    up = new Promise((resolve) => {
      isUp = resolve;
    });
    const caller = bound;
    bound = null;
    await gateway.stop('SIGKILL');
    kills++;
    await caller?.stop('SIGKILL');
    gateway = await start();
    isUp();
    bound = await startCaller(0, gateway);
  }
}

const progress = setInterval(() => {
  const leftS = Math.max(0, Math.round((endMs - Date.now()) / 1000));
  console.log(`${leftS} s left, ${sent.length} requests, ${kills} kills, ${contradictions.length} contradictions`);
}, 5_000);
const killing = killNowAndThen();
await Promise.all(Array.from({ length: WORKERS }, work));
stopping = true;
await killing;
clearInterval(progress);
// Requests still running, such as a deletion whose caller hung up, end within their deadline.
await wait(4_000);

function listOf<T>(body: unknown, name: string, read: (entry: Readonly<Record<string, unknown>>) => T): T[] {
  const list = isRecord(body) ? body[name] : undefined;
  if (!Array.isArray(list)) throw new Error(`no ${name}: ${JSON.stringify(body).slice(0, 200)}`);
  return list.filter(isRecord).map(read);
}

let questions = 0;
async function ask(url: string): Promise<{ response: Response; text: string }> {
  const key = auditors[questions++ % auditors.length]?.key;
  const response = await fetch(url, { headers: { Authorization: `Bearer ${key}` } });
  const text = await response.text();
  captured += `${text}\n`;
  checkShape('GET', response, text);
  return { response, text };
}

/** The complete history, or the rows that a query selects, by following `Link`. */
async function history(query: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let url: string | undefined = `${gateway.url}/deletions?limit=500${query}`; url !== undefined; ) {
    const { response, text } = await ask(url);
    rows.push(...listOf(parseJson(text), 'deletions', rowOf));
    url = /<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
  }
  return rows;
}

function rowOf(row: Readonly<Record<string, unknown>>): Row {
  const text = (name: string) => (row[name] === null ? null : String(row[name]));
  const timeMs = (name: string) => (row[name] === null ? null : Date.parse(String(row[name])));
  const flag = (name: string) => (typeof row[name] === 'boolean' ? row[name] : null);
  const outcome = ROW_OUTCOMES.find((word) => word === row['outcome']);
  if (outcome === undefined) throw new Error(`no outcome: ${JSON.stringify(row)}`);
  return {
    requestId: String(row['requestId']),
    caller: String(row['caller']),
    subject: text('subject'),
    imageId: String(row['imageId']),
    imageName: text('imageName'),
    reservedAtMs: timeMs('reservedAt') ?? Number.NaN,
    settledAtMs: timeMs('settledAt'),
    resolvedAtMs: timeMs('resolvedAt'),
    outcome,
    confirmed: flag('confirmed'),
    verified: flag('verified'),
    code: text('code'),
  };
}

// The faults have stopped. Now every unknown outcome must become final, and every deletion must be read back.
await direct('calm', null);
const isWaiting = async () =>
  (await history('&outcome=unknown')).length > 0 ||
  (await history('&outcome=deleted')).some((row) => row.resolvedAtMs === null && row.verified === null);
const giveUpMs = Date.now() + RESOLUTION_TIMEOUT_MS;
while ((await isWaiting()) && Date.now() < giveUpMs) await wait(2_000);

const rows = await history('');
const metrics = (await ask(`${gateway.url}/metrics`)).text;
const state: unknown = await (await fetch(`${emulator.url}/__emulator/state`)).json();
const imageOf = (path: unknown) => String(path).slice('/v2/image/'.length);
const calls = listOf(state, 'calls', (call) => call);
const deletions = listOf(state, 'calls', (call): Call & { readonly isDeletion: boolean } => ({
  isDeletion: call['method'] === 'DELETE',
  imageId: imageOf(call['path']),
  deleted: call['deleted'] === true,
  answer: String(call['answer']),
  atMs: Number(call['atMs']),
})).filter(({ isDeletion }) => isDeletion);
await Promise.all([bound?.stop(), gateway.stop(), hop.stop(), emulator.stop(), issuerServer.stop()]);

const records = captured
  .split('\n')
  .filter((line) => line.includes('"event.name":"audit"'))
  .map(parseJson)
  .filter((record): record is AuditRecord => isRecord(record));
const { contradictions: found, counts } = reconcile({
  sent,
  rows,
  records,
  calls: deletions,
  standing: new Set(listOf(state, 'images', (image) => String(image['id']))),
  repetitions: hop.repetitions.map(({ path, atMs }) => ({ imageId: imageOf(path), atMs })),
  budgetOf: (caller) => callerOf.get(caller)?.budget ?? 0,
  subjectOf: (caller) => callerOf.get(caller)?.subject ?? null,
  requestOverMs: (CHECKS_S[0] ?? 0) * 1000,
  hasKilled: kills > 0,
});
contradictions.push(...found);

const metric = (name: string) => Number(new RegExp(`^bcc_image_gateway_${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
const refusals = sent.filter(({ answer }) => answer?.code === 'deletion_in_progress').length;
if (!(metric('in_progress_refusals_total') >= refusals))
  contradictions.push('the ledger has not counted every refusal');
for (const name of ['disproved_deletions_total', 'unverified_deletions_total', 'unresolved_deletions']) {
  if (metric(name) !== 0) contradictions.push(`${name} is ${metric(name)}`);
}
if (metric('ledger_rows') !== rows.length) contradictions.push(`the metrics count ${metric('ledger_rows')} rows`);
for (const secret of secrets)
  if (captured.includes(secret)) contradictions.push('a response or log line contains a secret');

console.log(
  `\n${sent.length} requests, ${kills} kills, ${calls.length} calls, ${hop.repetitions.length} repeated by the hop, ` +
    `${rows.length} rows, ${records.length} audit records, ${captured.length} bytes captured`,
);
const sentBy = Object.entries(Object.groupBy(sent, ({ proof }) => `sent by ${proof}`));
const tally = {
  ...counts,
  ...Object.fromEntries(sentBy.map(([what, list = []]) => [what, list.length])),
  'no answer': sent.filter(({ answer }) => answer === null).length,
};
for (const [what, times] of Object.entries(tally).sort()) console.log(`  ${String(times).padStart(6)}  ${what}`);
console.log(`\n${contradictions.length} contradictions`);
for (const contradiction of contradictions.slice(0, 20)) console.log(`  ${contradiction}`);
process.exit(contradictions.length === 0 ? 0 : 1);
