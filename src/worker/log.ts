/**
 * The lines of the operator's log: one JSON object each.
 *
 * Promises: every line has a time, a severity and a name from `EVENTS`; a field that is neither in `EventFields` nor in the audit
 * record does not compile where a line is written.
 */
import type { Severity } from './outcome.ts';
import type { Runtime } from './runtime.ts';

/** The `event.name` of every line that the Worker can write. */
export const EVENTS = [
  /** Baidu answered as for an absent image, but with a code that nobody has seen. */
  'absence_unlisted',
  'alarm_failed',
  /** One request. */
  'audit',
  /** Baidu does not have the control: the key is of another account, the region is another one, or the image is gone. */
  'control_absent',
  /** The keys of an issuer could not be fetched. */
  'issuer_failed',
  /** Everything that is wrong with the configuration, once for each isolate. */
  'misconfigured',
  'rows_removed',
  /** The ledger did not take the outcome of a deletion. If the row exists, a check of the image will find it out. */
  'settle_failed',
  /** Rows whose words have changed, or whose image cannot be checked. `LedgerEvent` says when. */
  'contradicted',
  'disproved',
  'resolved',
  'unresolved',
] as const;

/** The fields of lines other than the audit record. */
export interface EventFields {
  /** Of the request that met the event; absent if the ledger did. */
  readonly 'gateway.request.id'?: string | undefined;
  readonly 'request.id'?: string | undefined;
  readonly 'caller.id'?: string | undefined;
  readonly 'image.id'?: string | undefined;
  readonly outcome?: string | undefined;
  readonly confirmed?: boolean | null | undefined;
  /** Only of `contradicted`: the outcome that the late settlement brought. */
  readonly 'settlement.outcome'?: string | undefined;
  readonly 'bce.code'?: string | undefined;
  readonly 'issuer.name'?: string;
  readonly reason?: string;
  /** What is wrong with the first key of an issuer that has no usable one. */
  readonly 'issuer.key.fault'?: string | undefined;
  readonly problems?: readonly string[];
  readonly 'ledger.rows'?: number;
  readonly 'exception.type'?: string | undefined;
}

/** Writes one line. */
export function logEvent(
  { now, log }: Pick<Runtime, 'now' | 'log'>,
  severity: Severity,
  name: (typeof EVENTS)[number],
  fields: EventFields,
): void {
  const stamp = { timestamp: new Date(now()).toISOString(), severity_text: severity, 'event.name': name };
  log(severity, JSON.stringify({ ...stamp, ...fields }));
}
