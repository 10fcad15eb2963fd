/**
 * Every ledger that a search meets, stored once, and the effect of the real store on it.
 *
 * A ledger is the rows of its table. To run a call of the store, the rows and the counters that they imply are put into SQLite, and
 * the result is read back and remembered. The same call on the same ledger at the same time runs once.
 *
 * Promises: checks what each call changes, by the rows before and after: `final-words` and `counters`.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { DeletionRow } from '../../../src/worker/ledger/rows.ts';
import type { Schedule } from '../../../src/worker/ledger/schedule.ts';
import type { LedgerEvent, LedgerStore } from '../../../src/worker/ledger/store.ts';
import { HOUR_MS } from '../../../src/worker/time.ts';
import { sqlOf } from '../sqlite.ts';
import type { Code } from './code.ts';
import type { Problem } from './invariants.ts';
import { countersOf, type Row, rowOf, wrongChanges } from './words.ts';

/** The rows of one ledger, in the order of their insertion. */
export interface Ledger {
  readonly id: number;
  readonly rows: readonly Row[];
  readonly nextCheckMs: number | null;
  readonly stored: readonly StoredRow[];
}

/** No call distinguishes these in a closed row. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = { rejected: 'nothing done', not_attempted: 'nothing done' };

type StoredRow = Readonly<Record<string, string | number | null>>;

/** The result of a call. */
export interface Applied<T> {
  readonly ledger: Ledger;
  readonly result: T;
  readonly problems: readonly Problem[];
}

/** A call of the store. */
export interface Call<T> {
  /** Identifies the call. */
  readonly key: string;
  /** The row that the call settles. */
  readonly settles?: { readonly id: string; readonly words: Pick<DeletionRow, 'outcome' | 'confirmed'> };
  readonly act: (store: LedgerStore) => { readonly result: T; readonly events: readonly LedgerEvent[] };
  /** What the call counts in addition to what its rows imply, by name and label of the counter. */
  readonly counts: (result: T, before: Ledger) => readonly string[];
}

/** Closed rows older than all open ones keep only their order. */
const CLOSED_BEFORE_MS = HOUR_MS;
const TIMES = ['reserved_at', 'began_at', 'settled_at', 'resolved_at', 'next_check_at', 'looked_at', 'found_at'];

export class Ledgers {
  readonly empty: Ledger;
  readonly #database = new DatabaseSync(':memory:');
  readonly #statements = new Map<string, StatementSync>();
  readonly #store: LedgerStore;
  readonly #ledgers = new Map<string, Ledger>();
  readonly #earlier = new Map<string, Ledger>();
  readonly #reduced = new Map<string, Ledger>();
  readonly #applied = new Map<string, Applied<unknown>>();
  readonly #asked = new Map<string, unknown>();
  /** The ledger now in the database. */
  #loaded: Ledger | null = null;

  constructor(code: Code, schedule: Schedule) {
    this.#store = new code.LedgerStore(sqlOf(this.#database), schedule);
    this.#store.migrate();
    this.empty = this.#remember([]);
  }

  /** The number of ledgers that differ in what can follow. */
  get size(): number {
    return this.#reduced.size;
  }

  /** An equivalent ledger, with every time earlier by `byMs`. */
  earlier(ledger: Ledger, byMs: number): Ledger {
    const key = `${ledger.id} ${byMs}`;
    const known = this.#earlier.get(key);
    if (known !== undefined) return known;
    const shifted = this.#shifted(ledger, byMs);
    const reducedKey = shifted.rows.map(reducedKeyOf).join(';');
    const reduced = this.#reduced.get(reducedKey) ?? shifted;
    this.#reduced.set(reducedKey, reduced);
    this.#earlier.set(key, reduced);
    return reduced;
  }

  #shifted(ledger: Ledger, byMs: number): Ledger {
    const shift = (row: StoredRow) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => {
          const isTime = TIMES.includes(name) && typeof value === 'number';
          return [name, isTime ? value - byMs : value];
        }),
      );
    return this.#remember(ledger.stored.map(shift));
  }

  /** Runs a call that may write. */
  apply<T>(ledger: Ledger, nowMs: number, call: Call<T>): Applied<T> {
    const key = `${ledger.id} ${nowMs} ${call.key}`;
    const known = this.#applied.get(key);
    // The key identifies the call, and so the type of its result.
    if (known !== undefined) return known as Applied<T>;
    const applied = this.#run(ledger, call);
    this.#applied.set(key, applied);
    return applied;
  }

  /** Runs a call that only reads. */
  ask<T>(ledger: Ledger, key: string, question: (store: LedgerStore) => T): T {
    const whole = `${ledger.id} ${key}`;
    if (this.#asked.has(whole)) return this.#asked.get(whole) as T;
    this.#load(ledger);
    const answer = question(this.#store);
    this.#asked.set(whole, answer);
    return answer;
  }

  #run<T>(before: Ledger, { settles, act, counts }: Call<T>): Applied<T> {
    this.#load(before);
    this.#statement('SAVEPOINT call').run();
    const { result, events } = act(this.#store);
    const stored = this.#read();
    const rows = stored.map(rowOf);
    const ledger = this.#remember(stored);
    const expected = countersOf(rows);
    for (const name of counts(result, before)) expected.set(name, (expected.get(name) ?? 0) + 1);
    const counted = this.#counters();
    this.#statement('ROLLBACK TO call').run();
    this.#statement('RELEASE call').run();
    const problems: Problem[] = wrongChanges(before.rows, rows, settles, events).map((text) => ({
      invariant: 'final-words',
      text,
    }));
    for (const name of new Set([...expected.keys(), ...counted.keys()])) {
      const [is, should] = [counted.get(name) ?? 0, expected.get(name) ?? 0];
      if (is !== should) problems.push({ invariant: 'counters', text: `the counter ${name} is ${is}, not ${should}` });
    }
    return { ledger, result, problems };
  }

  #load(ledger: Ledger): void {
    if (this.#loaded === ledger) return;
    this.#statement('DELETE FROM deletions').run();
    this.#statement('DELETE FROM counters').run();
    for (const row of ledger.stored) {
      const names = Object.keys(row);
      const values = names.map(() => '?').join();
      this.#statement(`INSERT INTO deletions (${names.join()}) VALUES (${values})`).run(...Object.values(row));
    }
    const insert = this.#statement('INSERT INTO counters (name, caller, label, value) VALUES (?, ?, ?, ?)');
    for (const [name, value] of countersOf(ledger.rows)) insert.run(...name.split('|'), value);
    this.#loaded = ledger;
  }

  #read(): StoredRow[] {
    return this.#statement('SELECT * FROM deletions ORDER BY seq')
      .all()
      .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
  }

  #remember(raw: readonly StoredRow[]): Ledger {
    const stored = withClosedTimes(raw);
    const rows = stored.map(rowOf);
    const key = rows.map(keyOf).join(';');
    const known = this.#ledgers.get(key);
    if (known !== undefined) return known;
    const times = rows.flatMap(({ nextCheckAtMs }) => nextCheckAtMs ?? []);
    const nextCheckMs = times.length === 0 ? null : Math.min(...times);
    const ledger = { id: this.#ledgers.size, rows, stored, nextCheckMs };
    this.#ledgers.set(key, ledger);
    return ledger;
  }

  #counters(): Map<string, number> {
    const counters = this.#statement('SELECT name, caller, label, value FROM counters').all();
    return new Map(
      counters.map(({ name, caller, label, value }) => [`${name}|${caller}|${label}`, Number(value)] as const),
    );
  }

  #statement(query: string): StatementSync {
    const statement = this.#statements.get(query) ?? this.#database.prepare(query);
    this.#statements.set(query, statement);
    return statement;
  }
}

/** Whether a later call can still change the row, or refuse another deletion because of it. */
export function isOpen({ outcome, nextCheckAtMs }: Row): boolean {
  return outcome === 'unknown' || nextCheckAtMs !== null;
}

/** Only the order of a closed row matters, so its time is derived from its neighbours. */
function withClosedTimes(raw: readonly StoredRow[]): StoredRow[] {
  const rows = raw.map(rowOf);
  const firstOpen = rows.find(isOpen);
  let isBeforeOpen = true;
  let timeMs = (firstOpen?.reservedAtMs ?? 0) - CLOSED_BEFORE_MS;
  return rows.map((row, index) => {
    if (isOpen(row)) {
      isBeforeOpen = false;
      timeMs = row.reservedAtMs;
    } else {
      timeMs = isBeforeOpen ? timeMs + 1 : Math.min(row.reservedAtMs, timeMs + 1);
    }
    return { ...raw[index], reserved_at: timeMs };
  });
}

/** What can affect a later call. For a closed, settled row that is little more than its id and outcome. */
function reducedKeyOf(row: Row): string {
  const { id, outcome, confirmed, reservedAtMs, settledAtMs } = row;
  if (isOpen(row) || settledAtMs === null) return keyOf(row);
  return `${id},${WITHOUT_EFFECT[outcome] ?? outcome},${confirmed},${reservedAtMs}`;
}

/** Everything in a row but the number of its checks and the times of single events. */
function keyOf(row: Row): string {
  const { id, outcome, confirmed, verified, reservedAtMs, settledAtMs, resolvedAtMs, nextCheckAtMs } = row;
  return [
    id,
    outcome,
    confirmed,
    verified,
    reservedAtMs,
    settledAtMs !== null,
    resolvedAtMs !== null,
    nextCheckAtMs,
    outcome === 'unknown' ? row.checkedAtMs : row.checkedAtMs !== null,
    row.foundAtMs !== null,
  ].join();
}

function plain(value: unknown): string | number | null {
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}
