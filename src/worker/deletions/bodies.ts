/**
 * The bodies of successful answers, as types: what the code answers, what the document describes and what the client reads.
 *
 * Promises: the client's package contains this file, so it imports as little as possible. Never: contains code that runs.
 */

import type { RowOutcome, SuccessOutcome } from '../outcome.ts';
import type { ProblemCode } from '../problems/failure.ts';
import type { Scope } from '../scope.ts';

/** What a `DELETE` that succeeded answers: the image is gone. */
export interface DeletionBody {
  readonly id: string;
  readonly outcome: SuccessOutcome;
  /** `true`: Baidu said so. `false`: the image was gone after an attempt whose effect is unknown. */
  readonly confirmed: boolean;
  readonly requestId: string;
  readonly upstreamRequestId: string | null;
}

/** What a `GET` of an image answers. */
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
  /** How many accounts the image is shared with; `null` if that could not be read, or if the image cannot be shared. */
  readonly sharedWith: number | null;
  /** `null`: nothing known stands in the way, but whether the image is shared is not known. */
  readonly deletable: boolean | null;
  /** Everything that stands in the way, each with the code with which a deletion would fail. */
  readonly blockers: readonly Blocker[];
  readonly requestId: string;
  readonly upstreamRequestId: string | null;
}

/** One thing that stands in the way of a deletion. */
export interface Blocker {
  readonly code: ProblemCode;
  readonly detail: string;
}

/** What `GET /healthz` answers. */
export interface HealthBody {
  readonly status: 'ok';
}

/** What `GET /readyz` answers if the configuration is valid. */
export interface ReadinessBody {
  readonly status: 'ready';
  /** Who asks, and what it may. */
  readonly caller: string;
  readonly scopes: readonly Scope[];
  /** Of the gateway's Baidu key that signs: 8 hex digits of the SHA-256 of its id. Never of a caller's key. */
  readonly keyFingerprint: string;
  /** `true`: Baidu accepts the key. `null`: it was not asked. */
  readonly credentialAccepted: boolean | null;
  /**
   * Whether Baidu has the control, which is the first image of `PROTECTED_IMAGES`. `found`: key, account, region and the right to
   * read are correct. `null`: Baidu was not asked, there is no control, or it could not be read.
   */
  readonly control: 'found' | 'absent' | null;
}

/** What a page of history answers. */
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
  /** `null` until the request has reported the outcome of the deletion. */
  readonly settledAt: string | null;
  /** `null` unless a check of the image, or a later deletion of it, decided the outcome. */
  readonly resolvedAt: string | null;
  readonly outcome: RowOutcome;
  /** Whether Baidu said so (`true`) or it was inferred (`false`); `null` unless `deleted` or `already_absent`. */
  readonly confirmed: boolean | null;
  /**
   * Of a `deleted` row: whether a later check found the image gone (`true`) or still there (`false`). `null` if none could tell,
   * or none was made.
   */
  readonly verified: boolean | null;
  /** The code of the problem that the request was answered with, or `null`. */
  readonly code: string | null;
  /** Deletions sent to Baidu: 0, 1 or 2; `null` if that is not known. */
  readonly attempts: number | null;
  readonly upstreamRequestId: string | null;
  /** Of the gateway's Baidu key that signed: 8 hex digits of the SHA-256 of its id. Never of a caller's key. */
  readonly keyFingerprint: string;
}
