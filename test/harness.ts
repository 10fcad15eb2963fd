/**
 * The gateway and the emulator in one isolate of workerd, joined by a function instead of a socket.
 *
 * Promises: the gateway is the real one, from configuration to log line; only what `createApp` takes as arguments is
 * replaced, and each replacement can be looked at afterwards. The joint refuses what the network would: it ends with the
 * signal, and a dropped connection throws.
 */
import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { Validator } from '@cfworker/json-schema';
import { createApp } from '../src/app.ts';
import type { UncheckedEnv } from '../src/bindings.ts';
import { parseConfig } from '../src/config.ts';
import { problemSchema } from '../src/http/schemas.ts';
import { isRecord } from '../src/json.ts';
import type { Account } from './emulator/bce-auth.ts';
import { Emulator } from './emulator/emulator.ts';
import { CALLERS, EMULATOR_CREDENTIALS, KEYS } from './fixtures.ts';

export const ENDPOINT = 'https://bcc.bj.baidubce.com';
export const GATEWAY = 'https://gateway.test';
const validator = new Validator(JSON.parse(JSON.stringify(problemSchema)), '2020-12');

export interface HarnessOptions {
  env?: UncheckedEnv;
  /** What the emulator knows; what the gateway knows is in `env`. */
  account?: Account;
  /** In place of the emulator. */
  fetch?: (request: Request) => Promise<Response>;
  /** How far the gateway's clock is ahead, in milliseconds. */
  clockOffsetMs?: number;
}

export interface Line {
  severity: string;
  text: string;
  record: Readonly<Record<string, unknown>>;
}

/** The real Durable Objects, under names that nobody used before. */
function freshLedgers() {
  const test = crypto.randomUUID();
  return { getByName: (callerId: string) => env.LEDGER.getByName(`${test}/${callerId}`) };
}

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
});

export function createHarness({ env: change, account, fetch, clockOffsetMs = 0 }: HarnessOptions = {}) {
  const emulator = new Emulator(account ?? EMULATOR_CREDENTIALS, (ms) => scheduler.wait(ms));
  const lines: Line[] = [];
  const requests: Request[] = [];
  const pausesMs: number[] = [];
  const app = createApp(parseConfig({ ...validEnv(), ...change }), {
    now: () => Date.now() + clockOffsetMs,
    random: () => 0.5,
    randomUUID: () => crypto.randomUUID(),
    sleep: async (ms) => {
      pausesMs.push(ms);
    },
    log: (severity, text) => lines.push({ severity, text, record: parseRecord(text) }),
    fetch: (url, signed) => {
      const request = new Request(url, signed);
      requests.push(request);
      return Promise.race([aborted(request.signal), (fetch ?? ((given) => emulator.fetch(given)))(request)]);
    },
  });
  return {
    app,
    emulator,
    lines,
    /** What was sent to Baidu. */
    requests,
    /** The gateway's pauses, which it did not really wait for. */
    pausesMs,
    /** Its answer, which has been held against the shape where it is not 2xx. */
    call: async (method: string, path: string, headers: HeadersInit = { Authorization: `Bearer ${KEYS.cleaner}` }) => {
      const response = await app.fetch(new Request(GATEWAY + path, { method, headers }), {}, createExecutionContext());
      if (!response.ok && response.body !== null) await problemOf(response.clone());
      return response;
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

function parseRecord(text: string): Line['record'] {
  const record: unknown = JSON.parse(text);
  if (!isRecord(record)) throw new Error(`Not a record: ${text}`);
  return record;
}

/** The body of an answer that is not 2xx, after everything that holds for each of them has been checked. */
export async function problemOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  const body: unknown = await response.json();
  const { valid, errors } = validator.validate(body);
  if (!valid) throw new Error(`Not a problem: ${JSON.stringify(body)}\n${JSON.stringify(errors, null, 1)}`);
  if (!isRecord(body)) throw new Error('Not an object');
  const expected = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'x-request-id': body['requestId'],
  };
  for (const [name, value] of Object.entries(expected)) {
    if (response.headers.get(name) !== value) throw new Error(`${name}: ${response.headers.get(name)}`);
  }
  if (body['status'] !== response.status) throw new Error(`status ${body['status']} in an answer ${response.status}`);
  return body;
}
