/** The type of a row of the problem table, and the facts that its sentences need. */
import type { FailureOutcome, Severity } from '../outcome.ts';
import type { Scope } from '../scope.ts';

/**
 * Where a problem can occur, and so which operations list it: `any` call; one that needs a safe `transport`; one whose `routing` fails;
 * one that needs `admission`; one that also needs a `permission`; one that names an `image`; one that calls `upstream`; one that uses
 * the `ledger`; or only a `deletion`.
 */
export type Stage =
  | 'any'
  | 'transport'
  | 'routing'
  | 'admission'
  | 'permission'
  | 'image'
  | 'upstream'
  | 'ledger'
  | 'deletion';

export interface ProblemRow<Facts> {
  readonly status: number;
  /** All possible outcomes with this code, the usual one first. */
  readonly outcomes: readonly [FailureOutcome, ...FailureOutcome[]];
  readonly retryable: boolean;
  readonly severity: Severity;
  readonly stage: Stage;
  readonly title: string;
  /** For a person who follows `type`: when it happens, and what to do. */
  readonly explanation: string;
  /** One sentence for one occurrence. */
  readonly detail: (facts: Facts) => string;
  /** Headers in addition to those of every response. */
  readonly headers?: (facts: Facts) => Readonly<Record<string, string>>;
}

/** The longest path that a problem repeats. */
export const MAX_INSTANCE_CHARS = 256;

/** What a response may reveal about Baidu's response. Never its message. */
export interface Upstream {
  readonly status: number;
  readonly code: string | null;
  readonly requestId: string | null;
}

/** The last deletion of the same image, from the ledger. */
export interface DeletedBefore {
  /** ISO 8601. */
  readonly at: string;
  /** `null` if it was another caller's; that caller is never named. */
  readonly requestId: string | null;
}

/** The facts of a failed call to Baidu. */
export interface UpstreamFacts {
  readonly imageId: string;
  /** The kind of request. */
  readonly call: 'deletion' | 'preview' | 'probe';
  readonly outcome: FailureOutcome;
  /** Baidu's last response, if any arrived. */
  readonly upstream: Upstream | undefined;
  /** Seconds. */
  readonly retryAfterS: number | undefined;
  readonly deletedBefore?: DeletedBefore | undefined;
}

/** The facts about an absent image. */
export interface AbsenceFacts extends UpstreamFacts {
  /** `false`: only the status says so, and the code beside it is unlisted. */
  readonly listed: boolean;
}

/** Another open deletion of the same image. */
export interface InProgressFacts {
  readonly imageId: string;
  /** `unknown` if the caller has sent the same request again. */
  readonly outcome: 'unknown' | 'not_attempted';
  readonly open: { readonly id: string; readonly caller: string; readonly requestId: string };
}

export interface BudgetFacts {
  readonly of: 'caller' | 'account';
  readonly budget: number;
  readonly retryAfterS: number;
}

export interface RateLimitFacts {
  readonly requests: number;
  readonly periodS: number;
  /** The value of `RateLimit-Policy`. */
  readonly policy: string;
}

/** Why a request is `invalid_request`: a fixed reason, or a query parameter that breaks its rule. */
export type RequestFault =
  | 'malformed_host'
  | 'unknown_parameter'
  | 'repeated_parameter'
  | 'unexpected_body'
  | 'holds_credential'
  | { readonly parameter: string; readonly rule: string };

/** Why we refuse a token that its issuer signed for us. */
export const TOKEN_REFUSALS = [
  'no_exp',
  'no_iat',
  'malformed_nbf',
  'lifetime_too_long',
  'expired',
  'not_yet_valid',
  'claim_not_text',
  'no_rule',
  'several_callers',
  'malformed_subject',
] as const;
export type TokenRefusal = (typeof TOKEN_REFUSALS)[number];

/** Only for the audit record: no response says why a credential failed. */
export interface UnauthenticatedFacts {
  /** Present if the token's issuer signed it. `issuer` is its name in our configuration. */
  readonly refused?: { readonly issuer: string; readonly reason: TokenRefusal };
}

/** What a caller lacks: a scope, permission for the image's name, or a request that no browser sent. */
export type Missing = Scope | 'name' | 'no_browser';
