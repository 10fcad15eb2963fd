/** What a request carries through Hono: its ids, and the facts for its audit record. */
import type { Context } from 'hono';
import type { Arrival, Identified } from '../callers/identify.ts';
import type { Deletion } from '../deletions/deletion.ts';
import type { Previewed } from '../deletions/preview.ts';
import type { ImageId } from '../image-id.ts';
import type { MayKeep } from '../kept-text.ts';
import type { Failure } from '../problems/failure.ts';
import type { WaitUntil } from '../runtime.ts';
import type { Transport } from './transport.ts';

/** The facts that only the way of a request can tell. */
export interface RequestRecord {
  readonly failure?: Failure;
  readonly identified?: Identified;
  /** Whose history was asked for; `*` for everyone's. */
  readonly historyOf?: string;
  readonly imageId?: ImageId;
  readonly deletion?: Deletion;
  /** What reading took, if nothing is to be deleted. */
  readonly read?: Pick<Previewed, 'attempts' | 'answer'>;
  /** What a bug threw. */
  readonly thrown?: unknown;
}

/** `audit` sets them before anything else runs. Read them with `c.get()`: `c.var` copies all of them each time. */
export interface HttpEnv {
  Bindings: Arrival;
  Variables: {
    /** Made by us for each request. */
    id: string;
    /** The caller's own, if it is safe, or else the same as `id`. */
    requestId: string;
    /** Decides about every text of the request that is recorded or repeated. */
    mayKeep: MayKeep;
    record: RequestRecord;
    transport: Transport;
  };
}

/** Notes facts for the audit record. This is the only way to write it. */
export function record(c: Context<HttpEnv>, facts: RequestRecord): void {
  Object.assign(c.get('record'), facts);
}

/** The hold of this request on the Worker. */
export function waitUntilOf(c: Context<HttpEnv>): WaitUntil {
  return (work) => c.executionCtx.waitUntil(work);
}
