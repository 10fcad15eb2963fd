/** What a request carries through Hono, and how its answer leaves the handlers. */
import type { Context, Handler } from 'hono';
import type { Arrival } from '../callers/identify.ts';
import type { MayKeep } from '../kept-text.ts';
import type { Addressee } from '../problems/problem.ts';
import type { WaitUntil } from '../runtime.ts';
import type { Answer } from './answer.ts';
import type { Transport } from './transport.ts';

/** `audit` sets all but `answer` before anything else runs. Read them with `c.get()`: `c.var` copies all of them each time. */
export interface HttpEnv {
  Bindings: Arrival;
  Variables: {
    /** Made by us for each request. */
    id: string;
    to: Addressee;
    /** Decides about every text of the request that is recorded or repeated. */
    mayKeep: MayKeep;
    transport: Transport;
    answer: Answer | undefined;
    /** What an exception leaves of a deletion: `unknown` from the moment `deleteImage` is called. */
    outcomeOfCrash: 'not_attempted' | 'unknown';
  };
}

/** The one place where an answer leaves the handlers: Hono gets the response, the audit record the rest. */
export function give(c: Context<HttpEnv>, answer: Answer): Response {
  c.set('answer', answer);
  return answer.response;
}

/** Reads a request and answers it. */
export type Handle = (c: Context<HttpEnv>) => Answer | Promise<Answer>;

export function answered(handle: Handle): Handler<HttpEnv> {
  return async (c) => give(c, await handle(c));
}

/** The hold of this request on the Worker. */
export function waitUntilOf(c: Context<HttpEnv>): WaitUntil {
  return (work) => c.executionCtx.waitUntil(work);
}
