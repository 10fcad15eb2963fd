/**
 * The result of a request: the response, and the facts for its audit record.
 *
 * Promises: every failure has the same shape. Never: knows Hono, or more about the request than `Addressee`.
 */
import type { Caller, Identified } from '../callers/caller.ts';
import type { DeletionBody, HistoryBody, PreviewBody, ReadinessBody } from '../deletions/bodies.ts';
import type { Deletion, DeletionRequest } from '../deletions/deletion.ts';
import { describeRow } from '../deletions/history.ts';
import type { Previewed } from '../deletions/preview.ts';
import type { Probed } from '../deletions/probe.ts';
import type { DeletionRow, HistoryQuery } from '../ledger/rows.ts';
import { type Failure, headersOf, outcomeOf } from '../problems/failure.ts';
import { type Addressee, PROBLEM_CONTENT_TYPE, problemBody } from '../problems/problem.ts';
import { deletionUrl, nextLink } from './history.ts';

export interface Answer {
  readonly response: Response;
  readonly failure?: Failure;
  readonly identified?: Identified;
  /** Whose history was requested; `*` for everyone's. */
  readonly historyOf?: string | undefined;
  readonly deletion?: Deletion | undefined;
  /** Baidu's side of a preview or a probe. */
  readonly read?: Pick<Previewed, 'attempts' | 'answer'>;
  /** What a bug threw. */
  readonly thrown?: unknown;
}

/** A success without facts for the audit record. */
export function success<T>(body: T): Answer {
  return { response: Response.json(body) };
}

/** `deletion` is the URL where the deletion's final outcome will appear. */
export function problem(to: Addressee, failure: Failure, deletion?: string): Answer {
  const body = problemBody(failure, to, deletion);
  const headers = { 'Content-Type': PROBLEM_CONTENT_TYPE, ...headersOf(failure) };
  return { response: Response.json(body, { status: body.status, headers }), failure };
}

/** The response to an exception: the caller learns only the outcome. */
export function crash(to: Addressee, thrown: unknown, outcome: 'not_attempted' | 'unknown'): Answer {
  return { ...problem(to, { code: 'internal_error', outcome }), thrown };
}

/** The response to an exception after `deleteImage` was called. `deletion` is its result, if it returned. */
export function deletionCrash(to: Addressee, request: DeletionRequest, thrown: unknown, deletion?: Deletion): Answer {
  const { caller, imageId, requestId } = request;
  const url = deletionUrl(to.origin, caller.id, imageId, requestId);
  return { ...problem(to, { code: 'internal_error', outcome: 'unknown' }, url), deletion, thrown };
}

export function deletionAnswer(to: Addressee, request: DeletionRequest, deletion: Deletion): Answer {
  const { requestId, caller, imageId } = request;
  const { result, answer, first } = deletion;
  if (!result.ok) {
    const asked = askableRequest(result.failure, caller.id, requestId);
    const url = asked && deletionUrl(to.origin, caller.id, imageId, asked);
    return { ...problem(to, result.failure, url), deletion };
  }
  const { outcome, confirmed } = result.value;
  const upstreamRequestId = (first === undefined ? answer?.requestId : first.upstreamRequestId) ?? null;
  return { ...success<DeletionBody>({ id: imageId, outcome, confirmed, requestId, upstreamRequestId }), deletion };
}

/** The id of the caller's request whose deletion is still undecided: this one, or the open one that it was refused for. */
function askableRequest(failure: Failure, callerId: string, requestId: string): string | undefined {
  if (failure.code === 'deletion_in_progress') {
    return failure.open.caller === callerId ? failure.open.requestId : undefined;
  }
  return outcomeOf(failure) === 'unknown' ? requestId : undefined;
}

export function previewAnswer(to: Addressee, read: Previewed): Answer {
  const { result, answer } = read;
  if (!result.ok) return { ...problem(to, result.failure), read };
  const upstreamRequestId = answer?.requestId ?? null;
  return { ...success<PreviewBody>({ ...result.value, requestId: to.requestId, upstreamRequestId }), read };
}

/** `probed` is `null` if the request did not ask for a probe. */
export function readinessAnswer(
  to: Addressee,
  { id, scopes }: Caller,
  keyFingerprint: string,
  probed: Probed | null,
): Answer {
  const read = probed && { read: probed };
  if (probed?.result.ok === false) return { ...problem(to, probed.result.failure), ...read };
  const credentialAccepted = probed && true;
  const control = probed?.control ?? null;
  const who = { caller: id, scopes: [...scopes] };
  return {
    ...success<ReadinessBody>({ status: 'ready', ...who, keyFingerprint, credentialAccepted, control }),
    ...read,
  };
}

/** `query` is the caller's own. */
export function historyAnswer(to: Addressee, rows: readonly DeletionRow[], query: HistoryQuery): Answer {
  const next = nextLink(to.origin, query, rows);
  const body: HistoryBody = { deletions: rows.map(describeRow) };
  return { response: Response.json(body, { headers: next === null ? {} : { Link: next } }) };
}

/** `null`: no such page or file. */
export function pageAnswer(to: Addressee, page: Response | null): Answer {
  return page === null ? problem(to, { code: 'route_not_found' }) : { response: page };
}
