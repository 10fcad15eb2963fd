/** What all requests share. `create-gateway.ts` builds it from the configuration. */
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
  /** From the reservation, or the first read, to Baidu's last response. */
  readonly deadlineMs: number;
  readonly now: Runtime['now'];
  /** Identifies the access key that signs. */
  readonly keyFingerprint: string;
  readonly upstreamHost: string;
  readonly ledger: LedgerStub;
  readonly budgetsOf: (caller: Caller) => Budgets;
}
