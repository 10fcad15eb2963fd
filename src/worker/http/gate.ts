/**
 * Who gets in: every call that needs a caller passes here first.
 *
 * Promises: in this order: who calls, whether the gateway is whole, how often, whether the caller may. Hands a handler
 * what it may use. Never: decides anything itself; the decisions are functions elsewhere.
 */
import type { Context, Handler } from 'hono';
import type { Caller, Scope } from '../callers/caller.ts';
import type { Identified, Identity } from '../callers/identify.ts';
import { rateLimitFailure } from '../callers/rate-limits.ts';
import type { Gateway } from '../deletions/gateway.ts';
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import type { StartTimer } from '../runtime.ts';
import { type HttpEnv, record, waitUntilOf } from './context.ts';
import { respondProblem } from './respond.ts';

export interface Admitted {
  readonly caller: Caller;
  readonly proof: Identified['proof'];
  readonly gateway: Gateway;
}

/** A handler that is given its caller and the gateway. */
type AdmittedHandler = (c: Context<HttpEnv>, admitted: Admitted) => Response | Promise<Response>;

interface Admission {
  /** `null` if any caller will do. */
  readonly scope: Scope | null;
  /** What a caller is told if there is no gateway. */
  readonly problems?: readonly string[];
}

export class Gate {
  readonly #identity: Identity | null;
  readonly #gateway: Gateway | null;
  readonly #startTimer: StartTimer;

  constructor(identity: Identity | null, gateway: Gateway | null, startTimer: StartTimer) {
    this.#identity = identity;
    this.#gateway = gateway;
    this.#startTimer = startTimer;
  }

  /** Lets admitted requests through to `handle` and answers the others. */
  admitted(admission: Admission, handle: AdmittedHandler): Handler<HttpEnv> {
    return async (c) => {
      const admitted = await this.#admit(c, admission);
      return admitted.ok ? handle(c, admitted.value) : respondProblem(c, admitted.failure);
    };
  }

  async #admit(c: Context<HttpEnv>, { scope, problems }: Admission): Promise<Result<Admitted, Failure>> {
    // Without a readable table nobody is known, and nobody learns more than that.
    if (this.#identity === null) return failed({ code: 'gateway_misconfigured' });
    const identified = await this.#identity.identify(c.env, (name) => c.req.header(name), waitUntilOf(c));
    if (!identified.ok) return identified;
    const { caller, proof } = identified.value;
    record(c, { identified: identified.value });
    const gateway = this.#gateway;
    if (gateway === null) return failed({ code: 'gateway_misconfigured', ...(problems && { problems }) });
    const limited = await rateLimitFailure(gateway.rateLimiters, caller.id, this.#startTimer);
    if (limited !== null) return failed(limited);
    if (scope !== null && !caller.scopes.has(scope)) return failed({ code: 'permission_denied', missing: scope });
    // Browsers send this header with every request, and no script can leave it out. So no page can delete.
    const isPage = c.req.header('sec-fetch-site') !== undefined;
    if (scope === 'images:delete' && isPage) return failed({ code: 'permission_denied', missing: 'no_browser' });
    return ok({ caller, proof, gateway });
  }
}
