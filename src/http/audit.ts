/**
 * The audit record: one JSON line for each request, from an allow-list of named fields.
 *
 * Promises: a field that is not in `AuditRecord` cannot be logged, and every field has been checked or made by us. Never:
 * redacts, because nothing that would need it is put in; throws.
 *
 * Names: OpenTelemetry's HTTP semantic conventions and log data model where they have one, `bce.*`, `caller.*`, `image.*`
 * where they do not. Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

export type Severity = 'INFO' | 'WARN' | 'ERROR';

/** Writes one line for the operator. */
export type Log = (severity: Severity, line: string) => void;

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
  readonly 'error.type': string | undefined;
  readonly outcome: string | undefined;
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
  /** Whether the ledger took what came of a deletion; absent where it never entered one. */
  readonly 'ledger.settled': boolean | undefined;
  /** Of an unexpected exception: its class and where it came from, never its message. */
  readonly 'exception.type': string | undefined;
  readonly 'exception.stacktrace': string | undefined;
}

/** What is wrong with the configuration, all of it, once for each isolate. */
export interface MisconfigurationRecord {
  readonly timestamp: string;
  readonly severity_text: 'ERROR';
  readonly 'event.name': 'misconfigured';
  readonly problems: readonly string[];
}

export function logLine(log: Log, record: AuditRecord | MisconfigurationRecord): void {
  log(record.severity_text, JSON.stringify(record));
}

/** Which of the configured access keys signed: 32 bits of its digest tell two keys apart and reveal neither. */
export function accessKeyFingerprint(accessKeyId: string): string {
  return bytesToHex(sha256(utf8ToBytes(accessKeyId))).slice(0, 8);
}

/** The trace id of a `traceparent` header. Source: https://www.w3.org/TR/trace-context/#traceparent-header */
export function traceId(traceparent: string | undefined): string | undefined {
  const fields = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(traceparent ?? '');
  const [, version, id = '', parent = '', more] = fields ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return /^0+$/.test(id) || /^0+$/.test(parent) ? undefined : id;
}

/** Class and stack frames of what was thrown. The message is left out: it may quote anything. */
export function describeException(thrown: unknown): { type: string; stacktrace: string | undefined } {
  if (!(thrown instanceof Error)) return { type: typeof thrown, stacktrace: undefined };
  const frames = (thrown.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { type: thrown.constructor.name, stacktrace: frames.slice(0, 10).join('\n') };
}
