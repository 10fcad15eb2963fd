/**
 * Who gets in: every call that needs a caller passes here first.
 *
 * Promises: in this order: who calls, whether the gateway is configured, how often, whether the caller may. Hands a handler
 * what it may use. Never: decides anything itself; the decisions are functions elsewhere.
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

/** A handler that is given its caller and the gateway. */
type AdmittedHandler = (c: Context<HttpEnv>, admitted: Admitted) => Answer | Promise<Answer>;

interface Admission {
  /** `null` if any caller will do. */
  readonly scope: Scope | null;
  /** What the response says if there is no gateway. */
  readonly problems?: readonly string[];
}

/** What makes a handler one that only admitted requests reach. */
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
    // Browsers send this header with every request, and no script can remove it. So no page can delete.
    const isPage = c.req.header('sec-fetch-site') !== undefined;
    if (scope === 'images:delete' && isPage) return failed({ code: 'permission_denied', missing: 'no_browser' });
    return ok({ ...identified, gateway });
  }

  return (admission: Admission, handle: AdmittedHandler): Handle =>
    async (c) => {
      const to = c.get('to');
      // If the table of callers cannot be read, no caller is known, and the response says no more.
      if (identity === null) return problem(to, { code: 'gateway_misconfigured' });
      const known = await identity.identify(c.env, (name) => c.req.header(name), waitUntilOf(c));
      if (!known.ok) return problem(to, known.failure);
      const identified = known.value;
      try {
        const admitted = await admit(c, admission, identified);
        return { ...(admitted.ok ? await handle(c, admitted.value) : problem(to, admitted.failure)), identified };
      } catch (thrown) {
        // The caller is still known here.
        return { ...crash(to, thrown, c.get('outcomeOfCrash')), identified };
      }
    };
}
