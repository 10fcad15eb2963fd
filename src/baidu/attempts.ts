/**
 * One call to Baidu: at most two signed attempts within one deadline.
 *
 * Promises: each attempt is signed anew, immediately before it is sent, and bounded in time; the result says whether an
 * earlier attempt may have had an effect that nobody saw. Never: a third attempt, or a repetition of what Baidu refused
 * for a reason that repetition does not mend.
 *
 * A DELETE may be repeated because it is idempotent (RFC 9110 §9.2.2); what the repetition then finds is read by
 * `images.ts`.
 */
import { type Answer, parseHttpDate, readAnswer } from './answer.ts';
import type { BceClient, BceRequestInit } from './client.ts';
import { isClockSkew, judge } from './verdict.ts';

export type Attempt = { readonly kind: 'answered'; readonly answer: Answer } | { readonly kind: 'lost' | 'timed_out' };

/**
 * What an attempt may have done: `none`, where it was refused; `unknown`, where the server spoke of a failure of its own;
 * `lost`, where it may have succeeded and the answer did not arrive.
 */
export type Effect = 'none' | 'unknown' | 'lost';

export interface Exchange {
  /** 1 or 2, or 0 where the time was over before it began. */
  readonly attempts: number;
  readonly last: Attempt;
  /** What is known of the attempt before the last, if there was one that did not plainly fail. */
  readonly earlier: Effect;
}

export interface TimeLimits {
  /** For one attempt, its body included. */
  readonly attemptTimeoutMs: number;
  /** When the whole must be over, pauses included: milliseconds since the epoch. */
  readonly endMs: number;
}

export interface AttemptTools {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** At least 0, less than 1. */
  readonly random: () => number;
}

const MAX_ATTEMPTS = 2;
const RETRIED_STATUS: ReadonlySet<number> = new Set([500, 502, 503, 504]);
/** A longer `Retry-After` is the caller's to wait for. */
const MAX_RETRY_AFTER_S = 2;
/** The pause without a `Retry-After`: between once and three times this, at random, so that callers do not march in step. */
const PAUSE_MS = 100;
/** With less than this left before the deadline, an attempt could only time out. */
const MIN_ATTEMPT_MS = 50;

/** Calls `url` and reads the answer. @throws only on a bug: what goes wrong on the way is part of the result */
export async function exchange(
  client: BceClient,
  url: URL,
  method: BceRequestInit['method'],
  limits: TimeLimits,
  tools: AttemptTools,
): Promise<Exchange> {
  let earlier: Effect = 'none';
  let clockOffsetMs = 0;
  if (limits.endMs - tools.now() < MIN_ATTEMPT_MS) return { attempts: 0, last: { kind: 'timed_out' }, earlier };
  for (let attempts = 1; ; attempts++) {
    const timeoutMs = Math.min(limits.attemptTimeoutMs, limits.endMs - tools.now());
    const last = await attempt(client, url, { method, clockOffsetMs }, timeoutMs, tools);
    const next = attempts < MAX_ATTEMPTS ? whatNext(last, tools) : 'stop';
    if (next === 'stop' || limits.endMs - tools.now() - next.pauseMs < MIN_ATTEMPT_MS) {
      return { attempts, last, earlier };
    }
    earlier = effectOf(last);
    clockOffsetMs = next.clockOffsetMs;
    await tools.sleep(next.pauseMs);
  }
}

async function attempt(
  client: BceClient,
  url: URL,
  init: BceRequestInit,
  timeoutMs: number,
  tools: AttemptTools,
): Promise<Attempt> {
  const controller = new AbortController();
  // A timer that is cleared: `AbortSignal.timeout` would leave one running after every answer.
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    // Signed before anything is awaited: a failure to sign is thrown as the bug that it is, and not taken for a lost connection.
    return await outcomeOf(client.fetch(url, { ...init, signal: controller.signal }), controller.signal, client, tools);
  } finally {
    clearTimeout(timer);
  }
}

async function outcomeOf(
  sent: Promise<Response>,
  signal: AbortSignal,
  client: BceClient,
  tools: AttemptTools,
): Promise<Attempt> {
  try {
    const answer = await readAnswer(await sent, tools.now(), (text) => client.scrub(text));
    return signal.aborted && answer.body.kind === 'broken' ? { kind: 'timed_out' } : { kind: 'answered', answer };
  } catch {
    return { kind: signal.aborted ? 'timed_out' : 'lost' };
  }
}

function effectOf(attempt: Attempt): Effect {
  if (attempt.kind !== 'answered') return 'lost';
  const { status, body } = attempt.answer;
  // A gateway of Baidu's that had no answer from behind it, or an agreement that broke off: lost on the way.
  if (status === 502 || status === 504 || body.kind === 'broken') return 'lost';
  return judge(attempt.answer).code === 'upstream_error' ? 'unknown' : 'none';
}

function whatNext(last: Attempt, tools: AttemptTools): 'stop' | { pauseMs: number; clockOffsetMs: number } {
  const pauseMs = PAUSE_MS * (1 + 2 * tools.random());
  if (last.kind !== 'answered') return { pauseMs, clockOffsetMs: 0 };
  const { answer } = last;
  if (isClockSkew(answer)) {
    const dateMs = parseHttpDate(answer.date);
    return dateMs === undefined ? 'stop' : { pauseMs: 0, clockOffsetMs: dateMs - tools.now() };
  }
  const { code } = judge(answer);
  const retryable =
    code === 'upstream_throttled' ||
    (code === 'upstream_error' && (RETRIED_STATUS.has(answer.status) || answer.body.kind === 'broken'));
  if (!retryable) return 'stop';
  if (answer.retryAfterS === undefined) return code === 'upstream_throttled' ? 'stop' : { pauseMs, clockOffsetMs: 0 };
  return answer.retryAfterS <= MAX_RETRY_AFTER_S ? { pauseMs: answer.retryAfterS * 1000, clockOffsetMs: 0 } : 'stop';
}
