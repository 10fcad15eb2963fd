/**
 * The steps of the pipeline: one Hono middleware around everything, one that runs the checks, and the checks themselves.
 *
 * Promises: each check lets the request through or names a failure of the closed table, and leaves in the trail what the
 * audit record needs. Never: decides anything itself; the decisions are pure functions elsewhere.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Answer } from '../baidu/answer.ts';
import { type Bcc, type ImageId, isImageId } from '../baidu/images.ts';
import type { LimitName } from '../callers/rate-limits.ts';
import { authenticate, type Caller, isKey, type Scope } from '../callers/table.ts';
import type { Config, ParsedConfig } from '../config.ts';
import { type Failure, outcomeOf, PROBLEM_CONTENT_TYPE, problemBody, problemHeaders } from '../problems/table.ts';
import { inTime } from '../runtime.ts';
import { describeException, type Log, logLine, type Severity, traceId } from './audit.ts';
import { originOf } from './request.ts';

/** What a request leaves behind on its way, for its audit record. */
interface Trail {
  failure?: Failure;
  outcome?: string;
  callerId?: string;
  /** Whose history was asked for. */
  historyOf?: string;
  imageId?: ImageId;
  attempts?: number;
  answer?: Answer | undefined;
  /** Set before the first deletion goes to Baidu. */
  sent?: true;
  /** Whether the ledger took the outcome; absent where it never entered the deletion. */
  settled?: boolean;
  exception?: ReturnType<typeof describeException>;
}

/** What a whole configuration makes possible. */
export interface Services {
  readonly bcc: Bcc;
  readonly config: Config;
  /** Which access key signs, without saying it. */
  readonly keyFingerprint: string;
}

/** Read one by one, with `c.get()`: `c.var` copies all of them each time. */
export interface GatewayEnv {
  Variables: { requestId: string; trail: Trail; caller: Caller; services: Services };
}
type Step = MiddlewareHandler<GatewayEnv>;
/** What a request must pass: `null`, or the failure that answers it. */
type Check = (c: Context<GatewayEnv>) => Failure | null | Promise<Failure | null>;

/** Kept where it can harm neither a header nor a log line. */
const SAFE_REQUEST_ID = /^[\w.-]{1,64}$/;

const IMAGES_PATH = '/images/';

/** What stands where an image id belongs, as it was sent; blank on any other path. */
export function rawImageId(path: string): string {
  return path.startsWith(IMAGES_PATH) ? path.slice(IMAGES_PATH.length) : '';
}

/** `uri-host [":" port]` (RFC 9110 §7.2). Runtimes paste it into the URL, where a slash in it would make another path. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d*)?$/i;

function isWellAddressed({ req }: Context<GatewayEnv>): boolean {
  return HOST.test(req.header('host') ?? 'none') && URL.canParse(req.url);
}

export interface Outside {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly randomUUID: () => string;
  readonly log: Log;
}

/** Answers with a failure and notes it for the record. */
export function fail(c: Context<GatewayEnv>, failure: Failure): Response {
  c.get('trail').failure = failure;
  const origin = originOf(c.req.url);
  const body = problemBody(failure, { origin, path: c.req.path, requestId: c.get('requestId') });
  return new Response(JSON.stringify(body), {
    status: body.status,
    headers: { 'Content-Type': PROBLEM_CONTENT_TYPE, ...problemHeaders(failure) },
  });
}

/** The unexpected: what was thrown goes to the operator without its message, and nothing of it to the caller. */
export function crash(c: Context<GatewayEnv>, thrown: unknown): Response {
  const trail = c.get('trail');
  trail.exception = describeException(thrown);
  return fail(c, { code: 'internal_error', outcome: trail.sent ? 'unknown' : 'not_attempted' });
}

/** First of all: names the request, and when all is done writes its one audit record, whatever happened in between. */
export function audited(
  { now, randomUUID, log }: Outside,
  services: Services | null,
  { callers }: Pick<ParsedConfig, 'callers'>,
): Step {
  const upstreamHost = services === null ? undefined : new URL(services.config.endpoint).host;
  return async function audit(c, next) {
    const startMs = now();
    const given = c.req.header('x-request-id') ?? '';
    const requestId = SAFE_REQUEST_ID.test(given) && !isKey(callers, given) ? given : randomUUID();
    const rawId = rawImageId(c.req.path);
    const trail: Trail = isImageId(rawId) ? { imageId: rawId } : {};
    c.set('requestId', requestId);
    c.set('trail', trail);
    try {
      if (isWellAddressed(c)) await next();
      else c.res = fail(c, { code: 'invalid_request', fault: 'malformed_host' });
    } catch (thrown) {
      c.res = crash(c, thrown);
    }
    c.res.headers.set('X-Request-Id', requestId);
    c.res.headers.set('Cache-Control', 'no-store');

    const { failure, answer, attempts } = trail;
    // After a bug nobody has counted the attempts.
    const called = answer !== undefined || (attempts === undefined ? trail.sent === true : attempts > 0);
    const outcome = failure === undefined ? trail.outcome : outcomeOf(failure);
    logLine(log, {
      timestamp: new Date(startMs).toISOString(),
      severity_text: trail.settled === false ? 'ERROR' : severityOf(failure),
      'event.name': 'audit',
      'request.id': requestId,
      trace_id: traceId(c.req.header('traceparent')),
      'http.request.method': c.req.method,
      'http.route': matchedRoutes(c).findLast(({ path }) => path !== '/*')?.path,
      'http.response.status_code': c.res.status,
      'caller.id': trail.callerId,
      'history.caller.id': trail.historyOf,
      'image.id': trail.imageId,
      decision: outcome === 'not_attempted' ? 'refused' : 'allowed',
      'error.type': failure?.code,
      outcome,
      attempts: attempts ?? 0,
      duration_ms: now() - startMs,
      'server.address': called ? upstreamHost : undefined,
      'bce.access_key.fingerprint': called ? services?.keyFingerprint : undefined,
      'bce.status_code': answer?.status,
      'bce.request_id': answer?.requestId,
      'bce.code': answer?.code,
      'bce.message': answer?.message,
      'ledger.settled': trail.settled,
      'exception.type': trail.exception?.type,
      'exception.stacktrace': trail.exception?.stacktrace,
    });
  };
}

/** ERROR calls the operator: no caller can mend these. WARN is trouble that passes. The rest is everyday refusal. */
function severityOf(failure: Failure | undefined): Severity {
  switch (failure?.code) {
    case 'upstream_rejected_credentials':
    case 'gateway_misconfigured':
    case 'internal_error':
    case 'ledger_unavailable':
    case 'rate_limiter_unavailable':
    case 'upstream_unexpected':
      return 'ERROR';
    case 'upstream_throttled':
    case 'upstream_error':
    case 'upstream_timeout':
      return 'WARN';
    default:
      return 'INFO';
  }
}

/** Runs the checks in turn, up to the first that fails. */
export function guarded(...checks: readonly Check[]): Step {
  return async function guard(c, next) {
    for (const check of checks) {
      const failure = await check(c);
      if (failure !== null) return fail(c, failure);
    }
    return next();
  };
}

/** Lets known callers in. Without a readable `CALLERS` there are none. */
export function authenticated({ callers }: ParsedConfig): Check {
  return function authenticateCaller(c) {
    if (callers === null) return { code: 'gateway_misconfigured', problems: undefined };
    const caller = authenticate(callers, c.req.header('authorization'));
    if (caller === null) return { code: 'unauthenticated' };
    c.set('caller', caller);
    c.get('trail').callerId = caller.id;
    return null;
  };
}

/** Refuses to work half configured, and to a caller who may know it tells what is wrong, though never what it is. */
export function configured(services: Services | null, { tell }: { tell?: readonly string[] } = {}): Check {
  return function requireConfig(c) {
    if (services === null) return { code: 'gateway_misconfigured', problems: tell };
    c.set('services', services);
    return null;
  };
}

const LIMIT_NAMES: readonly LimitName[] = ['burst', 'sustained'];

/** The edge limit of the caller. A limiter that fails, or does not answer, lets nobody through. */
export async function rateLimited(c: Context<GatewayEnv>): Promise<Failure | null> {
  try {
    const limit = await inTime(firstReached(c.get('services').config.limiters, c.get('caller').id));
    return limit === null ? null : { code: 'rate_limited', limit };
  } catch {
    return { code: 'rate_limiter_unavailable' };
  }
}

/** Counts the request against each limit in turn, up to the first that it reaches. */
async function firstReached(limiters: Config['limiters'], key: string): Promise<LimitName | null> {
  for (const limit of LIMIT_NAMES) {
    const { success } = await limiters[limit].limit({ key });
    if (!success) return limit;
  }
  return null;
}

/** Lets callers with the scope through. */
export function permitted(scope: Scope): Check {
  return function requireScope(c) {
    return c.get('caller').scopes.has(scope) ? null : { code: 'permission_denied', missing: scope };
  };
}
