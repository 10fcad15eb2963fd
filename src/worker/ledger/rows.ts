/** What the ledger remembers, and the calls that it takes. Times are milliseconds since the epoch. */
import type { RowOutcome } from '../outcome.ts';

export interface Reservation {
  /** Made by us for each request, unlike `requestId`, which a caller may choose and repeat. */
  readonly id: string;
  readonly requestId: string;
  readonly caller: string;
  /** Whom a token was issued to, or `null` for other credentials. */
  readonly subject: string | null;
  readonly imageId: string;
  /** Tells which Baidu key signs. */
  readonly keyFingerprint: string;
}

/** What a request reports of its deletion, and its row keeps. */
interface Report {
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

export interface Settlement extends Report {
  /** Whether Baidu said that the image is absent, under a code that is not on the list. Workers of 1.0.0 leave it out. */
  readonly unlistedAbsence?: boolean;
}

export interface DeletionRow extends Reservation, Report {
  /** Grows with every row. */
  readonly seq: number;
  readonly reservedAtMs: number;
  readonly settledAtMs: number | null;
  /** When an unknown outcome was decided, by a check of the image or by a later deletion of it. */
  readonly resolvedAtMs: number | null;
  /** Whether a check has found the image gone since (`true`) or still there (`false`); `null` if none could tell, or none was made. */
  readonly verified: boolean | null;
  /** When the image is checked next; `null`: never. */
  readonly nextCheckAtMs: number | null;
  readonly checkedAtMs: number | null;
  /** When the last check began that found the image after the request was over. */
  readonly foundAtMs: number | null;
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

/** The row that keeps an image taken: its request may still run, or its checks are not over. */
export interface OpenRow {
  readonly id: string;
  readonly caller: string;
  readonly requestId: string;
}

/**
 * Why a reservation is refused: a budget that is used up, or, with `open`, another deletion of the image. A Worker of 1.0.0 takes
 * either for the former, and must find its members.
 */
export interface Refusal extends Exhausted {
  readonly open?: OpenRow;
}

/** The last deletion of an image. */
export interface LastDeletion {
  readonly caller: string;
  readonly requestId: string;
  readonly atMs: number;
}

/** An earlier row of the same caller and request id: the last deletion of the image, or one whose outcome is still unknown. */
export interface SameRequest {
  readonly id: string;
  readonly isDeleted: boolean;
  /** Whether Baidu confirmed that deletion. */
  readonly confirmed: boolean;
  readonly upstreamRequestId: string | null;
}

/** What the ledger knows of an image as it enters a deletion. A Worker of 1.0.0 reads `ok` and `value` alone. */
export type Reserved =
  | {
      readonly ok: true;
      readonly value: LastDeletion | null;
      /** Whether a deletion seemed to have had no effect, and nothing since has found the image gone. */
      readonly isAfterNotDeleted: boolean;
      readonly sameRequest: SameRequest | null;
    }
  | { readonly ok: false; readonly failure: Refusal };

/** What the ledger knows before a deletion: the last one of the same image by anyone, and what would refuse this one. */
export interface Outlook {
  readonly lastDeletion: LastDeletion | null;
  readonly open: OpenRow | null;
  readonly exhausted: Exhausted | null;
}

/** Numbers by a word; a word that was never counted is absent. */
export type Counts = Readonly<Record<string, number>>;

/**
 * What is counted without a label. `in_progress`: reservations that were refused because the image was taken. `failed_checks`: checks
 * that found nothing out. `overdue`: images whose checks all failed for a day. `disproved`: deletions whose image was still there at the
 * last planned check. `unverified`: deletions that no planned check could read back. `unlisted`: deletions and checks that Baidu
 * answered with an absence whose code is not on the list.
 */
export const TOTALS = ['in_progress', 'failed_checks', 'overdue', 'disproved', 'unverified', 'unlisted'] as const;
export type TotalName = (typeof TOTALS)[number];

/** What the ledger has counted since it began, and what it knows now. */
export interface LedgerMetrics {
  /** Deletions whose outcome is final, once each, by caller and outcome. */
  readonly deletions: Readonly<Record<string, Counts>>;
  /** Reservations that a budget refused, by the budget. */
  readonly refusals: Counts;
  /** Unknown outcomes that became final, by outcome. */
  readonly resolutions: Counts;
  /** By `TotalName`. */
  readonly totals: Counts;
  /** Rows whose outcome is unknown now, and when the oldest of them was reserved. */
  readonly unresolved: { readonly rows: number; readonly oldestAtMs: number | null };
  readonly rows: number;
  /** Images that count against the budgets now. A caller without one is absent. */
  readonly counting: { readonly account: number; readonly callers: Counts };
}

/** The ledger's calls, as its Durable Object offers them. */
export interface Ledger {
  reserve(reservation: Reservation, budgets: Budgets): Promise<Reserved>;
  settle(id: string, settlement: Settlement): Promise<void>;
  cancel(reservation: Reservation, settlement: Settlement): Promise<void>;
  peek(caller: string, imageId: string, budgets: Budgets): Promise<Outlook>;
  history(query: HistoryQuery): Promise<DeletionRow[]>;
  metrics(): Promise<LedgerMetrics>;
}
