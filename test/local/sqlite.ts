/** Node.js's SQLite, with the interface that the ledger's store uses. */
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import type { Sql, SqlRow } from '../../src/worker/ledger/sql.ts';

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
      const rows = statement.all(...bindings).map(plain);
      return { toArray: () => rows, one: () => rows[0] ?? {} };
    },
  };
}

export function sqliteInMemory(): Sql {
  return sqlOf(new DatabaseSync(':memory:'));
}

function plain(row: Record<string, SQLOutputValue>): SqlRow {
  const columns: SqlRow = {};
  for (const name in row) {
    const value = row[name];
    columns[name] = typeof value === 'string' || typeof value === 'number' ? value : null;
  }
  return columns;
}
