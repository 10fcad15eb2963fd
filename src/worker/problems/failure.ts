/**
 * A failure as data: a code of the problem table, and the facts that its row needs.
 *
 * Promises: a failure that lacks a fact, or has another code's, does not compile.
 */
import type { FailureOutcome } from '../outcome.ts';
import type { ProblemRow } from './facts.ts';
import { ROWS } from './table.ts';

export type ProblemCode = keyof typeof ROWS;
type FactsOf = { readonly [C in ProblemCode]: Parameters<(typeof ROWS)[C]['detail']>[0] };

/** `Failure<C>` is a failure with one of the codes `C`. */
export type Failure<C extends ProblemCode = ProblemCode> = { [K in C]: { readonly code: K } & FactsOf[K] }[C];

/** The table, typed so that each row takes the facts of its own code. */
export const PROBLEMS: { readonly [C in ProblemCode]: ProblemRow<FactsOf[C]> } = ROWS;
export const PROBLEM_CODES: readonly ProblemCode[] = Object.keys(ROWS).filter(isProblemCode);

export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(ROWS, text);
}

export function detailOf<C extends ProblemCode>(failure: Failure<C>): string {
  return PROBLEMS[failure.code].detail(failure);
}

export function headersOf<C extends ProblemCode>(failure: Failure<C>): Readonly<Record<string, string>> {
  return PROBLEMS[failure.code].headers?.(failure) ?? {};
}

/** The failure's own outcome, or else the only one of its row. */
export function outcomeOf(failure: Failure): FailureOutcome {
  return 'outcome' in failure ? failure.outcome : PROBLEMS[failure.code].outcomes[0];
}

/** The row's retry advice. Never retryable if the outcome is unknown: then the caller must query it instead. */
export function isRetryable(failure: Failure): boolean {
  return PROBLEMS[failure.code].retryable && outcomeOf(failure) !== 'unknown';
}

/** The response to `GET /problems/{code}`. */
export interface Explanation {
  readonly code: ProblemCode;
  readonly status: number;
  readonly outcomes: readonly FailureOutcome[];
  readonly retryable: boolean;
  readonly title: string;
  readonly explanation: string;
}

export function explanationOf(code: ProblemCode): Explanation {
  const { status, outcomes, retryable, title, explanation } = PROBLEMS[code];
  return { code, status, outcomes, retryable, title, explanation };
}
