/**
 * How many distinct images count against a budget: those that were or may have been deleted in the last 24 hours.
 *
 * Promises: exact for any order of times; adding, removing and counting take logarithmic time and a move of memory, so they cost
 * the same at 10 and at 10,000. Never: has a clock or touches storage. Times are milliseconds since the epoch.
 */
import type { Budgets, Exhausted } from './rows.ts';

export const BUDGET_WINDOW_MS = 24 * 60 * 60 * 1000;

/** The images that count against one budget. */
export class CountedImages {
  /** For each image, when each of its counting rows was entered, oldest first. */
  readonly #rows = new Map<string, number[]>();
  /** For each image, the time of its newest counting row, oldest first. */
  readonly #newest: number[] = [];

  add(imageId: string, atMs: number): void {
    const rows = this.#rows.get(imageId) ?? [];
    const before = rows.at(-1);
    insert(rows, atMs);
    this.#rows.set(imageId, rows);
    this.#move(before, rows.at(-1));
  }

  /** Takes back an `add` of the same image and time. */
  remove(imageId: string, atMs: number): void {
    const rows = this.#rows.get(imageId);
    if (rows === undefined) return;
    const before = rows.at(-1);
    drop(rows, atMs);
    if (rows.length === 0) this.#rows.delete(imageId);
    this.#move(before, rows.at(-1));
  }

  has(imageId: string, sinceMs: number): boolean {
    const newestMs = this.#rows.get(imageId)?.at(-1);
    return newestMs !== undefined && newestMs > sinceMs;
  }

  count(sinceMs: number): number {
    return this.#newest.length - firstAfter(this.#newest, sinceMs);
  }

  /** The newest time of all, or `null` if nothing counts. */
  newestMs(): number | null {
    return this.#newest.at(-1) ?? null;
  }

  /** `null` if one more image fits into `budget`, or else the seconds until one does: 1 to 86400. */
  retryAfterS(budget: number, nowMs: number): number | null {
    const sinceMs = nowMs - BUDGET_WINDOW_MS;
    const excess = this.count(sinceMs) - budget;
    if (excess < 0) return null;
    // With a budget of 0 there is nothing to wait for; then it is a whole day.
    const blockingMs = this.#newest[firstAfter(this.#newest, sinceMs) + excess] ?? nowMs;
    return Math.min(Math.max(Math.ceil((blockingMs - sinceMs) / 1000), 1), BUDGET_WINDOW_MS / 1000);
  }

  #move(beforeMs: number | undefined, afterMs: number | undefined): void {
    if (beforeMs !== undefined) drop(this.#newest, beforeMs);
    if (afterMs !== undefined) insert(this.#newest, afterMs);
  }
}

/** The images that count, for each caller and for the account. */
export class BudgetBook {
  readonly #account = new CountedImages();
  readonly #callers = new Map<string, CountedImages>();

  add(caller: string, imageId: string, atMs: number): void {
    const counted = this.#callers.get(caller) ?? new CountedImages();
    this.#callers.set(caller, counted);
    counted.add(imageId, atMs);
    this.#account.add(imageId, atMs);
  }

  remove(caller: string, imageId: string, atMs: number): void {
    this.#callers.get(caller)?.remove(imageId, atMs);
    this.#account.remove(imageId, atMs);
  }

  newestMs(): number | null {
    return this.#account.newestMs();
  }

  /** How many images count, for the account or for one caller. */
  count(caller: string | null, nowMs: number): number {
    const counted = caller === null ? this.#account : this.#callers.get(caller);
    return counted?.count(nowMs - BUDGET_WINDOW_MS) ?? 0;
  }

  /** The budget that forbids one more deletion of this image, or `null`. Of two it is the one with the longer wait. */
  exhausted(caller: string, imageId: string, budgets: Budgets, nowMs: number): Exhausted | null {
    const ofCaller = exhausted(
      'caller',
      budgets.caller,
      this.#callers.get(caller) ?? new CountedImages(),
      imageId,
      nowMs,
    );
    const ofAccount = exhausted('account', budgets.account, this.#account, imageId, nowMs);
    if (ofCaller === null || ofAccount === null) return ofCaller ?? ofAccount;
    return ofCaller.retryAfterS >= ofAccount.retryAfterS ? ofCaller : ofAccount;
  }
}

/** An image that counts already uses up no more of a budget, unless the budget is 0, which forbids everything. */
function exhausted(
  of: Exhausted['of'],
  budget: number,
  counted: CountedImages,
  imageId: string,
  nowMs: number,
): Exhausted | null {
  if (budget > 0 && counted.has(imageId, nowMs - BUDGET_WINDOW_MS)) return null;
  const retryAfterS = counted.retryAfterS(budget, nowMs);
  return retryAfterS === null ? null : { of, budget, retryAfterS };
}

/** The index of the first element greater than `value`, in a sorted list. */
function firstAfter(sorted: readonly number[], value: number): number {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle] ?? Number.POSITIVE_INFINITY) > value) to = middle;
    else from = middle + 1;
  }
  return from;
}

function insert(sorted: number[], value: number): void {
  sorted.splice(firstAfter(sorted, value), 0, value);
}

function drop(sorted: number[], value: number): void {
  const at = firstAfter(sorted, value) - 1;
  if (sorted[at] === value) sorted.splice(at, 1);
}
