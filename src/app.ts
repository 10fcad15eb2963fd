/**
 * The gateway, as a table of contents: who is let in, in which order, to what.
 *
 * Promises: every request passes `audited` first, every answer that is not 2xx comes from `fail`, and nothing reaches
 * Baidu but what `runDeletion` and `runPreview` send. Never: touches a clock, randomness or the network other than those it is given.
 */
import { type Context, Hono } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import type { AttemptTools } from './baidu/attempts.ts';
import { BceClient, type BceClientOptions } from './baidu/client.ts';
import type { Config, ParsedConfig } from './config.ts';
import { type CallerTools, runDeletion } from './deletions/deletion.ts';
import { describeRow, nextLink } from './deletions/history.ts';
import { runPreview } from './deletions/preview.ts';
import { accessKeyFingerprint, logLine } from './http/audit.ts';
import {
  audited,
  authenticated,
  configured,
  crash,
  fail,
  type GatewayEnv,
  guarded,
  type Outside,
  permitted,
  rateLimited,
  rawImageId,
  type Services,
} from './http/gate.ts';
import { openapi } from './http/openapi.ts';
import { hasContent, parseDeletion, parseHistory, parsePreview, pathOf, queryOf } from './http/request.ts';
import { isProblemCode, PROBLEMS_PATH, rowOf } from './problems/table.ts';
import { inTime } from './runtime.ts';

/** The outside world. `index.ts` hands in the real one. */
export type Deps = Outside & AttemptTools & Pick<BceClientOptions, 'fetch'>;

export function createApp(parsed: ParsedConfig, deps: Deps): Hono<GatewayEnv> {
  const { config, problems } = parsed;
  if (problems.length > 0) {
    const timestamp = new Date(deps.now()).toISOString();
    logLine(deps.log, { timestamp, severity_text: 'ERROR', 'event.name': 'misconfigured', problems });
  }
  const services = config === null ? null : createServices(config, deps);
  // Routed by the path as it comes in: what is percent-encoded stays so, and then fits neither a route nor an image id.
  const app = new Hono<GatewayEnv>({ getPath: ({ url }) => pathOf(url) });

  app.use(audited(deps, services, parsed));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (c, allow) => fail(c, { code: 'method_not_allowed', allow }) }));

  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/openapi.json', (c) => c.json(openapi(new URL(c.req.url).origin)));
  app.get(`${PROBLEMS_PATH}/:code`, (c) => {
    const code = c.req.path.slice(PROBLEMS_PATH.length + 1);
    return isProblemCode(code) ? c.json({ code, ...rowOf(code) }) : fail(c, { code: 'route_not_found' });
  });

  const known = authenticated(parsed);
  const ready = configured(services);

  app.get('/readyz', guarded(known, configured(services, { tell: problems }), rateLimited), (c) =>
    c.json({ status: 'ready' }),
  );

  app.get('/images/:id', guarded(known, ready, rateLimited, permitted('images:read')), async (c) => {
    const request = parsePreview(rawImageId(c.req.path), queryOf(c.req.url));
    if ('code' in request) return fail(c, request);
    const { result, attempts, answer } = await runPreview(request.imageId, toolsOf(c));
    Object.assign(c.get('trail'), { attempts, answer });
    return 'code' in result
      ? fail(c, result)
      : c.json({ ...result, requestId: c.get('requestId'), upstreamRequestId: answer?.requestId ?? null });
  });

  app.delete('/images/:id', guarded(known, ready, rateLimited, permitted('images:delete')), async (c) => {
    const trail = c.get('trail');
    const requestId = c.get('requestId');
    const request = parseDeletion(rawImageId(c.req.path), queryOf(c.req.url));
    if ('code' in request) return fail(c, request);
    if (await hasContent(c.req.raw)) return fail(c, { code: 'invalid_request', fault: 'unexpected_body' });
    const { result, attempts, answer, settled } = await runDeletion(request, {
      ...toolsOf(c),
      requestId,
      keyFingerprint: c.get('services').keyFingerprint,
      linger: (work) => c.executionCtx.waitUntil(work),
      onSend: () => {
        trail.sent = true;
      },
    });
    Object.assign(trail, { attempts, answer, settled });
    if ('code' in result) return fail(c, result);
    trail.outcome = result.success;
    return c.json({
      id: request.imageId,
      outcome: result.success,
      requestId,
      upstreamRequestId: answer?.requestId ?? null,
    });
  });

  app.get('/deletions', guarded(known, ready, rateLimited), async (c) => {
    const request = parseHistory(queryOf(c.req.url));
    if ('code' in request) return fail(c, request);
    const caller = c.get('caller');
    const { ledger } = c.get('services').config;
    const whose = request.caller ?? caller.id;
    c.get('trail').historyOf = whose;
    if (whose !== caller.id && !caller.scopes.has('deletions:read')) {
      return fail(c, { code: 'permission_denied', missing: 'deletions:read' });
    }
    const rows = await inTime(ledger.getByName(whose).history(request.query)).catch(() => null);
    if (rows === null) return fail(c, { code: 'ledger_unavailable' });
    const next = nextLink(new URL(c.req.url), rows, request.query.limit);
    return c.json({ deletions: rows.map((row) => describeRow(row, whose)) }, 200, next === null ? {} : { Link: next });
  });

  app.notFound((c) => fail(c, { code: 'route_not_found' }));
  app.onError((error, c) => crash(c, error));
  return app;
}

function createServices(config: Config, deps: Deps): Services {
  const { credentials, endpoint } = config;
  return {
    config,
    bcc: { client: new BceClient(credentials, deps), endpoint, tools: deps },
    keyFingerprint: accessKeyFingerprint(credentials.accessKeyId),
  };
}

function toolsOf(c: Context<GatewayEnv>): CallerTools {
  const caller = c.get('caller');
  const { bcc, config } = c.get('services');
  const { policy, ledger, attemptTimeoutMs, deadlineMs, dailyDeletions } = config;
  const budget = caller.dailyDeletions ?? dailyDeletions;
  return { bcc, policy, caller, ledger: () => ledger.getByName(caller.id), budget, attemptTimeoutMs, deadlineMs };
}
