/**
 * The audit record: one JSON line for each request, from an allow-list of named fields.
 *
 * Promises: every request has exactly one record, whatever happens on its way; only the fields in `auditRecord`
 * are logged, and each is checked or made by us. Never: redacts, because nothing that needs redaction is put in.
 *
 * Names: OpenTelemetry's HTTP semantic conventions and log data model where they have one, else `bce.*`, `caller.*`, `image.*`.
 * Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
 */
import type { Context } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Identity } from '../callers/identify.ts';
import type { Gateway } from '../deletions/gateway.ts';
import { isImageId } from '../image-id.ts';
import type { FailureOutcome, Severity, SuccessOutcome } from '../outcome.ts';
import { type Failure, outcomeOf, PROBLEMS } from '../problems/failure.ts';
import type { Answer } from './answer.ts';
import type { HttpEnv } from './context.ts';
import { imageIdSegment } from './request.ts';

/** What runs here. Identity and gateway are `null` if the configuration does not allow for them. */
export interface Audited {
  readonly identity: Identity | null;
  readonly gateway: Gateway | null;
  readonly version: string | null;
}

/** A record's severity and fields. `settled`: whether the ledger took the outcome of a deletion. */
export function auditRecord(
  c: Context<HttpEnv>,
  { gateway, version }: Omit<Audited, 'identity'>,
  durationMs: number,
  settled: boolean | undefined,
) {
  const { failure, identified, historyOf, deletion, read, thrown }: Partial<Answer> = c.get('answer') ?? {};
  const kept = (text: string | undefined) => (text !== undefined && c.get('mayKeep')(text) ? text : undefined);
  const segment = imageIdSegment(c.req.path);
  const proof = identified?.proof;
  const gone = failure === undefined && deletion?.result.ok ? deletion.result.value : undefined;
  const outcome = failure === undefined ? gone?.outcome : outcomeOf(failure);
  // If the outcome is unknown and there is no deletion, a bug ended the counting.
  const { attempts = outcome === 'unknown' ? null : 0, answer } = deletion ?? read ?? {};
  const open = failure?.code === 'deletion_in_progress' ? failure.open : undefined;
  const refused = failure?.code === 'unauthenticated' ? failure.refused : undefined;
  const hasCalled = answer !== undefined || attempts === null || attempts > 0;
  const exception = describeException(thrown ?? deletion?.thrown);
  const fields = {
    /** Ours, and unique; the row of the ledger has it. */
    'gateway.request.id': c.get('id'),
    /** The caller's own, if it was safe. */
    'request.id': c.get('to').requestId,
    trace_id: kept(traceId(c.req.header('traceparent'))),
    'http.request.method': kept(c.req.method) ?? OTHER_METHOD,
    /** The route's pattern, never the path that was sent. */
    'http.route': matchedRoutes(c).findLast(({ path }) => path !== '/*')?.path,
    'http.response.status_code': c.res.status,
    'caller.id': identified?.caller.id,
    'caller.proof': proof?.kind,
    /** Of the caller's own key, never of Baidu's. */
    'caller.key.fingerprint': proof?.kind === 'key' ? proof.fingerprint : undefined,
    /** The issuer of the token, as the configuration names it; also of one that is refused for an `error.reason`. */
    'caller.issuer': proof?.kind === 'token' ? proof.issuer : refused?.issuer,
    /** Whom the token was issued to; may be personal data. */
    'caller.subject': proof?.kind === 'token' ? (proof.subject ?? undefined) : undefined,
    /** These two are as Cloudflare set them, so both are absent through a binding, where the calling Worker sets headers. */
    'client.address': edgeHeader(c, 'cf-connecting-ip', ADDRESS),
    'cloudflare.ray_id': kept(edgeHeader(c, 'cf-ray', RAY_ID)),
    /** The version of the Worker. */
    'service.version': version ?? undefined,
    /** Whose history was asked for; `*` for everyone's. */
    'history.caller.id': historyOf,
    'image.id': isImageId(segment) ? kept(segment) : undefined,
    /** Whether the gateway let the request through to what it asked for. */
    decision: isRefused(failure, outcome) ? 'refused' : 'allowed',
    /** The problem's code; absent on success. */
    'error.type': failure?.code,
    /** Why a token is refused that its issuer signed. Absent if another key signed it, or if its issuer's keys are not known. */
    'error.reason': refused?.reason,
    outcome,
    /** Of a successful deletion: whether Baidu said so. */
    confirmed: gone?.confirmed,
    /** Deletions sent to Baidu: 0, 1 or 2; for a preview or a probe, its reads. Absent if a bug ended the counting. */
    attempts: attempts ?? undefined,
    /** Milliseconds, by the Worker's clock, which stands still between I/O. */
    duration_ms: durationMs,
    'server.address': hasCalled ? gateway?.upstreamHost : undefined,
    /** Of the gateway's Baidu key, never of a caller's. Responses and rows call it `keyFingerprint`. */
    'bce.access_key.fingerprint': hasCalled ? gateway?.keyFingerprint : undefined,
    'bce.status_code': answer?.status,
    'bce.request_id': answer?.requestId,
    /** The code; both with a blank between them, if header and body of the answer have different ones. */
    'bce.code': answer?.codes.join(' ') || undefined,
    'bce.message': answer?.message,
    /** Whether the ledger stored the outcome of a deletion; absent if it never entered one. */
    'ledger.settled': settled,
    /** Of a deletion that was refused because another of the image is open: that row's id, and whose it is. */
    'ledger.open.id': open?.id,
    'ledger.open.caller.id': open?.caller,
    /** Of a request that was sent again and answered with its first outcome: the row of the first. */
    'deletion.first.id': deletion?.first?.id,
    /** An unexpected exception's class and where it came from, never its message. */
    'exception.type': exception?.type,
    'exception.stacktrace': exception?.stacktrace,
  };
  return { severity: severityOf(failure, settled), fields };
}

/** What OpenTelemetry calls a method that is not recorded. */
const OTHER_METHOD = '_OTHER';
/**
 * Headers that Cloudflare sets. Their form is checked, because a local server passes on whatever it is sent. An address is kept
 * beside any credential: a caller that repeats its address in a cookie must not vanish from the log. No key has this form.
 */
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f]{0,4}(?::[\da-f]{0,4}){2,7}(?::\d{1,3}(?:\.\d{1,3}){3})?)$/i;
const RAY_ID = /^[\da-f]{16}(?:-[A-Z]{3})?$/;

/** A header of Cloudflare's edge, which a request through a binding has not passed. */
function edgeHeader(c: Context<HttpEnv>, name: string, grammar: RegExp): string | undefined {
  const value = c.env.by === 'http' ? c.req.header(name) : undefined;
  return value !== undefined && grammar.test(value) ? value : undefined;
}

/** Whether the gateway itself refused. If Baidu failed, the request had been let through. */
function isRefused(failure: Failure | undefined, outcome: FailureOutcome | SuccessOutcome | undefined): boolean {
  return failure !== undefined && outcome === 'not_attempted' && PROBLEMS[failure.code].stage !== 'upstream';
}

/** An outcome that the ledger did not store concerns the operator, even if the caller received the true one. */
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
export function describeException(thrown: unknown): { type: string; stacktrace: string | undefined } | undefined {
  if (thrown === undefined) return undefined;
  if (!(thrown instanceof Error)) return { type: typeof thrown, stacktrace: undefined };
  const frames = (thrown.stack ?? '')
    .replace(thrown.message, '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line));
  return { type: thrown.constructor.name, stacktrace: frames.slice(0, 10).join('\n') };
}
