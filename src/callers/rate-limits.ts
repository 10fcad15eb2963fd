/**
 * The edge rate limits of one caller, the figures.
 *
 * Promises: `wrangler.toml` configures the same figures, which a test holds. Never: counts; that is the platform's work,
 * done by Cloudflare location and therefore a shield and not a quota.
 *
 * Source: https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/;
 * draft-ietf-httpapi-ratelimit-headers-11 (`RateLimit-Policy`).
 */

/** `limit` requests in `periodS` seconds; the platform offers periods of 10 and 60. */
export const LIMITS = {
  burst: { binding: 'RATE_LIMITER_BURST', limit: 20, periodS: 10 },
  sustained: { binding: 'RATE_LIMITER_SUSTAINED', limit: 60, periodS: 60 },
} as const;

export type LimitName = keyof typeof LIMITS;

/** The policy without a remaining count, which the platform does not tell. */
export function rateLimitPolicy(): string {
  return Object.entries(LIMITS)
    .map(([name, { limit, periodS }]) => `"${name}";q=${limit};w=${periodS}`)
    .join(', ');
}
