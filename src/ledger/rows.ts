/** What the ledger remembers, and the ledger's interface. Times are milliseconds since the epoch. */
import type { RowOutcome } from '../outcome.ts';

export interface Reservation {
  readonly requestId: string;
  readonly imageId: string;
  readonly keyFingerprint: string;
}

export interface Settlement {
  readonly outcome: RowOutcome;
  /** The problem's code, or `null` on success. */
  readonly code: string | null;
  /** Deletions sent to Baidu: 0, 1 or 2. */
  readonly attempts: number;
  readonly upstreamRequestId: string | null;
  readonly imageName: string | null;
}

export interface DeletionRow extends Reservation, Omit<Settlement, 'attempts'> {
  /** `null` until the row is settled. */
  readonly attempts: number | null;
  /** Grows with every row. A page ends with one, and the next page begins after it. */
  readonly seq: number;
  readonly reservedAtMs: number;
  readonly settledAtMs: number | null;
}

export interface HistoryQuery {
  readonly imageId: string | null;
  readonly outcome: RowOutcome | null;
  /** Inclusive. */
  readonly sinceMs: number | null;
  /** Exclusive. */
  readonly untilMs: number | null;
  /** Only rows before this one. */
  readonly beforeSeq: number | null;
  readonly limit: number;
}

export type Reserved = { readonly seq: number } | { readonly retryAfterS: number };

/** What would stand in the way of a reservation now, and the caller's last deletion of an image. */
export interface Peek {
  /** Seconds until the budget has room, or `null` if it has room now. */
  readonly retryAfterS: number | null;
  readonly deleted: DeletionRow | null;
}

/** The ledger of one caller, as its Durable Object offers it. */
export interface CallerLedger {
  reserve(reservation: Reservation, budget: number): Promise<Reserved>;
  settle(seq: number, imageId: string, settlement: Settlement): Promise<DeletionRow | null>;
  peek(imageId: string, budget: number): Promise<Peek>;
  history(query: HistoryQuery): Promise<DeletionRow[]>;
}
