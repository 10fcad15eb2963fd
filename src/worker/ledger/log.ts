/** The ledger's lines for the operator's log. */
import type { LogLine } from '../log.ts';
import type { LedgerEvent } from './store.ts';

/** A row whose words have changed, or whose image cannot be checked. `LedgerEvent` says when. */
export interface LedgerEventLine extends LogLine {
  readonly 'event.name': LedgerEvent['name'];
  readonly 'gateway.request.id': string;
  readonly 'request.id': string;
  readonly 'caller.id': string;
  readonly 'image.id': string;
  readonly outcome: string;
  readonly confirmed: boolean | null;
  /** Only of `contradicted`: the outcome that the late settlement brought. */
  readonly 'settlement.outcome'?: string;
}

export function ledgerEventLine({ name, row, settled }: LedgerEvent, nowMs: number): LedgerEventLine {
  return {
    timestamp: new Date(nowMs).toISOString(),
    severity_text: name === 'resolved' ? 'INFO' : 'ERROR',
    'event.name': name,
    'gateway.request.id': row.id,
    'request.id': row.requestId,
    'caller.id': row.caller,
    'image.id': row.imageId,
    outcome: row.outcome,
    confirmed: row.confirmed,
    ...(settled && { 'settlement.outcome': settled }),
  };
}
