/**
 * The errors that the client throws.
 *
 * Promises: `outcome` never claims more about the image than is known. Never: contains a token.
 */
import type { DeletionJson } from '../worker/deletions/bodies.ts';
import type { RowOutcome } from '../worker/outcome.ts';
import type { ProblemCode } from '../worker/problems/failure.ts';
import type { ProblemBody } from '../worker/problems/problem.ts';

/**
 * What is known about the image after a failed call. `not_attempted`: no deletion was sent to Baidu. `rejected`: Baidu refused, and
 * nothing changed. `already_absent`: Baidu has no such image. `not_deleted`: a later check found the image. `unknown`: the image may
 * exist or be gone; do not delete again, but call `deletion(error.requestId)`.
 */
export type ErrorOutcome = Exclude<RowOutcome, 'deleted'>;

/** The base class of every error that `ImageGateway` throws. */
export abstract class ImageGatewayError extends Error {
  abstract readonly outcome: ErrorOutcome;
}

/** The gateway reported a failure: in its response or, if a deletion's response was lost, in its ledger. */
export class ProblemError extends ImageGatewayError {
  override readonly name = 'ProblemError';
  /** The reason; switch on it. A newer gateway may send further codes. `null`: the ledger knows the outcome but no reason. */
  declare readonly code: ProblemCode | null;
  declare readonly outcome: ErrorOutcome;
  /** Whether the same call may succeed later. Always `false` if `outcome` is `unknown`, or if the error comes from a row. */
  declare readonly retryable: boolean;
  /** The request id of the last attempt: the call's own, or with `.2` or `.3` appended. */
  declare readonly requestId: string;
  /** The response body (RFC 9457), or `null` if the error comes from a row. */
  declare readonly problem: ProblemBody | null;
  /** The row of the ledger, or `null` if the error comes from a response. */
  declare readonly row: DeletionJson | null;
  /** Seconds to wait, or `null` if the gateway did not say. */
  declare readonly retryAfterS: number | null;

  constructor(message: string, facts: Omit<ProblemError, keyof Error>) {
    super(message);
    Object.assign(this, facts);
  }
}

/**
 * No response from the gateway arrived: the connection broke, the call timed out or was aborted, or something else responded. `cause`
 * is what `fetch` threw, or the signal's reason.
 */
export class LostAnswerError extends ImageGatewayError {
  override readonly name = 'LostAnswerError';
  /** A deletion may have happened, or may still happen. */
  readonly outcome = 'unknown';
  /** The request id of the attempt whose response was lost. */
  readonly requestId: string;
  /** The HTTP status of what arrived instead, or `null` if no status arrived. */
  readonly status: number | null;

  constructor(requestId: string, status: number | null, cause?: unknown) {
    const what = status === null ? 'nothing arrived' : `something else responded with status ${status}`;
    super(`No response from the gateway to request ${requestId}: ${what}.`, { cause });
    this.requestId = requestId;
    this.status = status;
  }
}

/**
 * Nothing was sent: an argument is malformed, there is no token, the signal was already aborted, or the connection failed. `cause` is
 * what the token function or `fetch` threw, or the signal's reason.
 */
export class NotSentError extends ImageGatewayError {
  override readonly name = 'NotSentError';
  readonly outcome = 'not_attempted';

  /** `why` is the end of a sentence. */
  constructor(why: string, cause?: unknown) {
    super(`Nothing was sent: ${why}`, { cause });
  }
}
