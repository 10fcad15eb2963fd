/**
 * A fake gateway for callers' tests: no network, no clock, and the responses that a test orders.
 *
 * Promises: statuses, titles, outcomes and retry advice come from the gateway's own table; an outcome that a code cannot have is a
 * `TypeError`; its responses pass the client's own guards. Never: applies the gateway's rules, such as scopes, limits or budgets.
 */
import type { DeletionJson, PreviewBody, ReadinessBody } from '../worker/deletions/bodies.ts';
import type { FailureOutcome, RowOutcome, SuccessOutcome } from '../worker/outcome.ts';
import { isProblemCode, PROBLEMS, type ProblemCode } from '../worker/problems/failure.ts';
import type { ProblemBody } from '../worker/problems/problem.ts';
import type { OutgoingRequest, SendRequest } from './exchange.ts';
import { ImageGateway, type ImageGatewayOptions } from './index.ts';

/** How a call fails. */
export interface FakeFailure {
  /** Default: the code's usual outcome. */
  readonly outcome?: FailureOutcome;
  /** The outcome in the ledger. Default: the same as `outcome`. */
  readonly finally?: RowOutcome;
  /** The header `Retry-After`. */
  readonly retryAfterS?: number;
}

/** A request as the fake received it. */
export interface FakeRequest {
  readonly method: OutgoingRequest['method'];
  readonly url: string;
  readonly requestId: string;
}

type Answer =
  | { readonly kind: 'success'; readonly outcome: SuccessOutcome; readonly confirmed: boolean }
  | ({ readonly kind: 'failure'; readonly code: ProblemCode; readonly outcome: FailureOutcome } & FakeFailure)
  | { readonly kind: 'lost'; readonly outcome: RowOutcome; readonly finally?: RowOutcome };

const ORIGIN = 'https://gateway.test';
const CALLER = 'test';
const KEY_FINGERPRINT = '00000000';
const UPSTREAM_REQUEST_ID = '00000000-0000-4000-8000-000000000000';
/** The fake's clock stands still. */
const NOW = '2026-01-01T00:00:00.000Z';

/**
 * By default every deletion succeeds and every image can be deleted. Each `next…` method applies to one call on an image, a deletion or
 * a preview; several apply in the order in which they were called.
 */
export class FakeGateway {
  /** The requests received, oldest first. */
  readonly requests: FakeRequest[] = [];
  /** The history, newest first. Each deletion that the gateway would enter has a row. A test may change rows and add others. */
  readonly rows: DeletionJson[] = [];
  readonly #answers: Answer[] = [];

  /** For `new ImageGateway({ fetch })`. */
  readonly fetch: SendRequest = async (url, { method, headers }) => {
    const { pathname, searchParams } = new URL(url);
    const requestId = headers['X-Request-Id'] ?? '';
    this.requests.push({ method, url, requestId });
    if (pathname === '/readyz') return json(200, requestId, readiness());
    if (pathname === '/metrics') return metrics(requestId, this.rows.length);
    if (pathname === '/deletions') return json(200, requestId, { deletions: this.#find(searchParams) });
    return this.#answer(pathname, requestId, method === 'DELETE' ? searchParams.get('allowMissing') === 'true' : null);
  };

  /** A client of this gateway. By default it never waits: it retries nothing, and queries the ledger once. */
  client(options: Omit<ImageGatewayOptions, 'fetch'> = {}): ImageGateway {
    return new ImageGateway({ retries: 0, patienceMs: 100, ...options, fetch: this.fetch });
  }

  /** The next deletion succeeds. `already_absent` is a failure, as with the real gateway, unless the caller allows it. */
  nextSucceeds(outcome: SuccessOutcome = 'deleted', confirmed = true): this {
    return this.#order({ kind: 'success', outcome, confirmed });
  }

  /** The next call fails. @throws TypeError if the code is unknown, or cannot have this outcome */
  nextFails(code: ProblemCode, failure: FakeFailure = {}): this {
    if (!isProblemCode(code)) throw new TypeError(`Unknown code ${code}.`);
    const { outcomes } = PROBLEMS[code];
    const { outcome = outcomes[0] } = failure;
    if (!outcomes.includes(outcome)) throw new TypeError(`${code} is never ${outcome}, but ${outcomes.join(' or ')}.`);
    return this.#order({ kind: 'failure', ...failure, code, outcome });
  }

  /** The next call gets no response. For a deletion, the ledger then has this outcome. */
  nextIsLost(outcome: RowOutcome = 'unknown'): this {
    return this.#order({ kind: 'lost', outcome });
  }

  #order(answer: Answer): this {
    this.#answers.push(answer);
    return this;
  }

  #find(asked: URLSearchParams): DeletionJson[] {
    const sinceMs = Date.parse(asked.get('since') ?? '') || Number.NEGATIVE_INFINITY;
    const untilMs = Date.parse(asked.get('until') ?? '') || Number.POSITIVE_INFINITY;
    return this.rows.filter(
      (row) =>
        (['imageId', 'requestId', 'outcome', 'caller'] as const).every(
          (name) => row[name] === (asked.get(name) ?? row[name]),
        ) &&
        Date.parse(row.reservedAt) >= sinceMs &&
        Date.parse(row.reservedAt) < untilMs,
    );
  }

  /** `allowMissing` is `null` for a preview. */
  #answer(path: string, requestId: string, allowMissing: boolean | null): Response {
    const ordered = this.#answers.shift() ?? { kind: 'success', outcome: 'deleted', confirmed: true };
    const imageId = path.slice('/images/'.length);
    const isMissing = ordered.kind === 'success' && ordered.outcome === 'already_absent' && allowMissing !== true;
    const answer: Answer = isMissing
      ? { kind: 'failure', code: 'image_not_found', outcome: 'already_absent' }
      : ordered;
    if (allowMissing !== null && isEntered(answer)) this.rows.unshift(rowOf(imageId, requestId, answer));
    if (answer.kind === 'lost') throw new TypeError('fetch failed');
    if (answer.kind === 'failure') return problem(path, imageId, requestId, answer);
    if (allowMissing === null) return json(200, requestId, preview(imageId, requestId));
    const { outcome, confirmed } = answer;
    return json(200, requestId, { id: imageId, outcome, confirmed, requestId, upstreamRequestId: UPSTREAM_REQUEST_ID });
  }
}

function json(
  status: number,
  requestId: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { Date: new Date(NOW).toUTCString(), 'X-Request-Id': requestId, ...headers },
  });
}

function problem(
  path: string,
  imageId: string,
  requestId: string,
  failure: Extract<Answer, { kind: 'failure' }>,
): Response {
  const { code, outcome, retryAfterS } = failure;
  const { status, title, explanation, retryable } = PROBLEMS[code];
  const isUnknown = outcome === 'unknown';
  const place = new URLSearchParams({ caller: CALLER, imageId, requestId });
  const body: ProblemBody = {
    type: `${ORIGIN}/problems/${code}`,
    title,
    status,
    detail: explanation,
    instance: path,
    code,
    outcome,
    retryable: retryable && !isUnknown,
    requestId,
    ...(isUnknown && { deletion: `${ORIGIN}/deletions?${place}` }),
  };
  return json(status, requestId, body, retryAfterS === undefined ? {} : { 'Retry-After': String(retryAfterS) });
}

/** Whether the ledger gets a row. Refusals come before the ledger, except those that need the image read first. */
function isEntered(answer: Answer): boolean {
  if (answer.kind !== 'failure' || answer.outcome !== 'not_attempted') return true;
  return PROBLEMS[answer.code].stage === 'upstream' || answer.code === 'precondition_failed';
}

function rowOf(imageId: string, requestId: string, answer: Answer): DeletionJson {
  const outcome = answer.kind === 'success' ? answer.outcome : (answer.finally ?? answer.outcome);
  const isGone = outcome === 'deleted' || outcome === 'already_absent';
  // Only a check results in `not_deleted`, and only a check decides an outcome that the request left unknown.
  const isResolved =
    outcome === 'not_deleted' || (answer.kind === 'failure' && answer.outcome === 'unknown' && outcome !== 'unknown');
  const isSettled = answer.kind !== 'lost' || (outcome !== 'unknown' && !isResolved);
  return {
    requestId,
    caller: CALLER,
    subject: null,
    imageId,
    imageName: null,
    reservedAt: NOW,
    settledAt: isSettled ? NOW : null,
    resolvedAt: isResolved ? NOW : null,
    outcome,
    confirmed: isGone ? !isResolved && (answer.kind !== 'success' || answer.confirmed) : null,
    verified: null,
    code: answer.kind === 'failure' ? answer.code : null,
    attempts: outcome === 'not_attempted' ? 0 : 1,
    upstreamRequestId: UPSTREAM_REQUEST_ID,
    keyFingerprint: KEY_FINGERPRINT,
  };
}

/** One of the gateway's metric families, so that a test can tell it from an empty response. */
function metrics(requestId: string, rows: number): Response {
  const name = 'bcc_image_gateway_ledger_rows';
  const text = `# HELP ${name} Rows in the ledger.\n# TYPE ${name} gauge\n${name} ${rows}\n`;
  return new Response(text, { headers: { 'Content-Type': 'text/plain; version=0.0.4', 'X-Request-Id': requestId } });
}

function preview(id: string, requestId: string): PreviewBody {
  const unknown = { desc: null, osName: null, osVersion: null, createTime: null };
  const image = { id, name: 'test', type: 'Custom', status: 'Available', ...unknown, sharedWith: 0 };
  return { ...image, deletable: true, blockers: [], requestId, upstreamRequestId: UPSTREAM_REQUEST_ID };
}

function readiness(): ReadinessBody {
  const scopes = ['images:delete', 'images:read'] as const;
  const unasked = { credentialAccepted: null, control: null };
  return { status: 'ready', caller: CALLER, scopes, keyFingerprint: KEY_FINGERPRINT, ...unasked };
}
