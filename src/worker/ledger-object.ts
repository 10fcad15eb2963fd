/**
 * The deletion ledger as a Durable Object: one for the deployment.
 *
 * Promises: what `reserve` and `settle` return is on disk before anybody hears of it (the platform's output gate); the alarm
 * resolves unknown outcomes and ends retention, sets its next time before it works, and never throws. Never: sends Baidu
 * anything but the look at an image.
 *
 * Source: https://developers.cloudflare.com/durable-objects/reference/in-memory-state/ and /api/alarms/.
 */
import { DurableObject } from 'cloudflare:workers';
import type { UncheckedEnv } from './bindings.ts';
import { type LedgerSettings, parseConfig, parseLedgerSettings } from './config.ts';
import { createGateway } from './create-gateway.ts';
import { type Looking, resolveUnknown } from './deletions/resolver.ts';
import { DAY_MS, nextLookMs } from './ledger/resolution.ts';
import type * as rows from './ledger/rows.ts';
import { LedgerStore, REMOVAL_BATCH } from './ledger/store.ts';
import type { Result } from './result.ts';
import { logLine, platformRuntime } from './runtime.ts';

/** When the alarm runs again if it does not get as far as finding out. */
const FALLBACK_MS = 60 * 1000;
/** Rows past their retention wait for the next alarm, which removes them at most this often. */
const RETENTION_INTERVAL_MS = 60 * 60 * 1000;

const { now, log } = platformRuntime;

export class Ledger extends DurableObject<UncheckedEnv> implements rows.Ledger {
  readonly #store: LedgerStore;
  readonly #settings: LedgerSettings;

  constructor(ctx: DurableObjectState, env: UncheckedEnv) {
    super(ctx, env);
    this.#store = new LedgerStore(ctx.storage.sql);
    this.#settings = parseLedgerSettings(env);
    ctx.storage.transactionSync(() => this.#store.migrate());
    // An alarm that could not be set, or was lost with a restored storage, must not leave rows unknown until the next reservation.
    ctx.blockConcurrencyWhile(async () => {
      this.#store.noticeClock(now());
      const nextMs = this.#nextAlarmMs();
      if (nextMs !== null) await this.#wakeBy(nextMs);
    });
  }

  /** Enters a deletion before Baidu hears of it, or says which budget is used up. */
  async reserve(
    reservation: rows.Reservation,
    budgets: rows.Budgets,
  ): Promise<Result<rows.LastDeletion | null, rows.Exhausted>> {
    const nowMs = now();
    const reserved = this.#store.reserve(reservation, budgets, nowMs);
    if (reserved.ok) await this.#wakeBy(nowMs + (this.#settings.resolveAfterS[0] ?? 0) * 1000);
    return reserved;
  }

  async settle(id: string, settlement: rows.Settlement): Promise<void> {
    this.#store.settle(id, settlement, now());
  }

  /** Takes back a reservation whose reply did not arrive, or forbids it if it has not come yet. */
  async cancel(reservation: rows.Reservation, settlement: rows.Settlement): Promise<void> {
    this.#store.cancel(reservation, settlement, now());
  }

  async peek(caller: string, imageId: string, budgets: rows.Budgets): Promise<rows.Outlook> {
    return this.#store.peek(caller, imageId, budgets, now());
  }

  async history(query: rows.HistoryQuery): Promise<rows.DeletionRow[]> {
    return this.#store.history(query);
  }

  async metrics(): Promise<rows.LedgerMetrics> {
    return this.#store.metrics(now());
  }

  override async alarm(): Promise<void> {
    try {
      await this.ctx.storage.setAlarm(now() + FALLBACK_MS);
      this.#store.noticeClock(now());
      const isMoreToRemove = this.#endRetention();
      await resolveUnknown(this.#store, this.#looking(), this.#settings.resolveAfterS, platformRuntime);
      const nextMs = isMoreToRemove ? now() : this.#nextAlarmMs();
      if (nextMs === null) await this.ctx.storage.deleteAlarm();
      else await this.ctx.storage.setAlarm(nextMs);
    } catch (thrown) {
      const type = thrown instanceof Error ? thrown.constructor.name : typeof thrown;
      logLine(log, { ...ledgerEvent('ERROR', 'alarm_failed'), 'exception.type': type });
    }
  }

  /** Sets the alarm, unless it comes earlier anyway. */
  async #wakeBy(timeMs: number): Promise<void> {
    const alarmMs = await this.ctx.storage.getAlarm();
    if (alarmMs === null || alarmMs > timeMs) await this.ctx.storage.setAlarm(timeMs);
  }

  /** Removes a batch of rows past their retention. Whether there may be more. */
  #endRetention(): boolean {
    const removed = this.#store.remove(now() - this.#settings.retentionDays * DAY_MS);
    if (removed > 0) logLine(log, { ...ledgerEvent('INFO', 'rows_removed'), 'ledger.rows': removed });
    return removed === REMOVAL_BATCH;
  }

  /** When the next look or the end of the oldest row's retention is due, or `null` if there are no rows. */
  #nextAlarmMs(): number | null {
    const oldestMs = this.#store.oldestMs();
    if (oldestMs === null) return null;
    const retentionMs = Math.max(oldestMs + this.#settings.retentionDays * DAY_MS, now() + RETENTION_INTERVAL_MS);
    const looksMs = this.#store.unknown().map((row) => nextLookMs(row, this.#settings.resolveAfterS));
    return looksMs.reduce((earliest, each) => Math.min(earliest, each), retentionMs);
  }

  /** What a look needs, from the configuration as it is now. */
  #looking(): Looking | null {
    const { config } = parseConfig(this.env);
    return config === null ? null : createGateway(config, platformRuntime);
  }
}

/** A line of the ledger's own, which belongs to no request. */
function ledgerEvent(severity: 'INFO' | 'ERROR', name: 'rows_removed' | 'alarm_failed') {
  return { timestamp: new Date(now()).toISOString(), severity_text: severity, 'event.name': name } as const;
}
