/**
 * The deletion ledger in SQLite.
 *
 * Promises: a row is `unknown` from its birth until it is settled or resolved, so that a crash at any moment leaves the truth; no
 * order of calls exceeds a budget; what an operation costs does not grow with the number of rows. Never: has a clock, or
 * forgets a row before its retention.
 *
 * Each method is one synchronous step, so nothing comes between counting and entering. Times are milliseconds since the epoch.
 */
import { ROW_OUTCOMES, type RowOutcome } from '../outcome.ts';
import { failed, ok, type Result } from '../result.ts';
import { BUDGET_WINDOW_MS, BudgetBook } from './budgets.ts';
import { Counters } from './counters.ts';
import type { Step, UnknownRow } from './resolution.ts';
import type {
  Budgets,
  DeletionRow,
  Exhausted,
  HistoryQuery,
  LastDeletion,
  LedgerMetrics,
  Outlook,
  Reservation,
  Settlement,
} from './rows.ts';
import { historyStatement, MIGRATIONS, SCHEMA_VERSION_TABLE, SQL } from './schema.ts';
import type { Sql, SqlBinding } from './sql.ts';
import { type StoredRow, toDeletionRow, toInteger, toStoredRow, toUnknownRow } from './stored-row.ts';

/** How many rows one call removes, so that it never blocks the object for long. */
export const REMOVAL_BATCH = 5_000;
/** The counts in memory are taken anew after two days, so that they do not grow without end. */
const MAX_BOOK_AGE_MS = 2 * BUDGET_WINDOW_MS;

/** The counts in memory, which hold for any time from `takenAtMs` on. */
interface Book {
  readonly counts: BudgetBook;
  readonly takenAtMs: number;
}

export class LedgerStore {
  readonly #sql: Sql;
  readonly #counters: Counters;
  #book: Book | null = null;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.#counters = new Counters(sql);
  }

  /** Brings the schema forward. @throws Error if the ledger was written by a newer release, whose rows we might misread */
  migrate(steps: readonly string[] = MIGRATIONS): void {
    const from = this.#version();
    if (from > steps.length) throw new Error('The ledger has a newer schema than this release.');
    if (from === steps.length) return;
    if (from === 0) this.#sql.exec(SCHEMA_VERSION_TABLE);
    for (const step of steps.slice(from)) this.#sql.exec(step);
    this.#sql.exec('UPDATE schema_version SET version = ?', steps.length);
  }

  /** Enters a deletion and returns the last one of the same image by anyone, or says which budget is used up. */
  reserve(reservation: Reservation, budgets: Budgets, nowMs: number): Result<LastDeletion | null, Exhausted> {
    const { caller, imageId } = reservation;
    const { lastDeletion, exhausted } = this.peek(caller, imageId, budgets, nowMs);
    if (exhausted !== null) {
      this.#counters.add('refusals', { label: exhausted.of });
      return failed(exhausted);
    }
    this.#enter(reservation, nowMs);
    return ok(lastDeletion);
  }

  /**
   * Takes back a reservation whose reply did not arrive. If it comes later still, its id is taken, and it fails: so no row can
   * stay `unknown` for a deletion that was never sent.
   */
  cancel(reservation: Reservation, settlement: Settlement, nowMs: number): void {
    if (this.#rowOf(reservation.id) === undefined) this.#enter(reservation, nowMs);
    this.settle(reservation.id, settlement, nowMs);
  }

  /** What `reserve` would say, without entering anything. */
  peek(caller: string, imageId: string, budgets: Budgets, nowMs: number): Outlook {
    const [row] = this.#sql.exec(SQL.lastDeleted, imageId).toArray().map(toStoredRow);
    return {
      exhausted: this.#countsAt(nowMs).exhausted(caller, imageId, budgets, nowMs),
      lastDeletion:
        row === undefined
          ? null
          : { caller: row.caller, requestId: row.requestId, atMs: row.settledAtMs ?? row.reservedAtMs },
    };
  }

  /**
   * Writes what came of a deletion. A row settles once, so a second call changes nothing. If a look has resolved the row before,
   * the settlement replaces that unless it says `unknown`. If Baidu confirmed this deletion, no other row of the image keeps a
   * deletion that only a look had given it; if a look had given it to this row wrongly, another row that it decided gets it.
   */
  settle(id: string, settlement: Settlement, nowMs: number): void {
    const row = this.#rowOf(id);
    if (row === undefined || row.settledAtMs !== null) return;
    const keepsFate = settlement.outcome === 'unknown';
    const { outcome, confirmed, resolvedAtMs } = keepsFate ? row : { ...settlement, resolvedAtMs: null };
    this.#sql.exec(
      SQL.settle,
      nowMs,
      outcome,
      toInteger(confirmed),
      settlement.code,
      settlement.attempts,
      settlement.upstreamRequestId,
      settlement.imageName,
      resolvedAtMs,
      row.seq,
    );
    this.#recount(row, outcome);
    if (row.outcome === 'unknown') this.#countFinal(row.caller, outcome);
    const { imageId } = row;
    if (outcome === 'deleted' && confirmed === true) this.#reattribute('deleted', SQL.takeBackInferred, imageId);
    // The image was found gone, so if it was not the deletion of this row, it was that of another.
    if (row.outcome === 'deleted' && outcome !== 'deleted' && !this.isClaimed(imageId)) {
      this.#reattribute('already_absent', SQL.passOnClaim, imageId, row.resolvedAtMs);
    }
  }

  /** Newest first. */
  history(query: HistoryQuery): DeletionRow[] {
    const { sql, bindings } = historyStatement(query);
    return this.#sql
      .exec(sql, ...bindings)
      .toArray()
      .map((columns) => toDeletionRow(toStoredRow(columns)));
  }

  /** Finds out whether the clock was ahead, so that no row waits for a date that was wrong. */
  noticeClock(nowMs: number): void {
    this.#countsAt(nowMs);
  }

  /** Every row whose outcome is unknown, oldest first. */
  unknown(): UnknownRow[] {
    return this.#sql.exec(SQL.unknown).toArray().map(toStoredRow).map(toUnknownRow);
  }

  unknownOfImage(imageId: string): UnknownRow[] {
    return this.#sql.exec(SQL.unknownOfImage, imageId).toArray().map(toStoredRow).map(toUnknownRow);
  }

  /** Whether a row says already that it deleted the image. */
  isClaimed(imageId: string): boolean {
    return this.#sql.exec(SQL.lastDeleted, imageId).toArray().length > 0;
  }

  /** Writes what follows from a look. Returns the rows whose fate it decided. */
  apply(imageId: string, steps: readonly Step[], nowMs: number): DeletionRow[] {
    const rows = this.#sql.exec(SQL.unknownOfImage, imageId).toArray().map(toStoredRow);
    return steps.flatMap((step) => {
      const row = rows.find(({ seq }) => seq === step.seq);
      if (row === undefined) return [];
      if (step.outcome === 'unknown') {
        this.#sql.exec(SQL.looked, step.looks, nowMs, row.seq);
        return [];
      }
      const { outcome, confirmed } = step;
      this.#sql.exec(SQL.resolve, outcome, toInteger(confirmed), nowMs, row.looks, nowMs, row.seq);
      this.#recount(row, outcome);
      this.#countFinal(row.caller, outcome);
      this.#counters.add('resolutions', { label: outcome });
      return [toDeletionRow({ ...row, outcome, confirmed, resolvedAtMs: nowMs })];
    });
  }

  /** The time of the oldest row, or `null` if there is none. */
  oldestMs(): number | null {
    const oldest = ROW_OUTCOMES.map((outcome) => this.#sql.exec(SQL.oldest, outcome).one()['at']);
    return oldest.filter((atMs) => typeof atMs === 'number').reduce<number | null>(lesser, null);
  }

  /** Removes a batch of rows from before `beforeMs`, which must be outside the budgets' window. Returns how many. */
  remove(beforeMs: number): number {
    const removed = this.#sql.exec(`${SQL.remove} RETURNING outcome`, beforeMs, REMOVAL_BATCH).toArray();
    const value = removed.filter(({ outcome }) => outcome !== 'unknown').length;
    if (value > 0) this.#counters.add('removed', { value });
    return removed.length;
  }

  /** Counts an image whose looks have all failed for a day. */
  countOverdue(): void {
    this.#counters.add('overdue');
  }

  /** Costs the same however many rows there are, but for those that are unresolved. */
  metrics(nowMs: number): LedgerMetrics {
    const counts = this.#countsAt(nowMs);
    const deletions = this.#counters.byCaller('deletions');
    const { count, oldest } = this.#sql.exec(SQL.unresolved).one();
    const unresolved = { rows: Number(count), oldestAtMs: typeof oldest === 'number' ? oldest : null };
    return {
      deletions,
      refusals: this.#counters.byLabel('refusals'),
      resolutions: this.#counters.byLabel('resolutions'),
      overdue: this.#counters.total('overdue'),
      unresolved,
      rows: sumOf(deletions) - this.#counters.total('removed') + unresolved.rows,
      counting: {
        account: counts.count(null, nowMs),
        callers: Object.fromEntries(Object.keys(deletions).map((caller) => [caller, counts.count(caller, nowMs)])),
      },
    };
  }

  #rowOf(id: string): StoredRow | undefined {
    return this.#sql.exec(SQL.byId, id).toArray().map(toStoredRow)[0];
  }

  /** @throws Error if the id is taken */
  #enter(reservation: Reservation, nowMs: number): void {
    const { id, requestId, caller, subject, imageId, keyFingerprint } = reservation;
    // Taken before the row is there, because counts that are taken anew have it already.
    const counts = this.#countsAt(nowMs);
    this.#sql.exec(SQL.reserve, id, requestId, caller, subject, imageId, keyFingerprint, nowMs);
    counts.add(caller, imageId, nowMs);
  }

  /** Gives rows another outcome than `before`, which a look had given them. */
  #reattribute(before: RowOutcome, statement: string, ...bindings: SqlBinding[]): void {
    const changed = this.#sql.exec(statement, ...bindings).toArray();
    for (const row of changed.map(toStoredRow)) this.#recount({ ...row, outcome: before }, row.outcome);
  }

  #version(): number {
    const [table] = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").toArray();
    return table === undefined ? 0 : Number(this.#sql.exec('SELECT version FROM schema_version').one()['version']);
  }

  /** A deletion is counted once, when its outcome is final. */
  #countFinal(caller: string, outcome: RowOutcome): void {
    if (outcome !== 'unknown') this.#counters.add('deletions', { caller, label: outcome });
  }

  /** Keeps the counts right when a row that counted gets an outcome. */
  #recount(row: StoredRow, outcome: RowOutcome): void {
    if (this.#book === null || mayHaveDeleted(row.outcome) === mayHaveDeleted(outcome)) return;
    if (mayHaveDeleted(outcome)) this.#book.counts.add(row.caller, row.imageId, row.beganAtMs);
    else this.#book.counts.remove(row.caller, row.imageId, row.beganAtMs);
  }

  /** The counts in memory, taken from the rows if they do not hold for `nowMs`: after a start, and when the clock went back. */
  #countsAt(nowMs: number): BudgetBook {
    if (this.#book !== null) {
      const { counts, takenAtMs } = this.#book;
      const holds = nowMs >= takenAtMs && nowMs - takenAtMs <= MAX_BOOK_AGE_MS && (counts.newestMs() ?? 0) <= nowMs;
      if (holds) return counts;
    }
    this.#sql.exec(SQL.fromTheFuture, nowMs);
    this.#sql.exec(SQL.lookedInTheFuture, nowMs);
    const counts = new BudgetBook();
    for (const row of this.#sql.exec(SQL.counting, nowMs - BUDGET_WINDOW_MS).toArray()) {
      counts.add(String(row['caller']), String(row['image_id']), Number(row['began_at']));
    }
    this.#book = { counts, takenAtMs: nowMs };
    return counts;
  }
}

/** Whether a row with this outcome counts against the budgets: its image was or may have been deleted. */
function mayHaveDeleted(outcome: RowOutcome): boolean {
  return outcome === 'deleted' || outcome === 'unknown';
}

function sumOf(counts: LedgerMetrics['deletions']): number {
  return Object.values(counts)
    .flatMap((byOutcome) => Object.values(byOutcome))
    .reduce((sum, count) => sum + count, 0);
}

function lesser(a: number | null, b: number): number {
  return a === null ? b : Math.min(a, b);
}
