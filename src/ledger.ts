/**
 * The deletion ledger as a Durable Object: one for each caller, found by the caller's name.
 *
 * Promises: what `reserve` and `settle` return is on disk before anybody hears of it (the platform's output gate); one
 * object serves one request at a time, so a budget cannot be passed by any interleaving. Never: decides about images.
 *
 * Source: https://developers.cloudflare.com/durable-objects/reference/in-memory-state/ and /api/alarms/.
 */
import { DurableObject } from 'cloudflare:workers';
import { retentionDays, type UncheckedEnv } from './config.ts';
import {
  BUDGET_WINDOW_MS,
  type CallerLedger,
  type HistoryQuery,
  LedgerStore,
  type Outlook,
  type Reservation,
  type Reserved,
  type Row,
  type Settlement,
} from './ledger-store.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Rows past their retention wait for the next alarm, which comes at most this often, in milliseconds. */
const ALARM_INTERVAL_MS = 60 * 60 * 1000;

export class Ledger extends DurableObject<UncheckedEnv> implements CallerLedger {
  readonly #store: LedgerStore;
  /** Nothing is written for an object that is only asked: whoever looks at a name must not create its ledger. */
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
    if ((await this.ctx.storage.getAlarm()) === null) {
      await this.ctx.storage.setAlarm(Date.now() + this.#retentionMs());
    }
    return this.#store.reserve(reservation, budget, Date.now());
  }

  /** Writes what became of it; for an absent image answers with this caller's earlier deletion of it, if there was one. */
  async settle(seq: number, imageId: string, settlement: Settlement): Promise<Row | null> {
    this.#store.settle(seq, settlement, Date.now());
    return settlement.outcome === 'already_absent' ? this.#store.lastDeleted(imageId) : null;
  }

  /** Whether a deletion could be reserved now, and what is known of an earlier one of this image. */
  async outlook(imageId: string, budget: number): Promise<Outlook> {
    if (!this.#written) return { retryAfterS: budget > 0 ? null : BUDGET_WINDOW_MS / 1000, deleted: null };
    return { retryAfterS: this.#store.retryAfterS(budget, Date.now()), deleted: this.#store.lastDeleted(imageId) };
  }

  async history(query: HistoryQuery): Promise<Row[]> {
    return this.#written ? this.#store.history(query) : [];
  }

  override async alarm(): Promise<void> {
    const nowMs = Date.now();
    const retentionMs = this.#retentionMs();
    const oldestMs = this.#store.remove(nowMs - retentionMs);
    if (oldestMs === null) return;
    const overdue = oldestMs + retentionMs <= nowMs;
    await this.ctx.storage.setAlarm(overdue ? nowMs : Math.max(oldestMs + retentionMs, nowMs + ALARM_INTERVAL_MS));
  }

  #retentionMs(): number {
    return retentionDays(this.env) * DAY_MS;
  }
}
