/**
 * The operator's log: one JSON object per line.
 *
 * Promises: every line has a time, a severity and a name from `EVENTS`; a field that is neither in `EventFields` nor in the audit
 * record does not compile.
 */
import type { Severity } from './outcome.ts';
import type { Runtime } from './runtime.ts';

/** The `event.name` of every line that the Worker can write. */
export const EVENTS = [
  /** Baidu reported an absent image, but with an unlisted code. */
  'absence_unlisted',
  'alarm_failed',
  /** One request. */
  'audit',
  /** Baidu does not have the control: the key belongs to another account, the region is wrong, or the image is gone. */
  'control_absent',
  /** The keys of an issuer could not be fetched. */
  'issuer_failed',
  /** All problems of the configuration, once per isolate. */
  'misconfigured',
  'rows_removed',
  /** The ledger did not store the outcome of a deletion. If its row exists, a check of the image decides the outcome. */
  'settle_failed',
  /** News about a row, such as a resolved outcome. `LedgerEvent` explains them. */
  'contradicted',
  'disproved',
  'resolved',
  'unresolved',
] as const;

/** The fields of lines other than the audit record. */
export interface EventFields {
  /** Of the request that caused the event; absent if the ledger did. */
  readonly 'gateway.request.id'?: string | undefined;
  readonly 'request.id'?: string | undefined;
  readonly 'caller.id'?: string | undefined;
  readonly 'image.id'?: string | undefined;
  readonly outcome?: string | undefined;
  readonly confirmed?: boolean | null | undefined;
  /** Only with `contradicted`: the late settlement's outcome. */
  readonly 'settlement.outcome'?: string | undefined;
  readonly 'bce.code'?: string | undefined;
  readonly 'issuer.name'?: string;
  readonly reason?: string;
  /** If an issuer has no usable key: what is wrong with the first. */
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
