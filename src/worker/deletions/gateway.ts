/** What every request works with. There is one for each configuration; `create-gateway.ts` makes it. */
import type { ImageApi } from '../baidu/images.ts';
import type { Caller } from '../callers/caller.ts';
import type { RateLimiters } from '../callers/rate-limits.ts';
import type { Budgets } from '../ledger/rows.ts';
import type { Runtime } from '../runtime.ts';
import type { LedgerStub } from './ledger-stub.ts';
import type { Policy } from './policy.ts';
import type { UpstreamProbe } from './probe.ts';

export interface Gateway {
  readonly images: ImageApi;
  readonly probe: UpstreamProbe;
  readonly policy: Policy;
  readonly rateLimiters: RateLimiters;
  /** From the reservation, or the first read, to Baidu's last answer. */
  readonly deadlineMs: number;
  readonly now: Runtime['now'];
  /** Tells which access key signs. */
  readonly keyFingerprint: string;
  readonly upstreamHost: string;
  readonly ledger: LedgerStub;
  readonly budgetsOf: (caller: Caller) => Budgets;
}
