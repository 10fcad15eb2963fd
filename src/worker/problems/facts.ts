/** The form of a row of the table, and the facts that its sentences need. */
import type { FailureOutcome, Severity } from '../outcome.ts';
import type { Scope } from '../scope.ts';

/**
 * Where a code can occur, and so which operations can answer it: `any` call; one that needs a safe `transport`; an unknown `routing`; one that needs
 * `admission`; one that needs a `permission` beyond that; one that names an `image`; one that reads an image from `upstream`;
 * one that asks the `ledger`; or a `deletion` alone.
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
  /** All that can be true with this code; the first is the usual one. */
  readonly outcomes: readonly [FailureOutcome, ...FailureOutcome[]];
  readonly retryable: boolean;
  readonly severity: Severity;
  readonly stage: Stage;
  readonly title: string;
  /** For the person who follows `type`: when it happens, and what to do. */
  readonly explanation: string;
  /** One sentence for one occurrence. */
  readonly detail: (facts: Facts) => string;
  /** Headers beside those of every answer. */
  readonly headers?: (facts: Facts) => Readonly<Record<string, string>>;
}

/** Of the path that a problem repeats. */
export const MAX_INSTANCE_CHARS = 256;

/** What a response may say about Baidu's answer. Never its message. */
export interface Upstream {
  readonly status: number;
  readonly code: string | null;
  readonly requestId: string | null;
}

/** The last deletion of the same image, from the ledger. */
export interface DeletedBefore {
  /** ISO 8601. */
  readonly at: string;
  /** `null` if it was another caller's, who is never named. */
  readonly requestId: string | null;
}

/** What a failure that came out of a call to Baidu knows. */
export interface UpstreamFacts {
  readonly imageId: string;
  /** What the caller asked for. */
  readonly call: 'deletion' | 'preview' | 'probe';
  readonly outcome: FailureOutcome;
  /** Baidu's last answer, if one came. */
  readonly upstream: Upstream | undefined;
  /** Seconds. */
  readonly retryAfterS: number | undefined;
  readonly deletedBefore?: DeletedBefore | undefined;
}

/** What is known about an image that is absent. */
export interface AbsenceFacts extends UpstreamFacts {
  /** `false`: Baidu's status says so, but the code beside it is one that nobody has documented. */
  readonly listed: boolean;
}

/** Another deletion of the same image, which is open. */
export interface InProgressFacts {
  readonly imageId: string;
  /** `unknown` if it is the caller's own request, sent again. */
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

/** Why a token is refused that its issuer signed for us. */
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

/** For the audit record alone: no response says why a credential failed. */
export interface UnauthenticatedFacts {
  /** Of a token that its issuer signed; `issuer` is the name in our configuration. */
  readonly refused?: { readonly issuer: string; readonly reason: TokenRefusal };
}

/** What a caller lacks: a scope, a pattern that fits the image's name, or that no browser sends the request. */
export type Missing = Scope | 'name' | 'no_browser';
