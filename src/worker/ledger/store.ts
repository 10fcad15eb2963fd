/**
 * The deletion ledger in SQLite.
 *
 * Promises: one deletion of an image at a time; no order of calls exceeds a budget; a row is `unknown` until its outcome is final, and
 * a final outcome never changes; the cost of an operation does not grow with the number of rows. Never: has a clock, or removes a row
 * that counts against a budget.
 *
 * Each method is synchronous and must run in one transaction. Times are milliseconds since the epoch.
 */
import { ROW_OUTCOMES, type RowOutcome } from '../outcome.ts';
import { countedImages, exhaustedBudget } from './budgets.ts';
import { Counters } from './counters.ts';
import type * as rows from './rows.ts';
import {
  type Check,
  firstCheckMs,
  HASTENED_CHECK_MS,
  lastCheckMs,
  requestOverMs,
  type Schedule,
  stepAfter,
} from './schedule.ts';
import { historyIndex, historyStatement, MAX_SAME_REQUESTS, MIGRATIONS, SCHEMA_VERSION_TABLE, SQL } from './schema.ts';
import type { Sql, SqlBinding } from './sql.ts';
import { toInteger, toRow } from './stored-row.ts';

/** How many rows one call removes: few enough not to block the object for long. */
export const REMOVAL_BATCH = 5_000;
/** A ledger with no more rows than this keeps each for its full retention. */
const MAX_ROWS = 1_000_000;
/** How many images are checked at once: an object has six connections. */
export const MAX_CHECKS_AT_ONCE = 5;

/**
 * What a call changed and the operator's log must show. `resolved`: an unknown outcome became final. `contradicted`: a late settlement
 * disagrees with the final outcome. `disproved`: the deletion was reported, but the image is still there. `unresolved`: a day of checks
 * has failed.
 */
export interface LedgerEvent {
  readonly name: 'resolved' | 'contradicted' | 'disproved' | 'unresolved';
  readonly row: rows.DeletionRow;
  /** For `contradicted`: the settlement's outcome. */
  readonly settled?: RowOutcome;
}

export class LedgerStore {
  readonly #sql: Sql;
  readonly #schedule: Schedule;
  readonly #counters: Counters;

  constructor(sql: Sql, schedule: Schedule) {
    this.#sql = sql;
    this.#schedule = schedule;
    this.#counters = new Counters(sql);
  }

  /** Upgrades the schema. @throws Error if a newer release wrote the ledger, because we might misread its rows */
  migrate(steps: readonly string[] = MIGRATIONS): void {
    const from = this.#version();
    if (from > steps.length) throw new Error('The ledger has a newer schema than this release.');
    if (from === steps.length) return;
    if (from === 0) this.#sql.exec(SCHEMA_VERSION_TABLE);
    for (const step of steps.slice(from)) this.#sql.exec(step);
    this.#sql.exec('UPDATE schema_version SET version = ?', steps.length);
  }

  /** Enters a deletion, or refuses it because another deletion of the image is open or a budget is used up. */
  reserve(
    reservation: rows.Reservation,
    budgets: rows.Budgets,
    nowMs: number,
  ): { readonly reserved: rows.Reserved; readonly events: readonly LedgerEvent[] } {
    const { imageId } = reservation;
    const unknown = this.#rows(SQL.unknown, imageId);
    const refusal = this.#refusal(reservation, this.#openOf(unknown, nowMs), budgets, nowMs);
    if (refusal !== null) return { reserved: { ok: false, failure: refusal }, events: [] };
    // No row is open, so all their requests are over. Only an admitted deletion ends their checks early; the image still counts once.
    const found = unknown.filter(({ foundAtMs }) => foundAtMs !== null);
    const events = found.map((row) => this.#resolve(row, 'not_deleted', nowMs));
    const last = this.#newest(imageId, 'deleted');
    const unfound = unknown.filter(({ foundAtMs }) => foundAtMs === null);
    const sameRequest = sameRequestAs(reservation, last === null ? unfound : [last, ...unfound]);
    const isAfterNotDeleted = this.#isAfterNotDeleted(imageId, last);
    this.#enter(reservation, nowMs);
    return { reserved: { ok: true, value: toLastDeletion(last), isAfterNotDeleted, sameRequest }, events };
  }

  /**
   * Undoes a reservation whose reply was lost. If the reservation arrives later, it fails because its id is taken. So no row stays
   * `unknown` for a deletion that was never sent.
   */
  cancel(reservation: rows.Reservation, settlement: rows.Settlement, nowMs: number): LedgerEvent[] {
    if (this.#rowOf(reservation.id) === undefined) this.#enter(reservation, nowMs);
    return this.settle(reservation.id, settlement, nowMs);
  }

  /** What `reserve` would return, without entering anything. */
  peek(caller: string, imageId: string, budgets: rows.Budgets, nowMs: number): rows.Outlook {
    const open = this.#openOf(this.#rows(SQL.unknown, imageId), nowMs);
    return {
      lastDeletion: toLastDeletion(this.#newest(imageId, 'deleted')),
      open: open && toOpenRow(open),
      exhausted: exhaustedBudget(this.#sql, caller, imageId, budgets, nowMs),
    };
  }

  /**
   * Stores the outcome of a deletion. Idempotent: a row settles once. A later settlement cannot change a final outcome, only confirm
   * it. Baidu's response to this deletion also decides older unknown rows of the image: they become `not_deleted` if it deleted the
   * image, and `deleted` if the image was absent.
   */
  settle(id: string, settlement: rows.Settlement, nowMs: number): LedgerEvent[] {
    const row = this.#rowOf(id);
    if (row === undefined || row.settledAtMs !== null) return [];
    const { outcome, confirmed } = settlement;
    if (settlement.unlistedAbsence) this.#counters.add('unlisted');
    if (row.outcome === 'unknown') {
      this.#exec(SQL.settle, nowMs, outcome, toInteger(confirmed), ...reported(settlement), row.seq);
      // A reported deletion is verified at the planned times.
      if (outcome !== 'unknown' && outcome !== 'deleted') this.#exec(SQL.checkNever, row.seq);
      this.#countFinal(row.caller, outcome);
    } else {
      const isConfirmedNow = outcome === row.outcome && confirmed === true;
      const words = toInteger(isConfirmedNow ? true : row.confirmed);
      this.#exec(SQL.settleLate, nowMs, words, ...reported(settlement), row.seq);
    }
    const events = this.#evidence(row, settlement, nowMs);
    return contradicts(row.outcome, outcome)
      ? [...events, { ...event('contradicted', row), settled: outcome }]
      : events;
  }

  /** Newest first. */
  history(query: rows.HistoryQuery): rows.DeletionRow[] {
    const { caller, requestId } = query;
    const isOneRequest = caller !== null && requestId !== null;
    const same = isOneRequest ? this.#count(SQL.sameRequests, caller, requestId, MAX_SAME_REQUESTS + 1) : 0;
    const { sql, bindings } = historyStatement(query, historyIndex(query, same));
    return this.#rows(sql, ...bindings);
  }

  /** The next image to check, or `null` if none is due but those in `underWay`. */
  dueImage(underWay: readonly string[], nowMs: number): string | null {
    const skipped = Array.from({ length: MAX_CHECKS_AT_ONCE }, (_, index) => underWay[index] ?? '');
    for (const wasChecked of [0, 1]) {
      const [row] = this.#sql.exec(SQL.due, wasChecked, nowMs, ...skipped).toArray();
      if (row !== undefined) return String(row['image_id']);
    }
    return null;
  }

  /** When the next check is due, or `null` if none is planned. */
  nextCheckMs(): number | null {
    const { at } = this.#sql.exec(SQL.nextCheck).one();
    return typeof at === 'number' ? at : null;
  }

  /** Stores what a check means for the rows of its image. */
  applyCheck(imageId: string, check: Check, nowMs: number): LedgerEvent[] {
    if (check.finding === 'failed') this.#counters.add('failed_checks');
    if (check.unlistedAbsence) this.#counters.add('unlisted');
    const overdue: rows.DeletionRow[] = [];
    const events = this.#rows(SQL.checked, imageId).flatMap((row) => {
      const step = stepAfter(check, row, this.#schedule);
      if (step === null) return [];
      if (step.kind === 'resolved') return [this.#resolve(row, step.outcome, nowMs)];
      if (step.kind === 'verified') return this.#verify(row, step.verified, nowMs);
      this.#exec(SQL.checkLater, check.beganAtMs, step.nextCheckAtMs, step.foundAtMs, row.seq);
      if (step.isOverdue) overdue.push(row);
      return [];
    });
    const [first] = overdue;
    if (first === undefined) return events;
    this.#counters.add('overdue');
    return [...events, event('unresolved', first)];
  }

  /** The time of the oldest row, or `null` if there is none. */
  oldestMs(): number | null {
    const oldest = ROW_OUTCOMES.map((outcome) => this.#sql.exec(SQL.oldest, outcome).one()['at']);
    const times = oldest.filter((atMs) => typeof atMs === 'number');
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Removes a batch of rows older than `beforeMs`, which must be outside the budgets' window. Returns how many. */
  remove(beforeMs: number): number {
    return this.#remove(SQL.remove, beforeMs, REMOVAL_BATCH);
  }

  /** If there are more than `maxRows`, removes a batch of rows older than `beforeMs` without effect. Returns how many. */
  removeWithoutEffect(beforeMs: number, maxRows = MAX_ROWS): number {
    const excess = this.#rowCount() - maxRows;
    return excess > 0 ? this.#remove(SQL.removeWithoutEffect, beforeMs, Math.min(excess, REMOVAL_BATCH)) : 0;
  }

  /** Reads only rows that count against a budget or are unresolved. */
  metrics(nowMs: number): rows.LedgerMetrics {
    const { count, oldest } = this.#sql.exec(SQL.unresolved).one();
    return {
      deletions: this.#counters.byCaller('deletions'),
      refusals: this.#counters.byLabel('refusals'),
      resolutions: this.#counters.byLabel('resolutions'),
      totals: this.#counters.totals(),
      unresolved: { rows: Number(count), oldestAtMs: typeof oldest === 'number' ? oldest : null },
      rows: this.#rowCount(),
      counting: countedImages(this.#sql, nowMs),
    };
  }

  /** Computed from the counters, because SQLite would read every row. */
  #rowCount(): number {
    const unknown = Number(this.#sql.exec(SQL.unresolved).one()['count']);
    return this.#counters.total('deletions') - this.#counters.total('removed') + unknown;
  }

  #refusal(
    { caller, imageId }: rows.Reservation,
    open: rows.DeletionRow | null,
    budgets: rows.Budgets,
    nowMs: number,
  ): rows.Refusal | null {
    if (open !== null) {
      this.#counters.add('in_progress');
      this.#hasten(open, nowMs);
      return { of: 'caller', budget: budgets.caller, retryAfterS: HASTENED_CHECK_MS / 1000, open: toOpenRow(open) };
    }
    const exhausted = exhaustedBudget(this.#sql, caller, imageId, budgets, nowMs);
    if (exhausted !== null) this.#counters.add('refusals', { label: exhausted.of });
    return exhausted;
  }

  /** The newest unknown row that keeps its image taken, or `null`. */
  #openOf(unknown: readonly rows.DeletionRow[], nowMs: number): rows.DeletionRow | null {
    const allChecksBeforeMs = nowMs - lastCheckMs(this.#schedule);
    const overBeforeMs = this.#overBeforeMs(nowMs);
    const isOpen = ({ reservedAtMs, foundAtMs }: rows.DeletionRow) =>
      reservedAtMs > allChecksBeforeMs && (foundAtMs === null || reservedAtMs > overBeforeMs);
    return unknown.findLast(isOpen) ?? null;
  }

  #rowOf(id: string): rows.DeletionRow | undefined {
    return this.#rows(SQL.byId, id)[0];
  }

  #newest(imageId: string, outcome: RowOutcome): rows.DeletionRow | null {
    return this.#rows(SQL.newestWith, imageId, outcome)[0] ?? null;
  }

  /** Unknown rows of the image whose requests were over at `timeMs`. */
  #unknownBefore(imageId: string, timeMs: number): rows.DeletionRow[] {
    const overBeforeMs = this.#overBeforeMs(timeMs);
    return this.#rows(SQL.unknown, imageId).filter(({ reservedAtMs }) => reservedAtMs <= overBeforeMs);
  }

  /** A request reserved at or before this time is over at `nowMs`. */
  #overBeforeMs(nowMs: number): number {
    return nowMs - requestOverMs(this.#schedule);
  }

  /** @throws Error if the id is taken */
  #enter({ id, requestId, caller, subject, imageId, keyFingerprint }: rows.Reservation, nowMs: number): void {
    const nextCheckAtMs = nowMs + firstCheckMs(this.#schedule);
    this.#exec(SQL.enter, id, requestId, caller, subject, imageId, keyFingerprint, nowMs, nextCheckAtMs);
  }

  /** Makes a check of the row due if its request is over, so that a caller waits less for the image. */
  #hasten({ seq, reservedAtMs, nextCheckAtMs, checkedAtMs }: rows.DeletionRow, nowMs: number): void {
    if (reservedAtMs > this.#overBeforeMs(nowMs)) return;
    const soonMs = Math.max(nowMs, (checkedAtMs ?? 0) + HASTENED_CHECK_MS);
    if (nextCheckAtMs === null || soonMs < nextCheckAtMs) this.#exec(SQL.hasten, soonMs, seq);
  }

  #isAfterNotDeleted(imageId: string, lastDeleted: rows.DeletionRow | null): boolean {
    const last = this.#newest(imageId, 'not_deleted');
    if (last === null) return false;
    const gone = [lastDeleted, this.#newest(imageId, 'already_absent')];
    return gone.every((row) => row === null || row.reservedAtMs < last.reservedAtMs);
  }

  /** Resolves older unknown rows of the image by what Baidu confirmed about this deletion. */
  #evidence(
    { imageId, reservedAtMs }: rows.DeletionRow,
    { outcome, confirmed }: rows.Settlement,
    nowMs: number,
  ): LedgerEvent[] {
    if (confirmed !== true) return [];
    const decided = outcome === 'deleted' ? 'not_deleted' : 'deleted';
    return this.#unknownBefore(imageId, reservedAtMs).map((row) => this.#resolve(row, decided, nowMs));
  }

  #resolve(row: rows.DeletionRow, outcome: 'deleted' | 'not_deleted', nowMs: number): LedgerEvent {
    const confirmed = outcome === 'deleted' ? false : null;
    this.#exec(SQL.resolve, outcome, toInteger(confirmed), nowMs, nowMs, row.seq);
    this.#countFinal(row.caller, outcome);
    this.#counters.add('resolutions', { label: outcome });
    return event('resolved', { ...row, outcome, confirmed, resolvedAtMs: nowMs });
  }

  #verify(row: rows.DeletionRow, verified: boolean | null, nowMs: number): LedgerEvent[] {
    this.#exec(SQL.verify, toInteger(verified), nowMs, row.seq);
    if (verified === null) this.#counters.add('unverified');
    if (verified !== false) return [];
    this.#counters.add('disproved');
    return [event('disproved', { ...row, verified })];
  }

  #remove(statement: string, ...bindings: SqlBinding[]): number {
    const removed = this.#sql.exec(`${statement} RETURNING outcome`, ...bindings).toArray();
    const value = removed.filter(({ outcome }) => outcome !== 'unknown').length;
    if (value > 0) this.#counters.add('removed', { value });
    return removed.length;
  }

  /** Counts a deletion once, when its outcome becomes final. */
  #countFinal(caller: string, outcome: RowOutcome): void {
    if (outcome !== 'unknown') this.#counters.add('deletions', { caller, label: outcome });
  }

  #version(): number {
    const [table] = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").toArray();
    return table === undefined ? 0 : Number(this.#sql.exec('SELECT version FROM schema_version').one()['version']);
  }

  #rows(statement: string, ...bindings: SqlBinding[]): rows.DeletionRow[] {
    return this.#sql
      .exec(statement, ...bindings)
      .toArray()
      .map(toRow);
  }

  #count(statement: string, ...bindings: SqlBinding[]): number {
    return Number(this.#sql.exec(statement, ...bindings).one()['count']);
  }

  #exec(statement: string, ...bindings: SqlBinding[]): void {
    this.#sql.exec(statement, ...bindings);
  }
}

function event(name: LedgerEvent['name'], row: rows.DeletionRow): LedgerEvent {
  return { name, row };
}

function toOpenRow({ id, caller, requestId }: rows.DeletionRow): rows.OpenRow {
  return { id, caller, requestId };
}

function toLastDeletion(last: rows.DeletionRow | null): rows.LastDeletion | null {
  return last && { caller: last.caller, requestId: last.requestId, atMs: last.settledAtMs ?? last.reservedAtMs };
}

function sameRequestAs(
  { caller, requestId }: rows.Reservation,
  candidates: readonly rows.DeletionRow[],
): rows.SameRequest | null {
  const same = candidates.find((row) => row.caller === caller && row.requestId === requestId);
  if (same === undefined) return null;
  const { id, outcome, confirmed, upstreamRequestId } = same;
  return { id, isDeleted: outcome === 'deleted', confirmed: confirmed === true, upstreamRequestId };
}

/** In the order of the statements. */
function reported({ code, attempts, upstreamRequestId, imageName }: rows.Settlement): SqlBinding[] {
  return [code, attempts, upstreamRequestId, imageName];
}

/** Whether a late settlement and the row's final outcome disagree about whether the image is gone. */
function contradicts(final: RowOutcome, settled: RowOutcome): boolean {
  const isGone = (outcome: RowOutcome) => outcome === 'deleted' || outcome === 'already_absent';
  return final !== 'unknown' && settled !== 'unknown' && isGone(final) !== isGone(settled);
}
