/**
 * The edge rate limits of one caller: their figures, and whether one has been reached.
 *
 * Promises: a test checks that `wrangler.toml` has the same figures; a limiter that fails or does not respond lets nobody through.
 * Never: counts. The platform counts per Cloudflare location, so this is a shield, not a quota.
 *
 * Source: https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/;
 * draft-ietf-httpapi-ratelimit-headers-11 (`RateLimit-Policy`).
 */
import type { Failure } from '../problems/failure.ts';
import { type StartTimer, withTimeout } from '../runtime.ts';

/** `requests` in `periodS` seconds; the platform offers periods of 10 and 60. */
export const RATE_LIMITS = {
  burst: { binding: 'RATE_LIMITER_BURST', requests: 20, periodS: 10 },
  sustained: { binding: 'RATE_LIMITER_SUSTAINED', requests: 60, periodS: 60 },
} as const;

export type RateLimitName = keyof typeof RATE_LIMITS;

/** The platform's binding. */
export interface RateLimiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}
export type RateLimiters = Readonly<Record<RateLimitName, RateLimiter>>;

/** `RateLimit-Policy` only: the platform does not report a remaining count. */
const RATE_LIMIT_POLICY = Object.entries(RATE_LIMITS)
  .map(([name, { requests, periodS }]) => `"${name}";q=${requests};w=${periodS}`)
  .join(', ');

/** Counts a request of `callerId` against both limits. `null` if it may pass. */
export async function rateLimitFailure(
  limiters: RateLimiters,
  callerId: string,
  startTimer: StartTimer,
): Promise<Failure<'rate_limited' | 'rate_limiter_unavailable'> | null> {
  try {
    const reached = await withTimeout(firstReached(limiters, callerId), startTimer);
    if (reached === null) return null;
    const { requests, periodS } = RATE_LIMITS[reached];
    return { code: 'rate_limited', requests, periodS, policy: RATE_LIMIT_POLICY };
  } catch {
    return { code: 'rate_limiter_unavailable' };
  }
}

/** A request over the first limit does not count against the second. */
async function firstReached(limiters: RateLimiters, key: string): Promise<RateLimitName | null> {
  if (!(await limiters.burst.limit({ key })).success) return 'burst';
  if (!(await limiters.sustained.limit({ key })).success) return 'sustained';
  return null;
}
