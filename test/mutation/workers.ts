/** Replaces `cloudflare:workers` in Node.js: the ledger's Durable Objects with SQLite in memory, and the built assets. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Ledger } from '../../src/worker/ledger-object.ts';
import { CALLERS, EMULATOR_CREDENTIALS } from '../fixtures.ts';
import { sqlOf } from '../local/sqlite.ts';

export class DurableObject {
  readonly ctx: unknown;
  readonly env: unknown;
  constructor(ctx: unknown, env: unknown) {
    this.ctx = ctx;
    this.env = env;
  }
}

export interface Living {
  instance: Promise<Ledger>;
  ctx: { storage: unknown; abort: () => void };
}
/** What survives an eviction. */
const databases = new Map<string, DatabaseSync>();
const alarms = new Map<string, number>();
export const living = new Map<string, Living>();

export function liveObject(name: string): Living {
  const known = living.get(name);
  if (known !== undefined) return known;
  const database = databases.get(name) ?? new DatabaseSync(':memory:');
  databases.set(name, database);
  const storage = {
    sql: sqlOf(database),
    transactionSync: (act: () => unknown) => {
      database.exec('BEGIN');
      try {
        const value = act();
        database.exec('COMMIT');
        return value;
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
    getAlarm: async () => alarms.get(name) ?? null,
    setAlarm: async (timeMs: number) => {
      alarms.set(name, timeMs);
    },
    deleteAlarm: async () => {
      alarms.delete(name);
    },
  };
  const ctx = { storage, abort: () => living.delete(name), blockConcurrencyWhile: (act: () => unknown) => act() };
  // Imported here and not at the top, because the ledger imports this file.
  const instance = import('../../src/worker/ledger-object.ts').then(
    ({ Ledger: Real }) => new Real(ctx as never, SETTINGS),
  );
  const object = { instance, ctx };
  living.set(name, object);
  return object;
}

const PAGES = join(import.meta.dirname, '../../dist/pages');

export const env = {
  ASSETS: {
    fetch: async (url: string) => {
      const file = join(PAGES, new URL(url).pathname);
      return existsSync(file) ? new Response(readFileSync(file)) : new Response(null, { status: 404 });
    },
  },
  LEDGER: {
    getByName: (name: string, _options: { locationHint: string }) => ({
      name,
      reserve: async (...args: Parameters<Ledger['reserve']>) => (await liveObject(name).instance).reserve(...args),
      settle: async (...args: Parameters<Ledger['settle']>) => (await liveObject(name).instance).settle(...args),
      cancel: async (...args: Parameters<Ledger['cancel']>) => (await liveObject(name).instance).cancel(...args),
      peek: async (...args: Parameters<Ledger['peek']>) => (await liveObject(name).instance).peek(...args),
      metrics: async () => (await liveObject(name).instance).metrics(),
      history: async (...args: Parameters<Ledger['history']>) => (await liveObject(name).instance).history(...args),
    }),
  },
};

const limiter = { limit: async () => ({ success: true }) };
/** A valid configuration with an endpoint that never answers. Without a valid one, the ledger's alarm does nothing. */
const SETTINGS = {
  BCC_ENDPOINT: 'http://127.0.0.1:9',
  BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
  BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
  CALLERS: JSON.stringify(CALLERS),
  PROTECTED_IMAGES: '[]',
  PROTECTED_NAMES: '[]',
  LEDGER: env.LEDGER,
  RATE_LIMITER_BURST: limiter,
  RATE_LIMITER_SUSTAINED: limiter,
};
