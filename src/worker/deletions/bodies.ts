/**
 * The bodies of successful responses, as types that the Worker, the OpenAPI document and the client share.
 *
 * Never: contains code that runs. The client's package includes this file, so it imports as little as possible.
 */

import type { RowOutcome, SuccessOutcome } from '../outcome.ts';
import type { ProblemCode } from '../problems/failure.ts';
import type { Scope } from '../scope.ts';

/** The response to a successful `DELETE`: the image is gone. */
export interface DeletionBody {
  readonly id: string;
  readonly outcome: SuccessOutcome;
  /** `true`: Baidu confirmed it. `false`: inferred, from a later absence or from a 404 whose code is not on the list. */
  readonly confirmed: boolean;
  readonly requestId: string;
  readonly upstreamRequestId: string | null;
}

/** The response to a `GET` of an image. */
export interface PreviewBody {
  readonly id: string;
  readonly name: string;
  /** An open set: `Custom`, `System`, `Integration`, `Sharing`, and relatives such as `BbcCustom`. */
  readonly type: string;
  /** `Creating`, `Available`, `NotAvailable`, `Error`, `CreateFailed` or `CreatedFailed`. */
  readonly status: string;
  readonly desc: string | null;
  readonly osName: string | null;
  readonly osVersion: string | null;
  readonly createTime: string | null;
  /** How many accounts the image is shared with; `null` if that could not be read, or if such images cannot be shared. */
  readonly sharedWith: number | null;
  /** `null`: no blocker is known, but it is not known whether the image is shared. */
  readonly deletable: boolean | null;
  /** Everything that would make a deletion fail, each with the problem code of that failure. */
  readonly blockers: readonly Blocker[];
  readonly requestId: string;
  readonly upstreamRequestId: string | null;
}

/** One reason why a deletion would fail. */
export interface Blocker {
  readonly code: ProblemCode;
  readonly detail: string;
}

/** The response to `GET /healthz`. */
export interface HealthBody {
  readonly status: 'ok';
}

/** The response to `GET /readyz` if the configuration is valid. */
export interface ReadinessBody {
  readonly status: 'ready';
  /** The caller that sent the request, and its scopes. */
  readonly caller: string;
  readonly scopes: readonly Scope[];
  /** Of the Baidu key that signs: 8 hex digits of the SHA-256 of its id. Never of a caller's key. */
  readonly keyFingerprint: string;
  /** `true`: Baidu accepts the key. `null`: Baidu was not asked. */
  readonly credentialAccepted: boolean | null;
  /**
   * Whether Baidu has the control, the first image of `PROTECTED_IMAGES`. `found`: key, account, region and the permission to read are
   * correct. `null`: Baidu was not asked, there is no control, or it could not be read.
   */
  readonly control: 'found' | 'absent' | null;
}

/** One page of history. */
export interface HistoryBody {
  readonly deletions: readonly DeletionJson[];
}

/** A row of the history. Times are ISO 8601. */
export interface DeletionJson {
  readonly requestId: string;
  readonly caller: string;
  /** Whom a token was issued to, or `null` for other credentials. */
  readonly subject: string | null;
  readonly imageId: string;
  /** `null` unless a rule needed it. */
  readonly imageName: string | null;
  readonly reservedAt: string;
  /** `null` until the request has reported its outcome. */
  readonly settledAt: string | null;
  /** `null` unless a check or a later deletion of the image decided the outcome. */
  readonly resolvedAt: string | null;
  readonly outcome: RowOutcome;
  /** Whether Baidu confirmed it (`true`) or it was inferred (`false`); `null` unless `deleted` or `already_absent`. */
  readonly confirmed: boolean | null;
  /**
   * For a `deleted` row: whether a later check found the image gone (`true`) or still there (`false`). `null` if no check was made or
   * conclusive.
   */
  readonly verified: boolean | null;
  /** The problem code of the response, or `null`. */
  readonly code: string | null;
  /** Deletions sent to Baidu: 0, 1 or 2; `null` if that is not known. */
  readonly attempts: number | null;
  readonly upstreamRequestId: string | null;
  /** Of the Baidu key that signed: 8 hex digits of the SHA-256 of its id. Never of a caller's key. */
  readonly keyFingerprint: string;
}
