/**
 * The client of bcc-image-gateway.
 *
 * Promises: reports no outcome that the gateway did not report; sends the token only to the configured origin. Never: sends another
 * deletion after one whose outcome is unknown, but queries the ledger; calls a URL from a response; uses anything but the web platform.
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

/** The response of `GET /readyz`, and what its headers reveal about proxies. */
export interface Readiness extends ReadinessBody {
  /**
   * `false`: a proxy replaces `X-Request-Id`. Responses still arrive. But if a deletion's response is lost, the client cannot find its
   * row in the ledger, so its outcome stays `unknown`. Configure the proxy to keep the header.
   */
  readonly keepsRequestId: boolean;
}

/** A request, and how to read its response. `requestId` is the first attempt's. */
interface Call<T> extends Outgoing {
  /** The value of a 200, or `undefined` if the response is not the expected one. */
  readonly read: (answer: Answer, sentId: string) => T | undefined;
}

interface Page {
  readonly rows: readonly DeletionJson[];
  /** The query of the next page, or `null`. */
  readonly nextSearch: string | null;
  /** When the gateway sent the page, by its own clock if known; milliseconds since the epoch. */
  readonly atMs: number;
}

/** A healthy gateway responds within 26 s, whatever Baidu does. */
const ANSWER_TIMEOUT_MS = 30_000;
/** The pause before the first retry. Each further pause is twice as long. */
const RETRY_PAUSE_MS = 2_000;
/** The same for queries to the ledger, which first checks an image after 45 s. */
const ASK_PAUSE_MS = 500;
const MAX_ASK_PAUSE_MS = 10_000;
/** The gateway's maximum, because requests are rate-limited. */
const PAGE_ROWS = 500;
/** How far the clock of the gateway's responses may be ahead of its ledger's. */
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
   * Deletes the image, which cannot be undone. The result's `requestId` is that of the attempt that succeeded.
   *
   * If the response is lost, or the outcome is unknown, queries the ledger until the outcome is final or `patienceMs` has passed.
   *
   * @throws ProblemError if the gateway refused or failed, or the ledger says that the image was not deleted
   * @throws LostAnswerError if the response was lost and the ledger does not know the outcome either. If `signal` is aborted after the
   *   deletion was sent, throws this at once
   * @throws NotSentError if nothing was sent, for example because `signal` was already aborted
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
      // The deletion in progress is an earlier sending of this request, so its row is older than this call.
      const isOlder = error instanceof ProblemError && error.code === 'deletion_in_progress';
      const row =
        error.outcome === 'unknown' ? await this.#finalRowOf(id, error, isOlder ? null : startMs, signal) : undefined;
      if (row === undefined) throw error;
      return concluded(row, allowMissing);
    }
  }

  /**
   * Describes the image, and says whether this caller could delete it now. Never deletes. Needs `images:read`.
   * @throws ProblemError, LostAnswerError or NotSentError
   */
  async previewImage(id: string, options: ReadOptions = {}): Promise<PreviewBody> {
    const { signal } = readReadOptions(options);
    const read: Call<PreviewBody>['read'] = ({ body, requestId }) =>
      BODIES.Image.is(body) && body.id === id && body.requestId === requestId ? body : undefined;
    return this.#call({ method: 'GET', target: imagePath(id), requestId: this.#runtime.randomUUID(), signal, read });
  }

  /**
   * The newest row of the history with this request id, or `null`. `null` does not prove that no deletion is in progress.
   * @throws ProblemError, LostAnswerError or NotSentError
   */
  async deletion(requestId: string, options: ReadOptions = {}): Promise<DeletionJson | null> {
    const { signal } = readReadOptions(options);
    // Without an id the gateway would return any deletion.
    if (typeof requestId !== 'string') throw new NotSentError('the request id must be a string');
    const { rows } = await this.#call(this.#pageCall(readFilter({ requestId }), signal));
    return rows.find((row) => row.requestId === requestId) ?? null;
  }

  /**
   * The rows of the history, newest first, fetched page by page as needed. Without `deletions:read`, only the caller's own.
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
   * The name and scopes of this client at the gateway: the response of `GET /readyz`. Needs no scope.
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

  /** Sends the call, and retries it as long as it is known to have changed nothing. */
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
   * Queries the ledger until it knows the final outcome of our deletion. `startMs`: when we sent it, by our clock, if the caller
   * chose the request id. `null`: any row with the id belongs to this deletion, however old. Returns no row on timeout, or if the signal
   * is aborted.
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
          // Another caller may have chosen the same id, and with `deletions:read` we see its rows, too.
          caller = (await ask(this.#readinessCall('', signal))).caller;
          row = finalRowIn(rows, { imageId, requestId, sinceMs, caller });
        }
        if (row !== undefined) return row;
      } catch (error) {
        // A ledger that does not respond now may respond later.
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

  /** A random time from half of `ms` to all of it. */
  #jitter(ms: number): number {
    return ms * (0.5 + this.#runtime.random() / 2);
  }
}

/**
 * Whether the problem is the gateway's response to this call. If a proxy has replaced the request id in both problem and header, only
 * the path identifies it. Such a proxy could swap the responses of two calls about one image unnoticed.
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

/** The query of the next page. The rest of the URL is ignored, because the token must not go elsewhere. */
function nextIn(link: string | null): string | null {
  const next = /<([^>]*)>\s*;[^,]*\brel="?next\b/.exec(link ?? '')?.[1];
  return next === undefined ? null : queryOf(next);
}

/** Our own name at the gateway, from the URL of a deletion's final outcome. */
function callerIn(deletion: string | undefined): string | undefined {
  return new URLSearchParams(queryOf(deletion ?? '')).get('caller') || undefined;
}

function queryOf(address: string): string {
  return /\?[^#]*/.exec(address)?.[0] ?? '';
}
