/**
 * What the rows of the ledger say about a deletion whose response was lost or did not say.
 *
 * Promises: pure; a row that may be another deletion's decides nothing, and rows that contradict each other decide nothing.
 */
import { BODIES } from '../openapi/bodies.ts';
import type { DeletionBody, DeletionJson } from '../worker/deletions/bodies.ts';
import { ProblemError } from './errors.ts';

/** Which rows may be those of a deletion. */
export interface Sought {
  readonly imageId: string;
  readonly requestId: string;
  /** An older row is of an earlier call with the same request id. Milliseconds since the epoch, by the gateway's clock. */
  readonly sinceMs: number;
  /** Whose rows they are, or `undefined` if that is not known. */
  readonly caller?: string | undefined;
}

/**
 * The row with the deletion's final outcome, or `undefined` while there is none. Several rows mean that the request was
 * repeated on the way, or that another one used its id. Then a row that says `deleted` decides, because the image is gone;
 * otherwise they must agree.
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

/** The outcome as the gateway would have answered it. @throws ProblemError if that is a failure */
export function concluded(row: DeletionJson, allowMissing: boolean): DeletionBody {
  const { imageId, outcome, requestId, upstreamRequestId } = row;
  if (outcome === 'deleted' || (outcome === 'already_absent' && allowMissing)) {
    return { id: imageId, outcome, confirmed: row.confirmed === true, requestId, upstreamRequestId };
  }
  // The row's code says how the request failed. A check may have found since that the image is absent.
  const rowCode = BODIES.ProblemCode.is(row.code) ? row.code : null;
  const code = outcome === 'already_absent' ? 'image_not_found' : rowCode;
  const message = `The ledger says of ${imageId}: ${outcome}, ${code ?? 'without a code'} (request ${requestId})`;
  const none = { retryable: false, problem: null, retryAfterS: null };
  throw new ProblemError(message, { code, outcome, requestId, row, ...none });
}
