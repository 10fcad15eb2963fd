/** The subset of the platform's `SqlStorage` that the ledger uses. */
export type SqlRow = Record<string, ArrayBuffer | string | number | null>;
export type SqlBinding = string | number | null;

export interface Sql {
  exec(query: string, ...bindings: SqlBinding[]): { toArray(): SqlRow[]; one(): SqlRow };
}
