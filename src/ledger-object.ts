/**
 * The deletion ledger as a Durable Object: one for each caller, found by the caller's name.
 *
 * Promises: what `reserve` and `settle` return is on disk before anybody hears of it (the platform's output gate). Requests
 * interleave only at an `await`, and `LedgerStore.reserve` has none between counting and entering, so no interleaving exceeds a
 * budget. Never: decides about images.
 *
 * Source: https://developers.cloudflare.com/durable-objects/reference/in-memory-state/ and /api/alarms/.
 */
import { DurableObject } from 'cloudflare:workers';
import type { UncheckedEnv } from './bindings.ts';
import { retentionDays } from './config.ts';
import type {
  CallerLedger,
  DeletionRow,
  HistoryQuery,
  Peek,
  Reservation,
  Reserved,
  Settlement,
} from './ledger/rows.ts';
import { BUDGET_WINDOW_MS, LedgerStore } from './ledger/store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Rows past their retention wait for the next alarm, which comes at most this often. */
const ALARM_INTERVAL_MS = 60 * 60 * 1000;

export class Ledger extends DurableObject<UncheckedEnv> implements CallerLedger {
  readonly #store: LedgerStore;
  /** Reading must not create a ledger, so the schema is written at the first `reserve`. */
  #written: boolean;

  constructor(ctx: DurableObjectState, env: UncheckedEnv) {
    super(ctx, env);
    this.#store = new LedgerStore(ctx.storage.sql);
    this.#written = this.#store.version() > 0;
    if (this.#written) ctx.storage.transactionSync(() => this.#store.migrate());
  }

  /** Enters a deletion before Baidu hears of it, or says for how many seconds the budget stays spent. */
  async reserve(reservation: Reservation, budget: number): Promise<Reserved> {
    if (!this.#written) {
      this.ctx.storage.transactionSync(() => this.#store.migrate());
      this.#written = true;
    }
    const reserved = this.#store.reserve(reservation, budget, Date.now());
    await this.#arm();
    return reserved;
  }

  /** Writes what became of it. For an absent image it returns this caller's earlier deletion of the image, if there was one. */
  async settle(seq: number, imageId: string, settlement: Settlement): Promise<DeletionRow | null> {
    this.#store.settle(seq, settlement, Date.now());
    return settlement.code === 'image_not_found' ? this.#store.lastDeleted(imageId) : null;
  }

  /** Whether a deletion could be reserved now, and an earlier deletion of this image. */
  async peek(imageId: string, budget: number): Promise<Peek> {
    if (!this.#written) return { retryAfterS: budget > 0 ? null : BUDGET_WINDOW_MS / 1000, deleted: null };
    return { retryAfterS: this.#store.retryAfterS(budget, Date.now()), deleted: this.#store.lastDeleted(imageId) };
  }

  async history(query: HistoryQuery): Promise<DeletionRow[]> {
    return this.#written ? this.#store.history(query) : [];
  }

  override async alarm(): Promise<void> {
    if (!this.#written) return;
    this.#store.remove(Date.now() - this.#retentionMs());
    await this.#arm();
  }

  /** Sets the alarm to the end of the oldest row's retention, or sooner where an earlier one was set for a longer one. */
  async #arm(): Promise<void> {
    const oldestMs = this.#store.oldestMs();
    if (oldestMs === null) return;
    const nowMs = Date.now();
    const endMs = oldestMs + this.#retentionMs();
    const dueMs = endMs <= nowMs ? nowMs : Math.max(endMs, nowMs + ALARM_INTERVAL_MS);
    const alarmMs = await this.ctx.storage.getAlarm();
    if (alarmMs === null || alarmMs > dueMs) await this.ctx.storage.setAlarm(dueMs);
  }

  #retentionMs(): number {
    return retentionDays(this.env) * DAY_MS;
  }
}
