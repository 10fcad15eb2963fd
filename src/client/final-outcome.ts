/**
 * Finds a deletion's final outcome in the ledger's rows when the response was lost or left it unknown.
 *
 * Promises: pure; a row that may belong to another deletion decides nothing, nor do contradictory rows.
 */
import { BODIES } from '../openapi/bodies.ts';
import type { DeletionBody, DeletionJson } from '../worker/deletions/bodies.ts';
import { ProblemError } from './errors.ts';

/** Which rows can belong to a deletion. */
export interface Sought {
  readonly imageId: string;
  readonly requestId: string;
  /** Older rows belong to earlier calls with the same request id. Milliseconds since the epoch, by the gateway's clock. */
  readonly sinceMs: number;
  /** The rows' caller, or `undefined` if it is not known. */
  readonly caller?: string | undefined;
}

/**
 * The row with the deletion's final outcome, or `undefined` while there is none. If there are several, the request was resent on its
 * way, or another request used its id. Then a `deleted` row decides, because the image is gone; otherwise all must agree.
 */
export function finalRowIn(
  rows: readonly DeletionJson[],
  { imageId, requestId, sinceMs, caller }: Sought,
): DeletionJson | undefined {
  const ours = rows.filter(
    (row) =>
      row.imageId === imageId &&
      row.requestId === requestId &&
      (caller === undefined || row.caller === caller) &&
      Date.parse(row.reservedAt) >= sinceMs,
  );
  const [row] = ours;
  const deleted = ours.find(({ outcome }) => outcome === 'deleted');
  if (deleted !== undefined || row === undefined || row.outcome === 'unknown') return deleted;
  return ours.every(({ outcome }) => outcome === row.outcome) ? row : undefined;
}

/** The row's outcome as the gateway's response would have stated it. @throws ProblemError if it is a failure */
export function concluded(row: DeletionJson, allowMissing: boolean): DeletionBody {
  const { imageId, outcome, requestId, upstreamRequestId } = row;
  if (outcome === 'deleted' || (outcome === 'already_absent' && allowMissing)) {
    return { id: imageId, outcome, confirmed: row.confirmed === true, requestId, upstreamRequestId };
  }
  // The row's code says how the request failed. A check may since have found the image absent.
  const rowCode = BODIES.ProblemCode.is(row.code) ? row.code : null;
  const code = outcome === 'already_absent' ? 'image_not_found' : rowCode;
  const message = `The ledger reports for ${imageId}: ${outcome}, ${code ?? 'without a code'} (request ${requestId})`;
  const none = { retryable: false, problem: null, retryAfterS: null };
  throw new ProblemError(message, { code, outcome, requestId, row, ...none });
}
