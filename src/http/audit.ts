/**
 * The audit record: one JSON line for each request, from an allow-list of named fields.
 *
 * Promises: every request has exactly one record, whatever happens on its way; a field that is not in `AuditRecord` cannot be
 * logged, and every field has been checked or made by us. Never: redacts, because nothing that would need it is put in.
 *
 * Names: OpenTelemetry's HTTP semantic conventions and log data model where they have one, else `bce.*`, `caller.*`, `image.*`.
 * Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { isKey } from '../callers/identify.ts';
import type { Callers } from '../callers/table.ts';
import type { Gateway } from '../deletions/gateway.ts';
import { isImageId } from '../image-id.ts';
import type { FailureOutcome, Severity, SuccessOutcome } from '../outcome.ts';
import { type Failure, outcomeOf, PROBLEMS, type ProblemCode } from '../problems/failure.ts';
import type { Runtime } from '../runtime.ts';
import { type HttpEnv, record } from './context.ts';
import { hasValidHost, imageIdSegment, SAFE_REQUEST_ID } from './request.ts';
import { respondProblem } from './respond.ts';

export interface AuditRecord {
  /** ISO 8601, when the request arrived. */
  readonly timestamp: string;
  readonly severity_text: Severity;
  readonly 'event.name': 'audit';
  readonly 'request.id': string;
  readonly trace_id: string | undefined;
  readonly 'http.request.method': string;
  /** The route's pattern, never the path that was sent. */
  readonly 'http.route': string | undefined;
  readonly 'http.response.status_code': number;
  readonly 'caller.id': string | undefined;
  /** Whose history was asked for. */
  readonly 'history.caller.id': string | undefined;
  readonly 'image.id': string | undefined;
  /** Whether the gateway let the request through to what it asked for. */
  readonly decision: 'allowed' | 'refused';
  /** The problem's code; absent on success. */
  readonly 'error.type': ProblemCode | undefined;
  readonly outcome: FailureOutcome | SuccessOutcome | undefined;
  /** Deletions sent to Baidu: 0, 1 or 2; for a preview, its reads. */
  readonly attempts: number;
  /** Milliseconds, by the Worker's clock, which stands still between I/O. */
  readonly duration_ms: number;
  readonly 'server.address': string | undefined;
  readonly 'bce.access_key.fingerprint': string | undefined;
  readonly 'bce.status_code': number | undefined;
  readonly 'bce.request_id': string | undefined;
  readonly 'bce.code': string | undefined;
  readonly 'bce.message': string | undefined;
  /** Whether the ledger took what came of a deletion; absent if it never entered one. */
  readonly 'ledger.settled': boolean | undefined;
  /** An unexpected exception's class and where it came from, never its message. */
  readonly 'exception.type': string | undefined;
  readonly 'exception.stacktrace': string | undefined;
}

/** Everything that is wrong with the configuration, once for each isolate. */
export interface MisconfigurationRecord {
  readonly timestamp: string;
  readonly severity_text: 'ERROR';
  readonly 'event.name': 'misconfigured';
  readonly problems: readonly string[];
}

export function logLine(log: Runtime['log'], line: AuditRecord | MisconfigurationRecord): void {
  log(line.severity_text, JSON.stringify(line));
}

/** The outermost step: names the request, and when everything is done writes its record. */
export function audit(
  { now, randomUUID, log }: Pick<Runtime, 'now' | 'randomUUID' | 'log'>,
  gateway: Gateway | null,
  callers: Callers | null,
): MiddlewareHandler<HttpEnv> {
  return async function writeAuditRecord(c, next) {
    const startMs = now();
    const given = c.req.header('x-request-id') ?? '';
    const requestId = SAFE_REQUEST_ID.test(given) && !isKey(callers, given) ? given : randomUUID();
    const imageId = imageIdSegment(c.req.path);
    c.set('requestId', requestId);
    c.set('record', isImageId(imageId) ? { imageId } : {});
    try {
      if (hasValidHost(c.req.header('host'), c.req.url)) await next();
      else c.res = respondProblem(c, { code: 'invalid_request', fault: 'malformed_host' });
    } catch (thrown) {
      c.res = respondCrash(c, thrown);
    }
    c.res.headers.set('X-Request-Id', requestId);
    c.res.headers.set('Cache-Control', 'no-store');
    logLine(log, auditRecord(c, gateway, startMs, now()));
  };
}

/** The answer to an exception: the operator gets it without its message, the caller gets nothing of it. */
export function respondCrash(c: Context<HttpEnv>, thrown: unknown): Response {
  record(c, { thrown });
  return respondProblem(c, { code: 'internal_error', outcome: 'not_attempted' });
}

function auditRecord(c: Context<HttpEnv>, gateway: Gateway | null, startMs: number, endMs: number): AuditRecord {
  const { failure, answer, attempts, settled, callerId, historyOf, imageId, thrown, ...success } = c.get('record');
  const outcome = failure === undefined ? success.outcome : outcomeOf(failure);
  const hasCalled = answer !== undefined || attempts === null || (attempts ?? 0) > 0;
  const exception = thrown === undefined ? undefined : describeException(thrown);
  return {
    timestamp: new Date(startMs).toISOString(),
    severity_text: severityOf(failure, settled),
    'event.name': 'audit',
    'request.id': c.get('requestId'),
    trace_id: traceId(c.req.header('traceparent')),
    'http.request.method': c.req.method,
    'http.route': matchedRoutes(c).findLast(({ path }) => path !== '/*')?.path,
    'http.response.status_code': c.res.status,
    'caller.id': callerId,
    'history.caller.id': historyOf,
    'image.id': imageId,
    decision: outcome === 'not_attempted' ? 'refused' : 'allowed',
    'error.type': failure?.code,
    outcome,
    attempts: attempts ?? 0,
    duration_ms: endMs - startMs,
    'server.address': hasCalled ? gateway?.upstreamHost : undefined,
    'bce.access_key.fingerprint': hasCalled ? gateway?.keyFingerprint : undefined,
    'bce.status_code': answer?.status,
    'bce.request_id': answer?.requestId,
    'bce.code': answer?.code,
    'bce.message': answer?.message,
    'ledger.settled': settled,
    'exception.type': exception?.type,
    'exception.stacktrace': exception?.stacktrace,
  };
}

/** An outcome that the ledger did not take is the operator's business, even if the caller was told the truth. */
function severityOf(failure: Failure | undefined, settled: boolean | undefined): Severity {
  if (settled === false) return 'ERROR';
  return failure === undefined ? 'INFO' : PROBLEMS[failure.code].severity;
}

/** The trace id of a `traceparent` header. Source: https://www.w3.org/TR/trace-context/#traceparent-header */
export function traceId(traceparent: string | undefined): string | undefined {
  const fields = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(traceparent ?? '');
  const [, version, id = '', parent = '', more] = fields ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return /^0+$/.test(id) || /^0+$/.test(parent) ? undefined : id;
}

/** Class and stack frames of what was thrown. The message is left out, because it may quote anything. */
export function describeException(thrown: unknown): { type: string; stacktrace: string | undefined } {
  if (!(thrown instanceof Error)) return { type: typeof thrown, stacktrace: undefined };
  const frames = (thrown.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { type: thrown.constructor.name, stacktrace: frames.slice(0, 10).join('\n') };
}
