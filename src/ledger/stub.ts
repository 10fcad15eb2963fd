/**
 * The ledger as the gateway sees it, through a Durable Object's stub.
 *
 * Promises: every call is bounded in time and never throws; a ledger that fails or does not answer is a failure. Never: keeps a
 * stub, because one whose object was restarted stays broken.
 */
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import { type WaitUntil, withTimeout } from '../runtime.ts';
import type { CallerLedger, DeletionRow, HistoryQuery, Peek, Reservation, Settlement } from './rows.ts';

/** The platform's binding. */
export interface LedgerNamespace {
  getByName(callerId: string): CallerLedger;
}

export interface Settled {
  /** `false` if the ledger did not take the settlement, so that its row says `unknown`. */
  readonly settled: boolean;
  /** The caller's last deletion of the image, if Baidu has no such image. */
  readonly earlier: DeletionRow | null;
}

/** The time for `reserve` is longer than for other calls, because an idle object has to start first. */
export const RESERVE_TIMEOUT_MS = 5_000;

type Unavailable = Failure<'ledger_unavailable'>;
const unavailable = failed({ code: 'ledger_unavailable' });

export class LedgerStub {
  readonly #namespace: LedgerNamespace;
  readonly #callerId: string;

  constructor(namespace: LedgerNamespace, callerId: string) {
    this.#namespace = namespace;
    this.#callerId = callerId;
  }

  /** Enters a deletion, on disk before it returns. */
  async reserve(
    reservation: Reservation,
    budget: number,
    timeoutMs: number,
    waitUntil: WaitUntil,
  ): Promise<Result<{ readonly seq: number }, Failure<'budget_exhausted'> | Unavailable>> {
    const reserving = this.#open().reserve(reservation, budget);
    const reserved = await withTimeout(reserving, Math.min(RESERVE_TIMEOUT_MS, timeoutMs)).catch(() => null);
    if (reserved === null) {
      // The row may still be written after we gave up. Settle it then, or it would count against the budget.
      waitUntil(
        reserving.then((late) => ('seq' in late ? this.#cancel(late.seq, reservation) : null)).catch(() => null),
      );
      return unavailable;
    }
    if ('seq' in reserved) return ok({ seq: reserved.seq });
    return failed({ code: 'budget_exhausted', budget, retryAfterS: reserved.retryAfterS });
  }

  /** Writes what came of a deletion. A row settles once, so a ledger whose reply was lost may be told again. */
  async settle(seq: number, imageId: string, settlement: Settlement): Promise<Settled> {
    const once = () => withTimeout(this.#open().settle(seq, imageId, settlement));
    return once()
      .catch(once)
      .then(
        (earlier) => ({ settled: true, earlier }),
        () => ({ settled: false, earlier: null }),
      );
  }

  peek(imageId: string, budget: number): Promise<Result<Peek, Unavailable>> {
    return withTimeout(this.#open().peek(imageId, budget)).then(ok, () => unavailable);
  }

  history(query: HistoryQuery): Promise<Result<readonly DeletionRow[], Unavailable>> {
    return withTimeout(this.#open().history(query)).then(ok, () => unavailable);
  }

  #open(): CallerLedger {
    return this.#namespace.getByName(this.#callerId);
  }

  #cancel(seq: number, { imageId }: Reservation): Promise<Settled> {
    const settlement = { outcome: 'not_attempted', code: unavailable.failure.code, attempts: 0 } as const;
    return this.settle(seq, imageId, { ...settlement, upstreamRequestId: null, imageName: null });
  }
}
