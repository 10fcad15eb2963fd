/**
 * The gateway and the emulator in one isolate of workerd, joined by a function instead of a socket.
 *
 * Promises: the gateway is the real one, from configuration to log line. Only the arguments of `createApp` are replaced, and a
 * test can look at each replacement afterwards. The function between the two behaves like a network: answer and body end with
 * the signal, and it throws if the connection drops. A call returns when everything that the request started is done, so
 * its audit record and its row exist by then. Every answer is checked against the OpenAPI document.
 */
import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, inject } from 'vitest';
import { createApp } from '../src/worker/app.ts';
import type { UncheckedEnv } from '../src/worker/bindings.ts';
import type { Arrival } from '../src/worker/callers/identify.ts';
import { parseConfig } from '../src/worker/config.ts';
import { isRecord } from '../src/worker/json.ts';
import type { Schedule } from '../src/worker/ledger/schedule.ts';
import type { Sql } from '../src/worker/ledger/sql.ts';
import { LedgerStore } from '../src/worker/ledger/store.ts';
import { platformRuntime } from '../src/worker/platform.ts';
import { checked, problemFaults } from './answers.ts';
import type { Account } from './emulator/bce-auth.ts';
import { Emulator } from './emulator/emulator.ts';
import { joint } from './emulator/joint.ts';
import { CALLERS, EMULATOR_CREDENTIALS, KEYS, SCHEDULE } from './fixtures.ts';
import './provided.ts';

export const ENDPOINT = 'https://bcc.bj.baidubce.com';
export const GATEWAY = 'https://gateway.test';
/** The second argument of `app.fetch` for a request over HTTP. */
export const HTTP: Arrival = { by: 'http' };

export interface HarnessOptions {
  env?: UncheckedEnv;
  /** The emulator's credential. The gateway's is in `env`. */
  account?: Account;
  /** Replaces the emulator. */
  fetch?: (request: Request) => Promise<Response>;
  /** How far the gateway's clock is ahead, in milliseconds. */
  clockOffsetMs?: number;
  /** How the requests arrive. */
  arrival?: Arrival;
  /** The origin of their URLs. */
  origin?: string;
}

export interface Line {
  severity: string;
  text: string;
  record: Readonly<Record<string, unknown>>;
}

/** The real Durable Object, under a name that no other test uses, whatever name the gateway asks for. */
export function freshLedgers() {
  const ledger = crypto.randomUUID();
  return { getByName: () => ledgerNamed(ledger) };
}

/** The ledger with this name. */
export const ledgerNamed = (name: string) => env.LEDGER.getByName(name, { locationHint: 'apac-ne' });

export const validEnv = (): UncheckedEnv => ({
  BCC_ENDPOINT: ENDPOINT,
  BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
  BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
  CALLERS: JSON.stringify(CALLERS),
  UPSTREAM_ATTEMPT_TIMEOUT_MS: '200',
  UPSTREAM_DEADLINE_MS: '5000',
  PROTECTED_IMAGES: '[]',
  PROTECTED_NAMES: '[]',
  LEDGER: freshLedgers(),
  RATE_LIMITER_BURST: { limit: async () => ({ success: true }) },
  RATE_LIMITER_SUSTAINED: { limit: async () => ({ success: true }) },
  ASSETS: env.ASSETS,
});

export function createHarness({
  env: change,
  account,
  fetch,
  clockOffsetMs = 0,
  arrival = HTTP,
  origin = GATEWAY,
}: HarnessOptions = {}) {
  const emulator = new Emulator(account ?? EMULATOR_CREDENTIALS, (ms) => scheduler.wait(ms));
  const lines: Line[] = [];
  const requests: Request[] = [];
  const pausesMs: number[] = [];
  const answer = fetch ?? ((request: Request) => emulator.fetch(request));
  const app = createApp(parseConfig({ ...validEnv(), ...change }), {
    ...platformRuntime,
    now: () => Date.now() + clockOffsetMs,
    random: () => 0.5,
    sleep: async (ms) => {
      pausesMs.push(ms);
    },
    log: (severity, text) => lines.push({ severity, text, record: parseRecord(text) }),
    fetch: (url, signed) => {
      // The issuer is a real server.
      if (url.startsWith(inject('issuerUrl'))) return globalThis.fetch(url, signed);
      const request = new Request(url, signed);
      requests.push(request);
      // Called here, so that a synchronous error is thrown to the gateway.
      const answering = answer(request);
      return joint(() => answering)(request);
    },
  });
  const { fetch: answerTo } = app;
  app.fetch = async (request, ...rest) => checked(request.method, request.url, await answerTo(request, ...rest));
  return {
    app,
    emulator,
    lines,
    /** The requests to Baidu. */
    requests,
    /** The gateway's pauses between attempts, which take no time here. */
    pausesMs,
    call: async (method: string, path: string, headers: HeadersInit = { Authorization: `Bearer ${KEYS.cleaner}` }) => {
      const ctx = createExecutionContext();
      const response = await app.fetch(new Request(origin + path, { method, headers }), arrival, ctx);
      await waitOnExecutionContext(ctx);
      return response;
    },
  };
}

export type Harness = ReturnType<typeof createHarness>;

/** The log lines with this `event.name`. */
export const recordsOf = ({ lines }: Harness, name: string) =>
  lines.map(({ record }) => record).filter((record) => record['event.name'] === name);

export const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

function parseRecord(text: string): Line['record'] {
  const record: unknown = JSON.parse(text);
  if (!isRecord(record)) throw new Error(`Not a record: ${text}`);
  return record;
}

/** The body of an answer that must be a problem. */
export async function problemOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const body: unknown = await response.json();
  const faults = problemFaults(body);
  if (faults !== '' || !isRecord(body)) throw new Error(`Not a problem: ${JSON.stringify(body)}\n${faults}`);
  return body;
}

export interface Preview {
  deletable: boolean | null;
  sharedWith: number | null;
  blockers: { code: string; detail: string }[];
}

/** The preview of an image. */
export async function previewOf(harness: Harness, id: string, key = KEYS.both): Promise<Preview> {
  const response = await harness.call('GET', `/images/${id}`, bearer(key));
  const body: Preview = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(200);
  return body;
}

/** The codes of the blockers, in their order. */
export const codesOf = ({ blockers }: Preview) => blockers.map(({ code }) => code);

export interface HistoryPage {
  deletions: {
    requestId: string;
    caller: string;
    imageId: string;
    outcome: string;
    confirmed: boolean | null;
    settledAt: string | null;
  }[];
}

/** A page of the history, and the path of the next page. */
export async function historyPage(
  harness: Harness,
  path: string,
  key = KEYS.cleaner,
): Promise<{ body: HistoryPage; next: string | null }> {
  const response = await harness.call('GET', path, bearer(key));
  const body: HistoryPage = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(200);
  const link = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
  return { body, next: link === undefined ? null : link.slice(GATEWAY.length) };
}

/** Puts `count` custom images into the emulator: `m-many0000`, `m-many0001` and so on. */
export function manyImages({ emulator }: Harness, count: number): string[] {
  const ids = Array.from({ length: count }, (_, n) => `m-many${String(n).padStart(4, '0')}`);
  for (const id of ids) emulator.images.set(id, { id, name: id, type: 'Custom', status: 'Available', sharedWith: [] });
  return ids;
}

export interface ExpectedDeletion {
  status: number;
  code: string;
  outcome: string;
  /** Requests to Baidu. */
  calls: number;
  severity?: string;
  retryAfter?: string;
  /** For a success: whether Baidu confirmed it. Default: `true`. */
  confirmed?: boolean;
}

/** Sends one deletion, and checks its answer, its audit record and the requests to Baidu. */
export async function expectDeletion(harness: Harness, path: string, expected: ExpectedDeletion) {
  const response = await harness.call('DELETE', path);
  expect(response.status).toBe(expected.status);
  const isSuccess = expected.status === 200;
  const body: Readonly<Record<string, unknown>> = isSuccess ? await response.json() : await problemOf(response);
  expect(body['outcome']).toBe(expected.outcome);
  const imageId = path.slice('/images/'.length).split('?')[0];
  const confirmed = isSuccess ? (expected.confirmed ?? true) : undefined;
  expect(body['confirmed']).toBe(confirmed);
  if (!isSuccess) expect(body['code']).toBe(expected.code);
  const historyUrl = `${GATEWAY}/deletions?caller=cleaner&imageId=${imageId}&requestId=${body['requestId']}`;
  expect(body['deletion']).toBe(expected.outcome === 'unknown' ? historyUrl : undefined);
  expect(response.headers.get('retry-after')).toBe(expected.retryAfter ?? null);
  expect(harness.requests).toHaveLength(expected.calls);

  // An unlisted code has a line of its own.
  const [line, ...more] = harness.lines.filter(({ record }) => record['event.name'] !== 'absence_unlisted');
  expect(more).toEqual([]);
  expect(line?.severity).toBe(expected.severity ?? 'INFO');
  expect(line?.record).toMatchObject({
    'event.name': 'audit',
    severity_text: expected.severity ?? 'INFO',
    'http.response.status_code': expected.status,
    'http.route': '/images/:id',
    'caller.id': 'cleaner',
    'image.id': imageId,
    decision: 'allowed',
    outcome: expected.outcome,
    attempts: expected.calls,
    'bce.access_key.fingerprint': '9ae8a8b2',
  });
  expect(line?.record['error.type']).toBe(isSuccess ? undefined : expected.code);
  expect(line?.record['confirmed']).toBe(confirmed);
  return body;
}

/** A new ledger. */
export const freshLedger = () => ledgerNamed(crypto.randomUUID());

/** Runs `act` inside the Durable Object of a fresh ledger. */
export const insideLedger = <T>(act: (sql: SqlStorage, ctx: DurableObjectState) => T | Promise<T>) =>
  runInDurableObject(freshLedger(), (_ledger, ctx) => act(ctx.storage.sql, ctx));

/** A store with the newest schema. */
export function storeIn(sql: Sql, schedule: Schedule = SCHEDULE): LedgerStore {
  const store = new LedgerStore(sql, schedule);
  store.migrate();
  return store;
}
