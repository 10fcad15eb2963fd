/** A stand-in for `cloudflare:workers` in Node.js: the ledger's Durable Objects on SQLite in memory. */
import { DatabaseSync } from 'node:sqlite';
import type { Sql } from '../../src/ledger/store.ts';
import type { Ledger } from '../../src/ledger-object.ts';

export class DurableObject {
  readonly ctx: unknown;
  readonly env: unknown;
  constructor(ctx: unknown, env: unknown) {
    this.ctx = ctx;
    this.env = env;
  }
}

function sqlOf(database: DatabaseSync): Sql {
  return {
    exec(query, ...bindings) {
      if (bindings.length === 0 && /;\s*\S/.test(query)) {
        database.exec(query);
        return { toArray: () => [], one: () => ({}) };
      }
      const rows = database.prepare(query).all(...bindings) as Record<string, string | number | null>[];
      return { toArray: () => rows, one: () => rows[0] ?? {} };
    },
  };
}

export interface Living {
  instance: Promise<Ledger>;
  ctx: { storage: unknown; abort: () => void };
}
const databases = new Map<string, DatabaseSync>();
export const living = new Map<string, Living>();

export function liveObject(name: string): Living {
  const known = living.get(name);
  if (known !== undefined) return known;
  const database = databases.get(name) ?? new DatabaseSync(':memory:');
  databases.set(name, database);
  let alarmMs: number | null = null;
  const storage = {
    sql: sqlOf(database),
    transactionSync: (act: () => unknown) => act(),
    getAlarm: async () => alarmMs,
    setAlarm: async (timeMs: number) => {
      alarmMs = timeMs;
    },
    deleteAlarm: () => {
      alarmMs = null;
    },
  };
  const ctx = { storage, abort: () => living.delete(name) };
  // Imported here and not at the top, because the ledger imports this file itself.
  const instance = import('../../src/ledger-object.ts').then(({ Ledger: Real }) => new Real(ctx as never, {}));
  const object = { instance, ctx };
  living.set(name, object);
  return object;
}

export const env = {
  LEDGER: {
    getByName: (name: string) => ({
      name,
      reserve: async (...args: Parameters<Ledger['reserve']>) => (await liveObject(name).instance).reserve(...args),
      settle: async (...args: Parameters<Ledger['settle']>) => (await liveObject(name).instance).settle(...args),
      peek: async (...args: Parameters<Ledger['peek']>) => (await liveObject(name).instance).peek(...args),
      history: async (...args: Parameters<Ledger['history']>) => (await liveObject(name).instance).history(...args),
    }),
  },
};
