/**
 * The gateway as a table of contents: each route, what it needs, what it calls.
 *
 * Promises: every request passes `audit` first, and only `deleteImage` and `previewImage` send anything to Baidu. Never:
 * touches a clock, randomness or the network other than those of the given runtime.
 */
import { Hono } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import type { ParsedConfig } from './config.ts';
import { createGateway } from './create-gateway.ts';
import { deleteImage } from './deletions/deletion.ts';
import { previewImage } from './deletions/preview.ts';
import { audit, logLine, respondCrash } from './http/audit.ts';
import { type HttpEnv, record } from './http/context.ts';
import { Gate } from './http/gate.ts';
import { openapi } from './http/openapi.ts';
import { IMAGE_ROUTE, pathOf, readDeletion, readHistory, readPreview } from './http/request.ts';
import { respondDeletion, respondHistory, respondPreview, respondProblem } from './http/respond.ts';
import type { StatusBody } from './http/schemas.ts';
import { explanationOf, isProblemCode } from './problems/failure.ts';
import { PROBLEMS_PATH } from './problems/problem.ts';
import type { Runtime } from './runtime.ts';

export function createApp({ callers, config, problems }: ParsedConfig, runtime: Runtime): Hono<HttpEnv> {
  if (problems.length > 0) {
    const timestamp = new Date(runtime.now()).toISOString();
    logLine(runtime.log, { timestamp, severity_text: 'ERROR', 'event.name': 'misconfigured', problems });
  }
  const gateway = config === null ? null : createGateway(config, runtime);
  const gate = new Gate(callers, gateway);
  // Routed by the path as it was sent: a percent-encoded part stays encoded, and then fits neither a route nor an image id.
  const app = new Hono<HttpEnv>({ getPath: ({ url }) => pathOf(url) });

  app.use(audit(runtime, gateway, callers));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, allow) => respondProblem(c, { code: 'method_not_allowed', allow }),
    }),
  );

  app.get('/healthz', (c) => c.json<StatusBody>({ status: 'ok' }));
  app.get('/openapi.json', (c) => c.json(openapi(new URL(c.req.url).origin)));
  app.get(`${PROBLEMS_PATH}/:code`, (c) => {
    const code = c.req.param('code');
    return isProblemCode(code) ? c.json(explanationOf(code)) : respondProblem(c, { code: 'route_not_found' });
  });
  app.get(
    '/readyz',
    gate.admitted({ scope: null, problems }, (c) => c.json<StatusBody>({ status: 'ready' })),
  );

  app.get(
    IMAGE_ROUTE,
    gate.admitted({ scope: 'images:read' }, async (c, { caller, gateway }) => {
      const imageId = readPreview(c.req.raw, c.req.path);
      if (!imageId.ok) return respondProblem(c, imageId.failure);
      return respondPreview(c, await previewImage(gateway, caller, imageId.value));
    }),
  );
  app.delete(
    IMAGE_ROUTE,
    gate.admitted({ scope: 'images:delete' }, async (c, { caller, gateway }) => {
      const order = await readDeletion(c.req.raw, c.req.path);
      if (!order.ok) return respondProblem(c, order.failure);
      const request = { ...order.value, requestId: c.get('requestId'), caller };
      const deletion = await deleteImage(gateway, request, (work) => c.executionCtx.waitUntil(work));
      return respondDeletion(c, order.value.imageId, deletion);
    }),
  );
  app.get(
    '/deletions',
    gate.admitted({ scope: null }, async (c, { caller, gateway }) => {
      const order = readHistory(c.req.raw);
      if (!order.ok) return respondProblem(c, order.failure);
      const historyOf = order.value.caller ?? caller.id;
      record(c, { historyOf });
      if (historyOf !== caller.id && !caller.scopes.has('deletions:read')) {
        return respondProblem(c, { code: 'permission_denied', missing: 'deletions:read' });
      }
      const rows = await gateway.ledgerOf(historyOf).history(order.value.query);
      if (!rows.ok) return respondProblem(c, rows.failure);
      return respondHistory(c, historyOf, rows.value, order.value.query.limit);
    }),
  );

  app.notFound((c) => respondProblem(c, { code: 'route_not_found' }));
  app.onError((error, c) => respondCrash(c, error));
  return app;
}
