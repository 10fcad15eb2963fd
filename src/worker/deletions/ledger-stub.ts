/**
 * The gateway's client for the ledger, through a stub of its Durable Object.
 *
 * Promises: every call is bounded in time and never throws; a ledger that fails or does not respond is a failure. Never: keeps a
 * stub, because a stub stays broken once its object has restarted.
 */
import type * as rows from '../ledger/rows.ts';
import { logEvent } from '../log.ts';
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import { type Runtime, type WaitUntil, withTimeout } from '../runtime.ts';

type LocationHint = 'apac-ne' | 'apac-se';

/** The platform's binding. */
export interface LedgerNamespace {
  getByName(name: string, options: { locationHint: LocationHint }): rows.Ledger;
}

/** One ledger per deployment, because all callers share one credential. */
export const LEDGER_NAME = 'ledger';
/** The southern regions of BCC, including Hong Kong and Singapore. All others get the hint for Beijing. */
const SOUTHERN_HOST = /^bcc\.(?:gz|hkg|sin)\./;

/** Longer for `reserve` than for other calls, because an idle object must start first. */
const RESERVE_TIMEOUT_MS = 5_000;

type Unavailable = Failure<'ledger_unavailable'>;
const unavailable = failed({ code: 'ledger_unavailable' });
const NEVER_SENT: rows.Settlement = {
  outcome: 'not_attempted',
  confirmed: null,
  code: unavailable.failure.code,
  attempts: 0,
  upstreamRequestId: null,
  imageName: null,
};

/** What the ledger knows about an image when it enters a deletion. `rows.ts` explains the members. */
export interface Entered extends Omit<Extract<rows.Reserved, { ok: true }>, 'ok' | 'value'> {
  readonly lastDeletion: rows.LastDeletion | null;
}

/** The failure of a deletion whose image is taken. If the caller sent the same request again, the outcome is not known yet. */
export function inProgress(
  open: rows.OpenRow,
  { caller, requestId, imageId }: Pick<rows.Reservation, 'caller' | 'imageId'> & { readonly requestId: string | null },
): Failure<'deletion_in_progress'> {
  const isSameRequest = open.caller === caller && open.requestId === requestId;
  return { code: 'deletion_in_progress', imageId, outcome: isSameRequest ? 'unknown' : 'not_attempted', open };
}

function refusalFailure({ open, ...exhausted }: rows.Refusal, reservation: rows.Reservation) {
  return open === undefined ? { code: 'budget_exhausted' as const, ...exhausted } : inProgress(open, reservation);
}

export class LedgerStub {
  readonly #namespace: LedgerNamespace;
  readonly #runtime: Pick<Runtime, 'now' | 'startTimer' | 'log'>;
  readonly #place: { readonly locationHint: LocationHint };

  /** @param upstreamHost of Baidu's region. The very first call decides permanently where the object lives. */
  constructor(namespace: LedgerNamespace, upstreamHost: string, runtime: Pick<Runtime, 'now' | 'startTimer' | 'log'>) {
    this.#namespace = namespace;
    this.#place = { locationHint: SOUTHERN_HOST.test(upstreamHost) ? 'apac-se' : 'apac-ne' };
    this.#runtime = runtime;
  }

  /** Enters a deletion. When it returns, the row is on disk. */
  async reserve(
    reservation: rows.Reservation,
    budgets: rows.Budgets,
    timeoutMs: number,
    waitUntil: WaitUntil,
  ): Promise<Result<Entered, Failure<'budget_exhausted' | 'deletion_in_progress'> | Unavailable>> {
    try {
      const reserving = this.#call((ledger) => ledger.reserve(reservation, budgets));
      const reserved = await withTimeout(reserving, this.#runtime.startTimer, Math.min(RESERVE_TIMEOUT_MS, timeoutMs));
      if (!reserved.ok) return failed(refusalFailure(reserved.failure, reservation));
      const { value: lastDeletion, isAfterNotDeleted, sameRequest } = reserved;
      return ok({ lastDeletion, isAfterNotDeleted, sameRequest });
    } catch {
      // The row may have been written, or may still be. It must not count, because no deletion is sent.
      waitUntil(this.#tell(reservation.id, NEVER_SENT, (ledger) => ledger.cancel(reservation, NEVER_SENT)));
      return unavailable;
    }
  }

  /**
   * Stores the outcome of a deletion. `false` if the ledger did not store it; then the row stays `unknown`. A row settles once, so this
   * is safe to repeat if the reply is lost.
   */
  settle(id: string, settlement: rows.Settlement): Promise<boolean> {
    return this.#tell(id, settlement, (ledger) => ledger.settle(id, settlement));
  }

  /** What `reserve` would return now. */
  peek(caller: string, imageId: string, budgets: rows.Budgets): Promise<Result<rows.Outlook, Unavailable>> {
    return this.#ask((ledger) => ledger.peek(caller, imageId, budgets));
  }

  history(query: rows.HistoryQuery): Promise<Result<readonly rows.DeletionRow[], Unavailable>> {
    return this.#ask((ledger) => ledger.history(query));
  }

  metrics(): Promise<Result<rows.LedgerMetrics, Unavailable>> {
    return this.#ask((ledger) => ledger.metrics());
  }

  #ask<T>(question: (ledger: rows.Ledger) => Promise<T>): Promise<Result<T, Unavailable>> {
    return withTimeout(this.#call(question), this.#runtime.startTimer).then(
      (value) => ok(value),
      () => unavailable,
    );
  }

  /** Sends the ledger an outcome; retries once. If that fails too, logs it and returns `false`. */
  #tell(id: string, { outcome }: rows.Settlement, tell: (ledger: rows.Ledger) => Promise<void>): Promise<boolean> {
    const once = () => withTimeout(this.#call(tell), this.#runtime.startTimer);
    const again = (error: unknown) => (isOverloaded(error) ? Promise.reject(error) : once());
    return once()
      .catch(again)
      .then(
        () => true,
        () => {
          logEvent(this.#runtime, 'ERROR', 'settle_failed', { 'gateway.request.id': id, outcome });
          return false;
        },
      );
  }

  /** Calls the ledger through a new stub. Rejects even where `getByName` throws. */
  async #call<T>(ask: (ledger: rows.Ledger) => Promise<T>): Promise<T> {
    return ask(this.#namespace.getByName(LEDGER_NAME, this.#place));
  }
}

/** An overloaded object must not be asked again. Source: https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ */
function isOverloaded(error: unknown): boolean {
  return error instanceof Error && 'overloaded' in error && error.overloaded === true;
}
