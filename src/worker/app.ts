/**
 * The gateway as a table of contents: each route, what it needs, what it calls.
 *
 * Promises: every request passes `audit` first, and only `deleteImage`, `previewImage` and the probe send anything to Baidu. Never:
 * touches a clock, randomness or the network other than those of the given runtime.
 */
import { HonoBase } from 'hono/hono-base';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { TrieRouter } from 'hono/router/trie-router';
import { unlistedCode } from './baidu/verdict.ts';
import { Identity, subjectOf } from './callers/identify.ts';
import type { ParsedConfig } from './config.ts';
import { createGateway } from './create-gateway.ts';
import type { HealthBody } from './deletions/bodies.ts';
import { deleteImage } from './deletions/deletion.ts';
import { DELETIONS_PATH, visibleTo } from './deletions/history.ts';
import { previewImage } from './deletions/preview.ts';
import { logUnlistedCode } from './deletions/upstream.ts';
import { audit, type MisconfigurationLine, respondCrash } from './http/audit.ts';
import { type HttpEnv, record, waitUntilOf } from './http/context.ts';
import { Gate } from './http/gate.ts';
import { refusePlainHttp } from './http/plain-http.ts';
import { IMAGE_ROUTE, pathOf, readDeletion, readHistory, readPreview, readReadiness } from './http/request.ts';
import {
  originFor,
  respondDeletion,
  respondHistory,
  respondMetrics,
  respondPage,
  respondPreview,
  respondProblem,
  respondReadiness,
} from './http/respond.ts';
import { apiDocument, FILES_PATH, page, pageFile } from './pages.ts';
import { explanationOf, isProblemCode } from './problems/failure.ts';
import { PROBLEMS_PATH } from './problems/problem.ts';
import { logLine, type Runtime, withTimeout } from './runtime.ts';

export function createApp(
  { callers, config, assets, problems, version }: ParsedConfig,
  runtime: Runtime,
): HonoBase<HttpEnv> {
  const { startTimer } = runtime;
  if (problems.length > 0) {
    const timestamp = new Date(runtime.now()).toISOString();
    logLine<MisconfigurationLine>(runtime.log, {
      timestamp,
      severity_text: 'ERROR',
      'event.name': 'misconfigured',
      problems,
    });
  }
  const gateway = config === null ? null : createGateway(config, runtime);
  const identity = callers === null ? null : new Identity(callers, runtime);
  const gate = new Gate(identity, gateway, startTimer);
  // Routed by the path as it was sent: a percent-encoded part stays encoded, and then fits neither a route nor an image id.
  // One router, which `methodNotAllowed` brings anyway: the default would bring three.
  const app = new HonoBase<HttpEnv>({ getPath: ({ url }) => pathOf(url), router: new TrieRouter() });

  app.use(audit(runtime, { identity, gateway, version }));
  app.use(refusePlainHttp(identity));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, allow) => respondProblem(c, { code: 'method_not_allowed', allow }),
    }),
  );

  app.get('/healthz', (c) => c.json<HealthBody>({ status: 'ok' }));
  app.get('/openapi.json', async (c) =>
    respondPage(c, await withTimeout(apiDocument(assets, originFor(c)), startTimer)),
  );
  app.get('/docs', async (c) => respondPage(c, await withTimeout(page(assets, 'docs'), startTimer)));
  app.get('/console', async (c) => respondPage(c, await withTimeout(page(assets, 'console'), startTimer)));
  app.get(`${FILES_PATH}/:file`, async (c) =>
    respondPage(c, await withTimeout(pageFile(assets, c.req.param('file')), startTimer)),
  );
  app.get(`${PROBLEMS_PATH}/:code`, (c) => {
    const code = c.req.param('code');
    return isProblemCode(code) ? c.json(explanationOf(code)) : respondProblem(c, { code: 'route_not_found' });
  });
  app.get(
    '/readyz',
    gate.admitted({ scope: null, problems }, async (c, { caller, gateway }) => {
      const asked = readReadiness(c.req.raw, c.get('mayKeep'));
      if (!asked.ok) return respondProblem(c, asked.failure);
      const probed = asked.value.upstream ? await gateway.probe.ask(c.get('id')) : null;
      return respondReadiness(c, caller, gateway.keyFingerprint, probed);
    }),
  );

  app.get(
    IMAGE_ROUTE,
    gate.admitted({ scope: 'images:read' }, async (c, { caller, gateway }) => {
      const imageId = readPreview(c.req.raw, c.req.path, c.get('mayKeep'));
      if (!imageId.ok) return respondProblem(c, imageId.failure);
      const preview = await previewImage(gateway, caller, imageId.value);
      logUnlistedCode(runtime, { imageId: imageId.value, id: c.get('id') }, unlistedCode(preview.answer));
      return respondPreview(c, preview);
    }),
  );
  app.delete(
    IMAGE_ROUTE,
    gate.admitted({ scope: 'images:delete' }, async (c, { caller, proof, gateway }) => {
      const order = await readDeletion(c.req.raw, c.req.path, c.get('mayKeep'), startTimer);
      if (!order.ok) return respondProblem(c, order.failure);
      const ids = { id: c.get('id'), requestId: c.get('requestId') };
      const request = { ...order.value, ...ids, caller, subject: subjectOf(proof) };
      const deletion = await deleteImage(gateway, request, waitUntilOf(c));
      logUnlistedCode(runtime, request, unlistedCode(deletion.answer));
      return respondDeletion(c, request, deletion);
    }),
  );
  app.get(
    DELETIONS_PATH,
    gate.admitted({ scope: null }, async (c, { caller, gateway }) => {
      const isName = (text: string) => callers?.byName.has(text) === true;
      // The name of a caller is no secret, even if its key has that name in it.
      const asked = readHistory(c.req.raw, (text) => isName(text) || c.get('mayKeep')(text));
      if (!asked.ok) return respondProblem(c, asked.failure);
      const query = visibleTo(caller, asked.value);
      const whose = (query.ok ? query.value : asked.value).caller ?? '*';
      if (whose === '*' || isName(whose)) record(c, { historyOf: whose });
      if (!query.ok) return respondProblem(c, query.failure);
      const rows = await gateway.ledger.history(query.value);
      if (!rows.ok) return respondProblem(c, rows.failure);
      return respondHistory(c, rows.value, query.value);
    }),
  );

  app.get(
    '/metrics',
    gate.admitted({ scope: 'metrics:read' }, async (c, { caller, gateway }) => {
      const metrics = await gateway.ledger.metrics();
      if (!metrics.ok) return respondProblem(c, metrics.failure);
      return respondMetrics(metrics.value, {
        budgets: new Map([...(callers?.byName ?? [])].map(([name, each]) => [name, gateway.budgetsOf(each).caller])),
        accountBudget: gateway.budgetsOf(caller).account,
        version,
        nowMs: runtime.now(),
      });
    }),
  );

  app.notFound((c) => respondProblem(c, { code: 'route_not_found' }));
  app.onError((error, c) => respondCrash(c, error));
  return app;
}
