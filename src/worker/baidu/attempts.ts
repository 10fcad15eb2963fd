/**
 * One call to Baidu: one or two signed attempts within one deadline.
 *
 * Promises: each attempt is signed just before it is sent and is bounded in time; none begins after the deadline; the result says
 * whether an earlier attempt may have taken effect unseen. Never: makes a third attempt, or retries a refusal that a retry cannot
 * fix.
 *
 * A DELETE may be repeated because it is idempotent (RFC 9110 §9.2.2). `images.ts` interprets the second response.
 */
import type { OutgoingRequest, Runtime } from '../runtime.ts';
import { DAY_MS } from '../time.ts';
import { type Answer, parseHttpDate, readAnswer } from './answer.ts';
import type { BceClient, BceRequestInit } from './client.ts';
import { isClockSkew, judge, type Verdict } from './verdict.ts';

export type Attempt =
  | { readonly kind: 'answered'; readonly answer: Answer; readonly verdict: Verdict }
  | { readonly kind: 'lost' | 'timed_out'; readonly answer?: never };

/** What an attempt may have done: `nothing` for certain, or `unknown`. */
export type Effect = 'nothing' | 'unknown';

export interface Exchange {
  /** 1 or 2, or 0 if the deadline had passed before the first. */
  readonly attempts: number;
  readonly last: Attempt;
  /** What the attempt before the last may have done; `nothing` if there was none. */
  readonly earlier: Effect;
}

/** What all calls share. */
export interface Sender {
  readonly client: BceClient;
  /** For one attempt, including the response body. */
  readonly attemptTimeoutMs: number;
  readonly runtime: Pick<Runtime, 'now' | 'sleep' | 'random' | 'startTimer'>;
}

const RETRIED_STATUS: ReadonlySet<number> = new Set([408, 500, 502, 503, 504]);
/** A caller can wait longer than this, but not within one request. */
const MAX_RETRY_AFTER_S = 2;
/** Without `Retry-After` the pause is one to three times this, at random, so that callers do not retry in lockstep. */
const PAUSE_MS = 100;
/** The greatest clock difference for which we sign again. */
const MAX_CLOCK_OFFSET_MS = DAY_MS;
/** With less time than this, an attempt could only time out. */
const MIN_ATTEMPT_MS = 50;

/**
 * Calls `url` and reads the response. `endMs` is the deadline, including pauses, in milliseconds since the epoch. Makes a second
 * attempt only if `maxAttempts` allows it and it may help.
 * @throws only on a bug: network failures are part of the result
 */
export async function exchange(
  sender: Sender,
  method: OutgoingRequest['method'],
  url: URL,
  endMs: number,
  maxAttempts: 1 | 2 = 2,
): Promise<Exchange> {
  const { now, sleep } = sender.runtime;
  let earlier: Effect = 'nothing';
  let clockOffsetMs = 0;
  if (endMs - now() < MIN_ATTEMPT_MS) return { attempts: 0, last: { kind: 'timed_out' }, earlier };
  for (let attempts = 1; ; attempts++) {
    const timeoutMs = Math.min(sender.attemptTimeoutMs, endMs - now());
    const last = await attempt(sender, url, { method, clockOffsetMs }, timeoutMs);
    const retry = attempts < maxAttempts ? planRetry(last, sender.runtime) : null;
    if (retry === null || endMs - now() - retry.pauseMs < MIN_ATTEMPT_MS) return { attempts, last, earlier };
    await sleep(retry.pauseMs);
    // A pause can last longer than requested.
    if (endMs - now() < MIN_ATTEMPT_MS) return { attempts, last, earlier };
    earlier = effectOf(last);
    clockOffsetMs = retry.clockOffsetMs;
  }
}

async function attempt(sender: Sender, url: URL, init: BceRequestInit, timeoutMs: number): Promise<Attempt> {
  const controller = new AbortController();
  // `AbortSignal.timeout` cannot be cancelled and would leave a timer running after every answer.
  const cancel = sender.runtime.startTimer(timeoutMs, () => controller.abort());
  try {
    // Signs before the first await: a failure to sign then counts as a bug, not as a lost connection.
    return await readAttempt(
      sender,
      sender.client.fetch(url, { ...init, signal: controller.signal }),
      controller.signal,
    );
  } finally {
    cancel();
  }
}

async function readAttempt(sender: Sender, sent: Promise<Response>, signal: AbortSignal): Promise<Attempt> {
  try {
    const answer = await readAnswer(await sent, signal, sender.runtime.now(), (text) => sender.client.scrub(text));
    return { kind: 'answered', answer, verdict: judge(answer) };
  } catch {
    return { kind: signal.aborted ? 'timed_out' : 'lost' };
  }
}

/** What an attempt may have done, if another follows it. None follows an absence. */
function effectOf(attempt: Attempt): Effect {
  return attempt.kind === 'answered' && attempt.verdict.outcome === 'rejected' ? 'nothing' : 'unknown';
}

interface Retry {
  readonly pauseMs: number;
  readonly clockOffsetMs: number;
}

/** `null` if another attempt would not help. */
function planRetry(last: Attempt, { now, random }: Pick<Runtime, 'now' | 'random'>): Retry | null {
  const afterPause = { pauseMs: PAUSE_MS * (1 + 2 * random()), clockOffsetMs: 0 };
  if (last.kind !== 'answered') return afterPause;
  const { answer, verdict } = last;
  if (isClockSkew(answer)) return retryBySkew(answer, now());
  const isThrottled = verdict.code === 'upstream_throttled';
  if (!isThrottled && !isPassing(answer, verdict)) return null;
  if (answer.retryAfterS === undefined) return isThrottled ? null : afterPause;
  return answer.retryAfterS <= MAX_RETRY_AFTER_S ? { pauseMs: answer.retryAfterS * 1000, clockOffsetMs: 0 } : null;
}

/** Signs the next attempt by the server's clock, within a limit: nobody else may choose the time that we sign. */
function retryBySkew({ date }: Answer, nowMs: number): Retry | null {
  const dateMs = parseHttpDate(date);
  if (dateMs === undefined || Math.abs(dateMs - nowMs) > MAX_CLOCK_OFFSET_MS) return null;
  return { pauseMs: 0, clockOffsetMs: dateMs - nowMs };
}

/** Whether the failure may be transient: the server's own, or a response cut off before it gave a reason. */
function isPassing({ status, body }: Answer, { code }: Verdict): boolean {
  const isCut = body.kind === 'broken' || body.kind === 'stalled';
  const saysNoReason = code === 'upstream_unexpected' || code === 'upstream_error' || code === 'upstream_timeout';
  const isRedirect = status >= 300 && status < 400;
  return (code === 'upstream_error' && RETRIED_STATUS.has(status)) || (isCut && saysNoReason && !isRedirect);
}
