/**
 * The gateway's routes: what each requires, and which function it calls.
 *
 * Promises: every request goes through `audit` first; only `deleteImage`, `previewImage` and the probe send anything to Baidu.
 * Never: uses a clock, randomness or network other than the given runtime's.
 */
import type { Context } from 'hono';
import { HonoBase } from 'hono/hono-base';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { TrieRouter } from 'hono/router/trie-router';
import { unlistedCode } from './baidu/verdict.ts';
import { subjectOf } from './callers/caller.ts';
import { createIdentity } from './callers/identify.ts';
import type { ParsedConfig } from './config.ts';
import { createGateway } from './create-gateway.ts';
import type { HealthBody } from './deletions/bodies.ts';
import { type Deletion, deleteImage } from './deletions/deletion.ts';
import type { Gateway } from './deletions/gateway.ts';
import { visibleTo } from './deletions/history.ts';
import { previewImage } from './deletions/preview.ts';
import { logUnlistedCode } from './deletions/upstream.ts';
import {
  type Answer,
  deletionAnswer,
  deletionCrash,
  historyAnswer,
  pageAnswer,
  previewAnswer,
  problem,
  readinessAnswer,
  success,
} from './http/answer.ts';
import { answered, give, type Handle, type HttpEnv, waitUntilOf } from './http/context.ts';
import { gateOf } from './http/gate.ts';
import { DELETIONS_PATH } from './http/history.ts';
import { metricsAnswer } from './http/metrics.ts';
import { audit, giveAfterCrash } from './http/outermost.ts';
import { refusePlainHttp } from './http/plain-http.ts';
import { IMAGE_ROUTE, pathOf, readDeletion, readHistory, readPreview, readReadiness } from './http/request.ts';
import type { HistoryQuery } from './ledger/rows.ts';
import { logEvent } from './log.ts';
import { apiDocument, FILES_PATH, page, pageFile } from './pages.ts';
import { explanationOf, isProblemCode } from './problems/failure.ts';
import { type Addressee, PROBLEMS_PATH } from './problems/problem.ts';
import { type Runtime, withTimeout } from './runtime.ts';

export function createApp(
  { callers, config, assets, problems, version }: ParsedConfig,
  runtime: Runtime,
): HonoBase<HttpEnv> {
  const { startTimer } = runtime;
  if (problems.length > 0) logEvent(runtime, 'ERROR', 'misconfigured', { problems });
  const gateway = config === null ? null : createGateway(config, runtime);
  const identity = callers === null ? null : createIdentity(callers, runtime);
  const gate = gateOf(identity, gateway, startTimer);
  // Routes on the path as sent: a percent-encoded part stays encoded, so it matches neither a route nor an image id.
  // `methodNotAllowed` already includes this router; Hono's default would include three.
  const app = new HonoBase<HttpEnv>({ getPath: ({ url }) => pathOf(url), router: new TrieRouter() });

  app.use(audit(runtime, { identity, gateway, version }));
  app.use(refusePlainHttp(identity));
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, allow) => give(c, problem(c.get('to'), { code: 'method_not_allowed', allow })),
    }),
  );

  const get = (path: string, handle: Handle) => app.get(path, answered(handle));
  const served = async (c: Context<HttpEnv>, file: Promise<Response | null>) =>
    pageAnswer(c.get('to'), await withTimeout(file, startTimer));
  get('/healthz', () => success<HealthBody>({ status: 'ok' }));
  get('/openapi.json', (c) => served(c, apiDocument(assets, c.get('to').origin)));
  get('/docs', (c) => served(c, page(assets, 'docs')));
  get('/console', (c) => served(c, page(assets, 'console')));
  get(`${FILES_PATH}/:file`, (c) => served(c, pageFile(assets, c.req.param('file') ?? '')));
  get(`${PROBLEMS_PATH}/:code`, (c) => {
    const code = c.req.param('code') ?? '';
    return isProblemCode(code) ? success(explanationOf(code)) : problem(c.get('to'), { code: 'route_not_found' });
  });
  get(
    '/readyz',
    gate({ scope: null, problems }, async (c, { caller, gateway }) => {
      const asked = readReadiness(c.req.raw, c.get('mayKeep'));
      if (!asked.ok) return problem(c.get('to'), asked.failure);
      const probed = asked.value.upstream ? await gateway.probe.ask(c.get('id')) : null;
      return readinessAnswer(c.get('to'), caller, gateway.keyFingerprint, probed);
    }),
  );

  get(
    IMAGE_ROUTE,
    gate({ scope: 'images:read' }, async (c, { caller, gateway }) => {
      const imageId = readPreview(c.req.raw, c.req.path, c.get('mayKeep'));
      if (!imageId.ok) return problem(c.get('to'), imageId.failure);
      const preview = await previewImage(gateway, caller, imageId.value);
      logUnlistedCode(runtime, { imageId: imageId.value, id: c.get('id') }, unlistedCode(preview.answer));
      return previewAnswer(c.get('to'), preview);
    }),
  );
  app.delete(
    IMAGE_ROUTE,
    answered(
      gate({ scope: 'images:delete' }, async (c, { caller, proof, gateway }) => {
        const to = c.get('to');
        const order = await readDeletion(c.req.raw, c.req.path, c.get('mayKeep'), startTimer);
        if (!order.ok) return problem(to, order.failure);
        const { requestId } = to;
        const request = { ...order.value, id: c.get('id'), requestId, caller, subject: subjectOf(proof) };
        let deletion: Deletion | undefined;
        c.set('outcomeOfCrash', 'unknown');
        try {
          deletion = await deleteImage(gateway, request, waitUntilOf(c));
          logUnlistedCode(runtime, request, unlistedCode(deletion.answer));
          return deletionAnswer(to, request, deletion);
        } catch (thrown) {
          return deletionCrash(to, request, thrown, deletion);
        }
      }),
    ),
  );
  get(
    DELETIONS_PATH,
    gate({ scope: null }, async (c, { caller, gateway }) => {
      const isName = (text: string) => callers?.byName.has(text) === true;
      // A caller's name is not secret, even if its key contains that name.
      const asked = readHistory(c.req.raw, (text) => isName(text) || c.get('mayKeep')(text));
      if (!asked.ok) return problem(c.get('to'), asked.failure);
      const query = visibleTo(caller, asked.value);
      const whose = (query.ok ? query.value : asked.value).caller ?? '*';
      const historyOf = whose === '*' || isName(whose) ? whose : undefined;
      const answer = query.ok ? await readRows(c.get('to'), gateway, query.value) : problem(c.get('to'), query.failure);
      return { ...answer, historyOf };
    }),
  );

  get(
    '/metrics',
    gate({ scope: 'metrics:read' }, async (c, { caller, gateway }) => {
      const metrics = await gateway.ledger.metrics();
      if (!metrics.ok) return problem(c.get('to'), metrics.failure);
      return metricsAnswer(metrics.value, {
        budgets: new Map([...(callers?.byName ?? [])].map(([name, each]) => [name, gateway.budgetsOf(each).caller])),
        accountBudget: gateway.budgetsOf(caller).account,
        version,
        nowMs: runtime.now(),
      });
    }),
  );

  app.notFound((c) => give(c, problem(c.get('to'), { code: 'route_not_found' })));
  app.onError((error, c) => giveAfterCrash(c, error));
  return app;
}

async function readRows(to: Addressee, { ledger }: Gateway, query: HistoryQuery): Promise<Answer> {
  const rows = await ledger.history(query);
  return rows.ok ? historyAnswer(to, rows.value, query) : problem(to, rows.failure);
}
