/**
 * What the calls of the client throw.
 *
 * Promises: `outcome` says what is known about the image, and never more. Never: holds a token.
 */
import type { DeletionJson } from '../worker/deletions/bodies.ts';
import type { RowOutcome } from '../worker/outcome.ts';
import type { ProblemCode } from '../worker/problems/failure.ts';
import type { ProblemBody } from '../worker/problems/problem.ts';

/**
 * What is known about the image after a call that failed. `not_attempted`: no deletion was sent to Baidu. `rejected`: Baidu refused,
 * and nothing changed. `already_absent`: Baidu has no such image. `not_deleted`: a later check found the image. `unknown`: it may be
 * there or gone; do not delete again, but ask for `deletion(error.requestId)`.
 */
export type ErrorOutcome = Exclude<RowOutcome, 'deleted'>;

/** Every error that a call of `ImageGateway` throws. */
export abstract class ImageGatewayError extends Error {
  abstract readonly outcome: ErrorOutcome;
}

/** The gateway said that the call failed: in its answer or, for a deletion whose answer was lost, in its ledger. */
export class ProblemError extends ImageGatewayError {
  override readonly name = 'ProblemError';
  /** Why: switch on it. A newer gateway may have codes that this list lacks. `null`: the ledger knows the outcome but no reason. */
  declare readonly code: ProblemCode | null;
  declare readonly outcome: ErrorOutcome;
  /** Whether the same call may succeed later. Always `false` if `outcome` is `unknown`, and for an error made of a row. */
  declare readonly retryable: boolean;
  /** Of the last attempt: that of the call, or with `.2` or `.3` at its end. */
  declare readonly requestId: string;
  /** The body of the answer (RFC 9457), or `null` if the error is made of a row. */
  declare readonly problem: ProblemBody | null;
  /** The row of the ledger, or `null` if the error is made of an answer. */
  declare readonly row: DeletionJson | null;
  /** How many seconds to wait, or `null` if the gateway did not say. */
  declare readonly retryAfterS: number | null;

  constructor(message: string, facts: Omit<ProblemError, keyof Error>) {
    super(message);
    Object.assign(this, facts);
  }
}

/**
 * The gateway's answer did not arrive: the connection broke, the time was over, the signal was given, or something else answered in
 * the gateway's place. `cause` is what `fetch` threw, or the signal's reason.
 */
export class LostAnswerError extends ImageGatewayError {
  override readonly name = 'LostAnswerError';
  /** A deletion may have happened, and may yet happen. */
  readonly outcome = 'unknown';
  /** Of the attempt whose answer was lost. */
  readonly requestId: string;
  /** The HTTP status of what came instead, or `null` if nothing complete came. */
  readonly status: number | null;

  constructor(requestId: string, status: number | null, cause?: unknown) {
    const what = status === null ? 'nothing came' : `something else with status ${status} came`;
    super(`The gateway's answer to request ${requestId} did not arrive: ${what}.`, { cause });
    this.requestId = requestId;
    this.status = status;
  }
}

/**
 * Nothing was sent: an argument is malformed, there is no token, the signal was given before, or no connection came about. `cause` is
 * what the token's function or `fetch` threw, or the signal's reason.
 */
export class NotSentError extends ImageGatewayError {
  override readonly name = 'NotSentError';
  readonly outcome = 'not_attempted';

  /** `why` is the end of a sentence. */
  constructor(why: string, cause?: unknown) {
    super(`Nothing was sent: ${why}`, { cause });
  }
}
