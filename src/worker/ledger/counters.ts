/**
 * Counters that never go down, whatever retention removes.
 *
 * Promises: one row for each name, caller and label, updated in the same transaction as what it counts. Never: has a clock.
 */
import { type Counts, TOTALS, type TotalName } from './rows.ts';
import type { Sql } from './sql.ts';

/**
 * The counters beside the totals. `deletions`: rows that got a final outcome, by caller and outcome. `refusals`: reservations that a
 * budget refused, by budget. `resolutions`: unknown outcomes that became final, by outcome. `removed`: rows with a final outcome that
 * retention removed.
 */
export type CounterName = TotalName | 'deletions' | 'refusals' | 'resolutions' | 'removed';

interface Count {
  /** Blank unless the counter is by caller. */
  readonly caller: string;
  /** Blank unless the counter has a label. */
  readonly label: string;
  readonly value: number;
}

export const COUNTERS_TABLE = `CREATE TABLE counters (
     name TEXT NOT NULL,
     caller TEXT NOT NULL,
     label TEXT NOT NULL,
     value INTEGER NOT NULL,
     PRIMARY KEY (name, caller, label)
   ) STRICT, WITHOUT ROWID`;

export const COUNTER_SQL = {
  count: `INSERT INTO counters (name, caller, label, value) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET value = value + excluded.value`,
  counts: 'SELECT caller, label, value FROM counters WHERE name = ?',
} as const;

export class Counters {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(name: CounterName, { caller = '', label = '', value = 1 }: Partial<Count> = {}): void {
    this.#sql.exec(COUNTER_SQL.count, name, caller, label, value);
  }

  byLabel(name: CounterName): Counts {
    return byLabel(this.#of(name));
  }

  byCaller(name: CounterName): Readonly<Record<string, Counts>> {
    const callers = Map.groupBy(this.#of(name), ({ caller }) => caller);
    return Object.fromEntries([...callers].map(([caller, counts]) => [caller, byLabel(counts)]));
  }

  totals(): Counts {
    return Object.fromEntries(TOTALS.map((name) => [name, this.total(name)]));
  }

  total(name: CounterName): number {
    return this.#of(name).reduce((sum, { value }) => sum + value, 0);
  }

  #of(name: CounterName): Count[] {
    return this.#sql
      .exec(COUNTER_SQL.counts, name)
      .toArray()
      .map(({ caller, label, value }) => ({ caller: String(caller), label: String(label), value: Number(value) }));
  }
}

function byLabel(counts: readonly Count[]): Counts {
  return Object.fromEntries(counts.map(({ label, value }) => [label, value]));
}
