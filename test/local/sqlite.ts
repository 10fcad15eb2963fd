/** SQLite by Node.js, as the ledger's store takes it. */
import { DatabaseSync } from 'node:sqlite';
import type { Sql } from '../../src/worker/ledger/sql.ts';

export function sqlOf(database: DatabaseSync): Sql {
  const statements = new Map<string, ReturnType<typeof database.prepare>>();
  return {
    exec(query, ...bindings) {
      if (bindings.length === 0 && /;\s*\S/.test(query)) {
        database.exec(query);
        return { toArray: () => [], one: () => ({}) };
      }
      const statement = statements.get(query) ?? database.prepare(query);
      statements.set(query, statement);
      const rows = statement.all(...bindings).map((row) => Object.fromEntries(Object.entries(row).map(column)));
      return { toArray: () => rows, one: () => rows[0] ?? {} };
    },
  };
}

export function sqliteInMemory(): Sql {
  return sqlOf(new DatabaseSync(':memory:'));
}

function column([name, value]: [string, unknown]): [string, string | number | null] {
  return [name, typeof value === 'string' || typeof value === 'number' ? value : null];
}
