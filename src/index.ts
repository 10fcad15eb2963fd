/**
 * The Worker: the app with the real clock, randomness, network and log.
 *
 * Promises: a deletion that has begun is finished and recorded even if the caller hangs up. Never: decides anything.
 */
import { createApp } from './app.ts';
import { parseConfig } from './config.ts';
import { platformRuntime } from './runtime.ts';

export { Ledger } from './ledger-object.ts';

/** Made at the first request: bindings do not change within an isolate, and nobody would read a log line at start-up. */
let app: ReturnType<typeof createApp> | undefined;

export default {
  fetch(request, env, ctx) {
    app ??= createApp(parseConfig(env), platformRuntime);
    const response = Promise.resolve(app.fetch(request, env, ctx));
    ctx.waitUntil(response);
    return response;
  },
} satisfies ExportedHandler<Env>;
