/**
 * The Worker: the app with the real clock, randomness, network and log, behind two entry points.
 *
 * Promises: a deletion that has begun is completed and recorded even if the caller hangs up; both entry points lead to the same app
 * and differ only in how they identify the caller. Never: decides anything.
 */
import { WorkerEntrypoint } from 'cloudflare:workers';
import { createApp } from './app.ts';
import type { Arrival } from './callers/identify.ts';
import { parseConfig } from './config.ts';
import { platformRuntime } from './platform.ts';

export { Ledger } from './ledger-object.ts';

/** Built at the first request. Bindings do not change within an isolate, and a log line at start-up would be lost. */
let app: ReturnType<typeof createApp> | undefined;

function answer(request: Request, arrival: Arrival, env: Env, ctx: ExecutionContext<unknown>): Promise<Response> {
  app ??= createApp(parseConfig(env), platformRuntime);
  const response = Promise.resolve(app.fetch(request, arrival, ctx));
  ctx.waitUntil(response);
  return response;
}

export default {
  fetch: (request, env, ctx) => answer(request, { by: 'http' }, env, ctx),
} satisfies ExportedHandler<Env>;

/** The entry point for other Workers of the account, through a service binding whose `props` name the caller. */
export class ImageGateway extends WorkerEntrypoint<Env, { caller?: unknown }> {
  override fetch(request: Request): Promise<Response> {
    return answer(request, { by: 'binding', props: this.ctx.props }, this.env, this.ctx);
  }
}
