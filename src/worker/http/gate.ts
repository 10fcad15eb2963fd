/**
 * Admission: every call that needs a caller passes here first.
 *
 * Promises: checks, in this order, the credential, the configuration, the rate limits and the permission. The handler then receives the
 * caller and the gateway.
 */
import type { Context } from 'hono';
import type { Identified } from '../callers/caller.ts';
import type { Identity } from '../callers/identify.ts';
import { rateLimitFailure } from '../callers/rate-limits.ts';
import type { Gateway } from '../deletions/gateway.ts';
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import type { StartTimer } from '../runtime.ts';
import type { Scope } from '../scope.ts';
import { type Answer, crash, problem } from './answer.ts';
import { type Handle, type HttpEnv, waitUntilOf } from './context.ts';

export interface Admitted extends Identified {
  readonly gateway: Gateway;
}

/** A handler that receives its caller and the gateway. */
type AdmittedHandler = (c: Context<HttpEnv>, admitted: Admitted) => Answer | Promise<Answer>;

interface Admission {
  /** `null` admits any caller. */
  readonly scope: Scope | null;
  /** For the response if there is no gateway. */
  readonly problems?: readonly string[];
}

/** Wraps a handler so that only admitted requests reach it. */
export function gateOf(identity: Identity | null, gateway: Gateway | null, startTimer: StartTimer) {
  async function admit(
    c: Context<HttpEnv>,
    { scope, problems }: Admission,
    identified: Identified,
  ): Promise<Result<Admitted, Failure>> {
    const { caller } = identified;
    if (gateway === null) return failed({ code: 'gateway_misconfigured', ...(problems && { problems }) });
    const limited = await rateLimitFailure(gateway.rateLimiters, caller.id, startTimer);
    if (limited !== null) return failed(limited);
    if (scope !== null && !caller.scopes.has(scope)) return failed({ code: 'permission_denied', missing: scope });
    // Current browsers send this header with every request, and no script can remove it. The lack of CORS stops older ones.
    const isPage = c.req.header('sec-fetch-site') !== undefined;
    if (scope === 'images:delete' && isPage) return failed({ code: 'permission_denied', missing: 'no_browser' });
    return ok({ ...identified, gateway });
  }

  return (admission: Admission, handle: AdmittedHandler): Handle =>
    async (c) => {
      const to = c.get('to');
      // If the callers cannot be read, no caller is known, and the response says no more.
      if (identity === null) return problem(to, { code: 'gateway_misconfigured' });
      const known = await identity.identify(c.env, (name) => c.req.header(name), waitUntilOf(c));
      if (!known.ok) return problem(to, known.failure);
      const identified = known.value;
      try {
        const admitted = await admit(c, admission, identified);
        return { ...(admitted.ok ? await handle(c, admitted.value) : problem(to, admitted.failure)), identified };
      } catch (thrown) {
        // Caught here, where the record can still name the caller.
        return { ...crash(to, thrown, c.get('outcomeOfCrash')), identified };
      }
    };
}
