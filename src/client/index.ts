/**
 * The client of bcc-image-gateway.
 *
 * Promises: it reports no outcome that the gateway did not report; it never sends a second deletion after one whose outcome is
 * unknown, but asks the ledger for the outcome. The token goes only to the configured origin: URLs in an answer are never
 * called.
 * Clock, randomness and timers are arguments. Never: uses anything but the web platform.
 */
import { BODIES } from '../openapi/bodies.ts';
import type { DeletionBody, DeletionJson, PreviewBody, ReadinessBody } from '../worker/deletions/bodies.ts';
import type { ProblemBody } from '../worker/problems/problem.ts';
import { ImageGatewayError, LostAnswerError, NotSentError, ProblemError } from './errors.ts';
import { type Answer, exchange, type Outgoing, retryAfterS, timeOf } from './exchange.ts';
import { concluded, finalRowIn } from './final-outcome.ts';
import {
  type DeleteOptions,
  type DeletionsFilter,
  type ImageGatewayOptions,
  imagePath,
  type ReadinessOptions,
  type ReadOptions,
  readFilter,
  readOptions,
  readOrder,
  readReadinessOptions,
  readReadOptions,
  type Settings,
  searchOf,
} from './options.ts';
import { platformRuntime, type Runtime } from './runtime.ts';
import { readinessIn, rowsIn } from './shapes.ts';

export type { Blocker, DeletionBody, DeletionJson, PreviewBody, ReadinessBody } from '../worker/deletions/bodies.ts';
export type { FailureOutcome, RowOutcome, SuccessOutcome } from '../worker/outcome.ts';
export type { DeletedBefore, Upstream } from '../worker/problems/facts.ts';
export type { ProblemCode } from '../worker/problems/failure.ts';
export type { ProblemBody } from '../worker/problems/problem.ts';
export type { Scope } from '../worker/scope.ts';
export { type ErrorOutcome, ImageGatewayError, LostAnswerError, NotSentError, ProblemError } from './errors.ts';
export type { OutgoingRequest, SendRequest, Token } from './exchange.ts';
export type { DeleteOptions, DeletionsFilter, ImageGatewayOptions, ReadinessOptions, ReadOptions } from './options.ts';

/** What `GET /readyz` answers, and what its way here tells. */
export interface Readiness extends ReadinessBody {
  /**
   * `false`: a proxy on the way replaces `X-Request-Id`. An answer still arrives, but a deletion whose answer is lost cannot be found
   * in the ledger by its id, so its outcome stays `unknown`. Let the proxy keep the header.
   */
  readonly keepsRequestId: boolean;
}

/** A request, and how its answer is read. `requestId` is the first attempt's. */
interface Call<T> extends Outgoing {
  /** The value of a 200, or `undefined` if it is not what was asked for. */
  readonly read: (answer: Answer, sentId: string) => T | undefined;
}

interface Page {
  readonly rows: readonly DeletionJson[];
  /** The query of the page that follows, or `null`. */
  readonly nextSearch: string | null;
  /** When the page was made, by the gateway's clock if it tells; milliseconds since the epoch. */
  readonly atMs: number;
}

/** A healthy gateway answers within 26 s, whatever Baidu does. */
const ANSWER_TIMEOUT_MS = 30_000;
/** The first pause before a retry. Each one that follows is twice as long. */
const RETRY_PAUSE_MS = 2_000;
/** The same between questions to the ledger, which looks at an image for the first time after 45 s. */
const ASK_PAUSE_MS = 500;
const MAX_ASK_PAUSE_MS = 10_000;
/** The most that the gateway puts on a page, because requests are limited. */
const PAGE_ROWS = 500;
/** By how much the clock of the gateway's answers may be ahead of that of its ledger. */
const CLOCK_SLACK_MS = 2_000;

/** Deletes custom images of Baidu Cloud through the gateway, previews deletions, and reads their history. */
export class ImageGateway {
  readonly #settings: Settings;
  readonly #runtime: Runtime;

  /** @throws TypeError if an option is missing or malformed */
  constructor(options: ImageGatewayOptions);
  /** @internal */
  constructor(options: ImageGatewayOptions, runtime: Partial<Runtime>);
  constructor(options: ImageGatewayOptions, runtime: Partial<Runtime> = {}) {
    this.#settings = readOptions(options);
    this.#runtime = { ...platformRuntime, ...runtime };
  }

  /**
   * Deletes the image, which cannot be undone. `requestId` of the result is that of the attempt that succeeded.
   *
   * If the answer is lost, or says that the outcome is unknown, the ledger is asked until it knows or `patienceMs` is over.
   *
   * @throws ProblemError if the gateway refused or failed, or the ledger says that the image was not deleted
   * @throws LostAnswerError if the answer was lost and the ledger does not know either. If `signal` is given after the deletion was
   *   sent, this comes at once, and the outcome is unknown
   * @throws NotSentError if nothing was sent, also because `signal` had been given
   */
  async deleteImage(id: string, options: DeleteOptions = {}): Promise<DeletionBody> {
    const { monotonicNow, randomUUID } = this.#runtime;
    const order = readOrder(id, options, this.#settings.retries, randomUUID());
    const { target, allowMissing, requestId, signal } = order;
    const startMs = options.requestId === undefined ? null : monotonicNow();
    const read: Call<DeletionBody>['read'] = ({ body, requestId: answeredId }) =>
      BODIES.Deletion.is(body) && body.id === id && body.requestId === answeredId ? body : undefined;
    try {
      return await this.#call({ method: 'DELETE', target, requestId, signal, read });
    } catch (error) {
      if (!(error instanceof ProblemError || error instanceof LostAnswerError)) throw error;
      // The deletion in progress is this request, sent before: its row is older than this call.
      const isOlder = error instanceof ProblemError && error.code === 'deletion_in_progress';
      const row =
        error.outcome === 'unknown' ? await this.#finalRowOf(id, error, isOlder ? null : startMs, signal) : undefined;
      if (row === undefined) throw error;
      return concluded(row, allowMissing);
    }
  }

  /**
   * What the image is, and whether this caller could delete it now. Never deletes. Needs `images:read`.
   * @throws ProblemError, LostAnswerError or NotSentError
   */
  async previewImage(id: string, options: ReadOptions = {}): Promise<PreviewBody> {
    const { signal } = readReadOptions(options);
    const read: Call<PreviewBody>['read'] = ({ body, requestId }) =>
      BODIES.Image.is(body) && body.id === id && body.requestId === requestId ? body : undefined;
    return this.#call({ method: 'GET', target: imagePath(id), requestId: this.#runtime.randomUUID(), signal, read });
  }

  /**
   * The newest row of the history with this request id, or `null`. `null` does not prove that no deletion is on its way.
   * @throws ProblemError, LostAnswerError or NotSentError
   */
  async deletion(requestId: string, options: ReadOptions = {}): Promise<DeletionJson | null> {
    const { signal } = readReadOptions(options);
    // Without it the gateway would return any deletion.
    if (typeof requestId !== 'string') throw new NotSentError('the request id must be a string');
    const { rows } = await this.#call(this.#pageCall(readFilter({ requestId }), signal));
    return rows.find((row) => row.requestId === requestId) ?? null;
  }

  /**
   * The rows of the history, newest first, read page by page as they are taken. Without `deletions:read` only the caller's own.
   * @throws ProblemError, LostAnswerError or NotSentError
   */
  async *deletions(
    filter: DeletionsFilter = {},
    options: ReadOptions = {},
  ): AsyncGenerator<DeletionJson, void, undefined> {
    const { signal } = readReadOptions(options);
    for (let search: string | null = readFilter(filter, PAGE_ROWS); search !== null; ) {
      const page: Page = await this.#call(this.#pageCall(search, signal));
      yield* page.rows;
      search = page.nextSearch;
    }
  }

  /**
   * Who this client is at the gateway, and what it may do: the answer of `GET /readyz`. Every caller may ask.
   * @throws ProblemError, LostAnswerError or NotSentError
   */
  async readiness(options: ReadinessOptions = {}): Promise<Readiness> {
    const { search, signal } = readReadinessOptions(options);
    return this.#call(this.#readinessCall(search, signal));
  }

  /**
   * Counters and budgets for Prometheus, in its text format 0.0.4. Needs `metrics:read`.
   * @throws ProblemError, LostAnswerError or NotSentError
   */
  async metrics(options: ReadOptions = {}): Promise<string> {
    const { signal } = readReadOptions(options);
    const read: Call<string>['read'] = ({ headers, text }) =>
      headers.get('content-type')?.startsWith('text/plain; version=0.0.4') ? text : undefined;
    return this.#call({ method: 'GET', target: '/metrics', requestId: this.#runtime.randomUUID(), signal, read });
  }

  /** Attempts, and attempts again what is known to have changed nothing. */
  async #call<T>(call: Call<T>): Promise<T> {
    const { retries, patienceMs } = this.#settings;
    let known: ProblemError | undefined;
    for (let attempt = 1; ; attempt++) {
      const requestId = attempt === 1 ? call.requestId : `${call.requestId}.${attempt}`;
      try {
        return await this.#attempt({ ...call, requestId });
      } catch (error) {
        // If this attempt was not sent, the result of the previous one still stands.
        if (error instanceof NotSentError) throw known ?? error;
        if (!(error instanceof ProblemError) || !isSafeToRepeat(error) || attempt > retries) throw error;
        known = error;
      }
      const { retryAfterS } = known;
      if (retryAfterS !== null && retryAfterS * 1000 > patienceMs) throw known;
      const pauseMs = retryAfterS === null ? this.#jitter(RETRY_PAUSE_MS * 2 ** (attempt - 1)) : retryAfterS * 1000;
      await this.#runtime.sleep(pauseMs, call.signal);
    }
  }

  /** Sends once. @throws ProblemError, LostAnswerError or NotSentError */
  async #attempt<T>(call: Call<T>, timeoutMs = ANSWER_TIMEOUT_MS): Promise<T> {
    const answer = await exchange(this.#settings, call, { timeoutMs, startTimer: this.#runtime.startTimer });
    const { status, headers, body } = answer;
    const value = status === 200 ? call.read(answer, call.requestId) : undefined;
    if (value !== undefined) return value;
    if (!BODIES.Problem.is(body) || !isAbout(body, answer, call)) throw new LostAnswerError(call.requestId, status);
    const { code, outcome, retryable, requestId, detail } = body;
    const facts = { code, outcome, retryable, requestId, problem: body, row: null };
    const message = `${code}, ${outcome}: ${detail} (request ${requestId})`;
    throw new ProblemError(message, { ...facts, retryAfterS: retryAfterS(headers, this.#runtime.now()) });
  }

  /**
   * Asks the ledger until it knows the final outcome of our deletion. `startMs`: when we sent it, by our clock, if the caller
   * chose the request id. `null`: we generated the id, so any row with it belongs to this deletion. Ends without a row if the time
   * is over or the signal is given first.
   */
  async #finalRowOf(
    imageId: string,
    unknown: ProblemError | LostAnswerError,
    startMs: number | null,
    signal: AbortSignal | undefined,
  ): Promise<DeletionJson | undefined> {
    const { monotonicNow, sleep } = this.#runtime;
    const { requestId } = unknown;
    let caller = unknown instanceof ProblemError ? callerIn(unknown.problem?.deletion) : undefined;
    const endMs = monotonicNow() + this.#settings.patienceMs;
    const ask = <T>(call: Call<T>) => this.#attempt(call, Math.min(ANSWER_TIMEOUT_MS, endMs - monotonicNow()));
    let pauseMs = ASK_PAUSE_MS;
    while (monotonicNow() < endMs && !signal?.aborted) {
      let waitMs = this.#jitter(pauseMs);
      pauseMs = Math.min(2 * pauseMs, MAX_ASK_PAUSE_MS);
      try {
        const { rows, atMs } = await ask(this.#pageCall(searchOf({ imageId, requestId, caller }), signal));
        const sinceMs =
          startMs === null ? Number.NEGATIVE_INFINITY : atMs - (monotonicNow() - startMs) - CLOCK_SLACK_MS;
        let row = finalRowIn(rows, { imageId, requestId, sinceMs, caller });
        const isOurs = startMs === null || caller !== undefined || row?.outcome === 'deleted';
        if (!isOurs && rows.length > 0) {
          // Another caller may have chosen the same id, and `deletions:read` shows its rows, too.
          caller = (await ask(this.#readinessCall('', signal))).caller;
          row = finalRowIn(rows, { imageId, requestId, sinceMs, caller });
        }
        if (row !== undefined) return row;
      } catch (error) {
        // A ledger that does not answer now may answer later.
        if (!(error instanceof ImageGatewayError)) throw error;
        if (error instanceof ProblemError) waitMs = Math.max(waitMs, (error.retryAfterS ?? 0) * 1000);
      }
      await sleep(Math.max(0, Math.min(waitMs, endMs - monotonicNow())), signal);
    }
    return undefined;
  }

  #readinessCall(search: string, signal: AbortSignal | undefined): Call<Readiness> {
    const read: Call<Readiness>['read'] = ({ body, requestId }, sentId) => {
      const readiness = readinessIn(body);
      return readiness === null ? undefined : { ...readiness, keepsRequestId: requestId === sentId };
    };
    return { method: 'GET', target: `/readyz${search}`, requestId: this.#runtime.randomUUID(), signal, read };
  }

  /** Reads a page of the history. */
  #pageCall(search: string, signal: AbortSignal | undefined): Call<Page> {
    const { now, randomUUID } = this.#runtime;
    const read: Call<Page>['read'] = ({ headers, body }) => {
      const nextSearch = nextIn(headers.get('link'));
      // Without a query the next page would be the first page of all rows.
      const rows = rowsIn(body);
      if (rows === null || nextSearch === '') return undefined;
      return { rows, nextSearch, atMs: timeOf(headers, now()) };
    };
    return { method: 'GET', target: `/deletions${search}`, requestId: randomUUID(), signal, read };
  }

  /** Between half of it and all of it. */
  #jitter(ms: number): number {
    return ms * (0.5 + this.#runtime.random() / 2);
  }
}

/**
 * Whether the problem is the gateway's answer to this call. If a proxy has replaced the request id, in problem and header, only
 * the path identifies it. Then the proxy could swap the answers of two calls about one image unnoticed.
 */
function isAbout(
  problem: ProblemBody,
  { status, requestId }: Answer,
  { target, requestId: sentId }: Outgoing,
): boolean {
  const isAnswer = status >= 400 && problem.status === status && problem.requestId === requestId;
  const [path] = target.split('?');
  return isAnswer && (requestId === sentId || problem.instance === path);
}

function isSafeToRepeat({ retryable, outcome }: ProblemError): boolean {
  return retryable && (outcome === 'not_attempted' || outcome === 'rejected');
}

/** The query of the next page. The rest of the address is never called, because the token would travel along. */
function nextIn(link: string | null): string | null {
  const next = /<([^>]*)>\s*;[^,]*\brel="?next\b/.exec(link ?? '')?.[1];
  return next === undefined ? null : queryOf(next);
}

/** The caller in the URL of a deletion's final outcome: our own name at the gateway. */
function callerIn(deletion: string | undefined): string | undefined {
  return new URLSearchParams(queryOf(deletion ?? '')).get('caller') || undefined;
}

function queryOf(address: string): string {
  return /\?[^#]*/.exec(address)?.[0] ?? '';
}
