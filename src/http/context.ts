/** What a request carries through Hono: its id, and the facts for its audit record. */
import type { Context } from 'hono';
import type { Answer } from '../baidu/answer.ts';
import type { ImageId } from '../image-id.ts';
import type { SuccessOutcome } from '../outcome.ts';
import type { Failure } from '../problems/failure.ts';

/** The facts that only the way of a request can tell. */
export interface RequestRecord {
  readonly failure?: Failure;
  /** On success. */
  readonly outcome?: SuccessOutcome;
  readonly callerId?: string;
  /** Whose history was asked for. */
  readonly historyOf?: string;
  readonly imageId?: ImageId;
  /** Calls to Baidu that the record counts; `null` if a bug ended the counting after the first. */
  readonly attempts?: number | null;
  readonly answer?: Answer | undefined;
  /** Whether the ledger took the outcome; absent if it never entered the deletion. */
  readonly settled?: boolean | undefined;
  /** What a bug threw. */
  readonly thrown?: unknown;
}

/** `audit` sets both before anything else runs. Read them with `c.get()`: `c.var` copies all of them each time. */
export interface HttpEnv {
  Variables: { requestId: string; record: RequestRecord };
}

/** Notes facts for the audit record. This is the only way to write it. */
export function record(c: Context<HttpEnv>, facts: RequestRecord): void {
  c.set('record', { ...c.get('record'), ...facts });
}
