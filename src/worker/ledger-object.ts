/**
 * The deletion ledger as a Durable Object, one per deployment.
 *
 * Promises: every call is one transaction, which is on disk before its result leaves the object (the platform's output gate);
 * while a row waits for a check, an alarm is set. Never: sends Baidu anything but reads of an image.
 *
 * Source: https://developers.cloudflare.com/durable-objects/reference/in-memory-state/ and /api/alarms/.
 */
import { DurableObject } from 'cloudflare:workers';
import type { UncheckedEnv } from './bindings.ts';
import { type LedgerSettings, parseConfig, parseLedgerSettings } from './config.ts';
import { createGateway } from './create-gateway.ts';
import { checkImage } from './deletions/check.ts';
import { runChecks } from './ledger/checks.ts';
import type * as rows from './ledger/rows.ts';
import { type LedgerEvent, LedgerStore, REMOVAL_BATCH } from './ledger/store.ts';
import { logEvent } from './log.ts';
import { platformRuntime } from './platform.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './time.ts';

/** When the alarm runs again if it fails before it has found the next time. */
const FALLBACK_MS = MINUTE_MS;
/** When the alarm runs again if the configuration is broken. */
const MISCONFIGURED_MS = 10 * MINUTE_MS;
/** The shortest time between two alarms for retention alone. */
const RETENTION_INTERVAL_MS = HOUR_MS;
/** How long a full ledger keeps rows without effect. */
const WITHOUT_EFFECT_MS = 30 * DAY_MS;

const { now, sleep } = platformRuntime;

export class Ledger extends DurableObject<UncheckedEnv> implements rows.Ledger {
  readonly #store: LedgerStore;
  readonly #settings: LedgerSettings;

  constructor(ctx: DurableObjectState, env: UncheckedEnv) {
    super(ctx, env);
    this.#settings = parseLedgerSettings(env);
    this.#store = new LedgerStore(ctx.storage.sql, this.#settings.resolveAfterS);
    ctx.storage.transactionSync(() => this.#store.migrate());
    // Restored storage may have lost the alarm.
    ctx.blockConcurrencyWhile(() => this.#write(() => undefined));
  }

  /** Enters a deletion before it is sent to Baidu, or refuses it. */
  reserve(reservation: rows.Reservation, budgets: rows.Budgets): Promise<rows.Reserved> {
    return this.#write(() => {
      const { reserved, events } = this.#store.reserve(reservation, budgets, now());
      logEvents(events);
      return reserved;
    });
  }

  async settle(id: string, settlement: rows.Settlement): Promise<void> {
    logEvents(this.ctx.storage.transactionSync(() => this.#store.settle(id, settlement, now())));
  }

  /** Undoes a reservation whose reply was lost, or blocks it if it has not arrived yet. */
  async cancel(reservation: rows.Reservation, settlement: rows.Settlement): Promise<void> {
    logEvents(this.ctx.storage.transactionSync(() => this.#store.cancel(reservation, settlement, now())));
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

  /** @throws if no alarm can be set, so that the platform retries */
  override async alarm(): Promise<void> {
    const { storage } = this.ctx;
    await storage.setAlarm(now() + FALLBACK_MS);
    try {
      const isMoreToRemove = storage.transactionSync(() => this.#endRetention());
      const isConfigured = await this.#check();
      // This overwrites any alarm set meanwhile, so there must be no await between finding the time and setting it.
      const nextMs = isMoreToRemove ? now() : this.#nextAlarmMs(isConfigured);
      await (nextMs === null ? storage.deleteAlarm() : storage.setAlarm(nextMs));
    } catch (thrown) {
      const type = thrown instanceof Error ? thrown.constructor.name : typeof thrown;
      logEvent(platformRuntime, 'ERROR', 'alarm_failed', { 'exception.type': type });
    }
  }

  /** One transaction, then an alarm for the next check. Settlements do not need this: they make no check due earlier. */
  async #write<T>(act: () => T): Promise<T> {
    const { storage } = this.ctx;
    const value = storage.transactionSync(act);
    const nextMs = this.#store.nextCheckMs();
    if (nextMs === null) return value;
    // Read as late as possible, because another call may replace the alarm.
    const alarmMs = await storage.getAlarm();
    if (alarmMs === null || nextMs < alarmMs) await storage.setAlarm(nextMs);
    return value;
  }

  /** Removes a batch of rows past their retention. Returns whether there may be more. */
  #endRetention(): boolean {
    const removed =
      this.#store.remove(now() - this.#settings.retentionDays * DAY_MS) +
      this.#store.removeWithoutEffect(now() - WITHOUT_EFFECT_MS);
    if (removed > 0) logEvent(platformRuntime, 'INFO', 'rows_removed', { 'ledger.rows': removed });
    return removed >= REMOVAL_BATCH;
  }

  /** Checks the due images under the current configuration. If that is invalid, does nothing and returns `false`. */
  async #check(): Promise<boolean> {
    const { config } = parseConfig(this.env);
    if (config === null) return false;
    const gateway = createGateway(config, platformRuntime);
    const check = async (imageId: string) => {
      const found = await checkImage(gateway, imageId, platformRuntime);
      logEvents(this.ctx.storage.transactionSync(() => this.#store.applyCheck(imageId, found, now())));
    };
    await runChecks((underWay) => this.#store.dueImage(underWay, now()), check, sleep);
    return true;
  }

  /** When the next check is due or the oldest row's retention ends; `null` if there are no rows. */
  #nextAlarmMs(isConfigured: boolean): number | null {
    const oldestMs = this.#store.oldestMs();
    if (oldestMs === null) return null;
    const retentionMs = Math.max(oldestMs + this.#settings.retentionDays * DAY_MS, now() + RETENTION_INTERVAL_MS);
    const checkMs = this.#store.nextCheckMs() ?? retentionMs;
    return Math.min(retentionMs, isConfigured ? checkMs : Math.max(checkMs, now() + MISCONFIGURED_MS));
  }
}

function logEvents(events: readonly LedgerEvent[]): void {
  for (const { name, row, settled } of events) {
    logEvent(platformRuntime, name === 'resolved' ? 'INFO' : 'ERROR', name, {
      'gateway.request.id': row.id,
      'request.id': row.requestId,
      'caller.id': row.caller,
      'image.id': row.imageId,
      outcome: row.outcome,
      confirmed: row.confirmed,
      'settlement.outcome': settled,
    });
  }
}
