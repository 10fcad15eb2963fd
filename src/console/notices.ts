/**
 * The message shown when a call of the client fails.
 *
 * Promises: has a message for anything thrown. Never: shows the text of an exception, which may contain anything.
 */
import { LostAnswerError, NotSentError, ProblemError } from '../client/index.ts';
import type { Notice, Texts } from './texts.ts';

/** Whether a call failed only because the caller signed out. */
export function isEnded(thrown: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (thrown instanceof LostAnswerError || thrown instanceof NotSentError);
}

/** Whether the gateway does not know the caller, or no longer does. */
export function signsOut(thrown: unknown): boolean {
  return thrown instanceof ProblemError && thrown.code === 'unauthenticated';
}

export function noticeOf(thrown: unknown, texts: Texts): Notice {
  if (thrown instanceof LostAnswerError) {
    const { status } = thrown;
    // A redirect, which browsers hide from scripts. It leads to a sign-in, which only a navigation can show.
    if (status === 0) return texts.notice('sign_in');
    return status === null ? texts.notice('lost') : texts.notice('foreign', { status });
  }
  if (thrown instanceof ProblemError && thrown.problem !== null) {
    const { code, title, detail, problems = [], requestId } = thrown.problem;
    const { retryAfterS } = thrown;
    const wait = retryAfterS === null ? undefined : texts.say('problem_wait', { seconds: retryAfterS });
    return { title: texts.problemTitle(code, title), detail, wait, faults: problems, requestId };
  }
  return texts.notice('draw', { what: thrown instanceof Error ? thrown.name : typeof thrown });
}
