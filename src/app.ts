/**
 * The gateway, as a table of contents: who is let in, in which order, to what.
 *
 * Promises: every request passes `audited` first, every answer that is not 2xx comes from `fail`, and nothing reaches
 * Baidu but what `runDeletion` sends. Never: touches a clock, randomness or the network other than those it is given.
 */
import { Hono } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { logLine } from './audit.ts';
import type { AttemptTools } from './bce/attempts.ts';
import { BceClient, type BceClientOptions } from './bce/client.ts';
import type { Config, ParsedConfig } from './config.ts';
import { runDeletion } from './deletion.ts';
import {
  audited,
  authenticated,
  configured,
  crash,
  fail,
  type GatewayEnv,
  type Outside,
  permitted,
  rateLimited,
  type Services,
} from './middleware.ts';
import { openapi } from './openapi.ts';
import { isProblemCode, PROBLEMS_PATH, rowOf } from './problem.ts';
import { hasContent, parseDeletion } from './request.ts';

/** The outside world. `index.ts` hands in the real one. */
export type Deps = Outside & AttemptTools & Pick<BceClientOptions, 'fetch'>;

export function createApp(parsed: ParsedConfig, deps: Deps): Hono<GatewayEnv> {
  const { config, problems } = parsed;
  if (problems.length > 0) {
    const timestamp = new Date(deps.now()).toISOString();
    logLine(deps.log, { timestamp, severity_text: 'ERROR', 'event.name': 'misconfigured', problems });
  }
  const services = config === null ? null : createServices(config, deps);
  // Routed by the path as it was sent: what is percent-encoded stays so, and then fits neither a route nor an image id.
  const app = new Hono<GatewayEnv>({ getPath: (request) => new URL(request.url).pathname });

  app.use(audited(deps, config));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (c, allow) => fail(c, { code: 'method_not_allowed', allow }) }));

  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/openapi.json', (c) => c.json(openapi(new URL(c.req.url).origin)));
  app.get(`${PROBLEMS_PATH}/:code`, (c) => {
    const code = c.req.path.slice(PROBLEMS_PATH.length + 1);
    return isProblemCode(code) ? c.json({ code, ...rowOf(code) }) : fail(c, { code: 'route_not_found' });
  });

  app.get('/readyz', authenticated(parsed), configured(services, { tell: problems }), rateLimited(), (c) =>
    c.json({ status: 'ready' }),
  );

  app.delete(
    '/images/:id',
    authenticated(parsed),
    configured(services),
    rateLimited(),
    permitted('images:delete'),
    async (c) => {
      const { trail, requestId } = c.var;
      const request = parseDeletion(c.req.path.slice('/images/'.length), new URL(c.req.url).searchParams);
      if ('code' in request) return fail(c, request);
      trail.imageId = request.imageId;
      if (await hasContent(c.req.raw)) return fail(c, { code: 'invalid_request', fault: 'unexpected_body' });

      trail.sent = true;
      const deletion = await runDeletion(c.var.services.bcc, request);
      trail.result = deletion.result;
      if ('failure' in deletion) return fail(c, deletion.failure);
      trail.outcome = deletion.outcome;
      const upstreamRequestId = deletion.result.answer?.requestId ?? null;
      return c.json({ id: request.imageId, outcome: deletion.outcome, requestId, upstreamRequestId });
    },
  );

  app.notFound((c) => fail(c, { code: 'route_not_found' }));
  app.onError((error, c) => crash(c, error));
  return app;
}

function createServices({ credentials, endpoint, timeLimits, limiters }: Config, deps: Deps): Services {
  return { limiters, bcc: { client: new BceClient(credentials, deps), endpoint, limits: timeLimits, tools: deps } };
}
