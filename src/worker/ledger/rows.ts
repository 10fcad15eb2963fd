/** What the ledger remembers, and the calls that it takes. Times are milliseconds since the epoch. */
import type { RowOutcome } from '../outcome.ts';
import type { Result } from '../result.ts';

export interface Reservation {
  /** Made by us for each request, unlike `requestId`, which a caller may choose and repeat. */
  readonly id: string;
  readonly requestId: string;
  readonly caller: string;
  /** Whom a token was issued to, or `null` for other proofs. */
  readonly subject: string | null;
  readonly imageId: string;
  /** Tells which Baidu key signs. */
  readonly keyFingerprint: string;
}

export interface Settlement {
  readonly outcome: RowOutcome;
  /** Whether Baidu said so (`true`) or it was inferred (`false`); `null` unless `deleted` or `already_absent`. */
  readonly confirmed: boolean | null;
  /** The problem's code, or `null` on success. */
  readonly code: string | null;
  /** Deletions sent to Baidu: 0, 1 or 2; `null` if a bug ended the counting. */
  readonly attempts: number | null;
  readonly upstreamRequestId: string | null;
  readonly imageName: string | null;
}

export interface DeletionRow extends Reservation, Settlement {
  /** Grows with every row. */
  readonly seq: number;
  readonly reservedAtMs: number;
  readonly settledAtMs: number | null;
  /** When a look at the image decided an unknown outcome. */
  readonly resolvedAtMs: number | null;
}

/** The place of a row in the history, which is ordered by time and then by sequence, because clocks go back. */
export interface Cursor {
  readonly reservedAtMs: number;
  readonly seq: number;
}

export interface HistoryQuery {
  /** `null` for everyone's. */
  readonly caller: string | null;
  readonly imageId: string | null;
  readonly requestId: string | null;
  readonly outcome: RowOutcome | null;
  /** Inclusive. */
  readonly sinceMs: number | null;
  /** Exclusive. */
  readonly untilMs: number | null;
  /** Only rows that come after this place. */
  readonly after: Cursor | null;
  readonly limit: number;
}

/** How many distinct images may be deleted within 24 hours, by the caller and by all callers together. */
export interface Budgets {
  readonly caller: number;
  readonly account: number;
}

/** The budget that is used up, and for how many seconds. */
export interface Exhausted {
  readonly of: keyof Budgets;
  readonly budget: number;
  readonly retryAfterS: number;
}

/** The last deletion of an image. */
export interface LastDeletion {
  readonly caller: string;
  readonly requestId: string;
  readonly atMs: number;
}

/** What the ledger knows before a deletion: the last one of the same image by anyone, and whether there is room for this one. */
export interface Outlook {
  readonly lastDeletion: LastDeletion | null;
  readonly exhausted: Exhausted | null;
}

/** Numbers by a word; a word that was never counted is absent. */
export type Counts = Readonly<Record<string, number>>;

/** What the ledger has counted since it began, and what it knows now. */
export interface LedgerMetrics {
  /** Deletions whose outcome is final, once each, by caller and outcome. */
  readonly deletions: Readonly<Record<string, Counts>>;
  /** Reservations that a budget refused, by the budget. */
  readonly refusals: Counts;
  /** Fates that a look found, by outcome. */
  readonly resolutions: Counts;
  /** Images whose looks all failed for a day. */
  readonly overdue: number;
  /** Rows whose outcome is unknown now, and when the oldest of them was reserved, by a clock that was not ahead. */
  readonly unresolved: { readonly rows: number; readonly oldestAtMs: number | null };
  readonly rows: number;
  /** Images that count against the budgets now; of callers, those with a deletion ever. */
  readonly counting: { readonly account: number; readonly callers: Counts };
}

/** The ledger's calls, as its Durable Object offers them. */
export interface Ledger {
  reserve(reservation: Reservation, budgets: Budgets): Promise<Result<LastDeletion | null, Exhausted>>;
  settle(id: string, settlement: Settlement): Promise<void>;
  cancel(reservation: Reservation, settlement: Settlement): Promise<void>;
  peek(caller: string, imageId: string, budgets: Budgets): Promise<Outlook>;
  history(query: HistoryQuery): Promise<DeletionRow[]>;
  metrics(): Promise<LedgerMetrics>;
}
