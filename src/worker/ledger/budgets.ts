/**
 * Counts the distinct images against a budget: those that were or may have been deleted in the last 24 hours.
 *
 * Promises: counts the rows themselves, so no second record can disagree. A row with a future time counts, which is the safe side.
 * Never: has a clock. Times are milliseconds since the epoch.
 */

import { DAY_MS } from '../time.ts';
import type { Budgets, Counts, Exhausted } from './rows.ts';
import { SQL } from './schema.ts';
import type { Sql, SqlBinding } from './sql.ts';

export const BUDGET_WINDOW_MS = DAY_MS;
const MAX_RETRY_AFTER_S = BUDGET_WINDOW_MS / 1000;

/** The budget that forbids a deletion of this image, or `null`. If both do, the one with the longer wait. */
export function exhaustedBudget(
  sql: Sql,
  caller: string,
  imageId: string,
  budgets: Budgets,
  nowMs: number,
): Exhausted | null {
  const sinceMs = nowMs - BUDGET_WINDOW_MS;
  const has = (statement: string, ...bindings: SqlBinding[]) => sql.exec(statement, ...bindings).toArray().length > 0;
  const ofCaller = exhausted('caller', budgets.caller, {
    rows: () => countOf(sql.exec(SQL.callerRows, sinceMs, caller).one()),
    has: () => has(SQL.callerHas, sinceMs, imageId, caller),
    count: () => countOf(sql.exec(SQL.callerCount, sinceMs, caller).one()),
    leavesAtMs: (excess) => sql.exec(SQL.callerLeaves, sinceMs, excess, caller).toArray()[0]?.['at'],
  });
  const ofAccount = exhausted('account', budgets.account, {
    rows: () => countOf(sql.exec(SQL.accountRows, sinceMs).one()),
    has: () => has(SQL.accountHas, sinceMs, imageId),
    count: () => countOf(sql.exec(SQL.accountCount, sinceMs).one()),
    leavesAtMs: (excess) => sql.exec(SQL.accountLeaves, sinceMs, excess).toArray()[0]?.['at'],
  });
  if (ofCaller === null || ofAccount === null) return ofCaller ?? ofAccount;
  return ofCaller.retryAfterS >= ofAccount.retryAfterS ? ofCaller : ofAccount;

  /** An image that already counts uses up no more of a budget. A budget of 0 forbids everything. */
  function exhausted(of: Exhausted['of'], budget: number, counted: Counted): Exhausted | null {
    if (counted.rows() < budget || (budget > 0 && counted.has())) return null;
    const excess = counted.count() - budget;
    if (excess < 0) return null;
    // With a budget of 0 there may be no such row, so the wait is a day.
    const leavesAtMs = Number(counted.leavesAtMs(excess) ?? nowMs);
    const waitS = Math.ceil((leavesAtMs - sinceMs) / 1000);
    return { of, budget, retryAfterS: Math.min(Math.max(waitS, 1), MAX_RETRY_AFTER_S) };
  }
}

/** The images that count against one budget. */
interface Counted {
  /** How many rows count. If they are fewer than the budget, so are the images, and this query is cheaper. */
  readonly rows: () => number;
  readonly has: () => boolean;
  readonly count: () => number;
  /** The time of the newest row of the image that makes room when it expires after `excess` others; `undefined` if there is none. */
  readonly leavesAtMs: (excess: number) => unknown;
}

/** How many images count now, for the account and for each caller with any. */
export function countedImages(sql: Sql, nowMs: number): { readonly account: number; readonly callers: Counts } {
  const sinceMs = nowMs - BUDGET_WINDOW_MS;
  const callers = sql.exec(SQL.callerCounts, sinceMs).toArray();
  return {
    account: countOf(sql.exec(SQL.accountCount, sinceMs).one()),
    callers: Object.fromEntries(callers.map((row) => [String(row['caller']), countOf(row)])),
  };
}

function countOf({ count }: { readonly count?: unknown }): number {
  return Number(count);
}
