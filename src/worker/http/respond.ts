/**
 * What came of a request, as a response.
 *
 * Promises: every failure has the one shape; whatever is answered is noted for the audit record.
 */
import type { Context } from 'hono';
import type { Caller } from '../callers/caller.ts';
import type { DeletionBody, HistoryBody, PreviewBody, ReadinessBody } from '../deletions/bodies.ts';
import type { Deletion, DeletionRequest } from '../deletions/deletion.ts';
import { deletionUrl, describeRow, nextLink } from '../deletions/history.ts';
import type { Previewed } from '../deletions/preview.ts';
import type { Probed } from '../deletions/probe.ts';
import type { DeletionRow, HistoryQuery, LedgerMetrics } from '../ledger/rows.ts';
import { type Failure, headersOf, outcomeOf } from '../problems/failure.ts';
import { instanceOf, PROBLEM_CONTENT_TYPE, problemBody } from '../problems/problem.ts';
import { type HttpEnv, record } from './context.ts';
import { METRICS_CONTENT_TYPE, type MetricsContext, metricsText } from './metrics.ts';
import { originOf } from './request.ts';

/**
 * The origin as the caller addressed it, but https in place of plain http; blank if it must not be repeated, so that what is built on
 * it is relative.
 */
export function originFor(c: Context<HttpEnv>): string {
  const origin = originOf(c.req.url, c.get('mayKeep'));
  return c.get('transport') === 'http' && origin !== '' ? `https://${new URL(origin).hostname}` : origin;
}

/** `deletion` is where the final outcome of the deletion becomes known that the failure is about. */
export function respondProblem(c: Context<HttpEnv>, failure: Failure, deletion?: string): Response {
  record(c, { failure });
  const instance = instanceOf(c.req.path);
  const context = {
    origin: originFor(c),
    instance: c.get('mayKeep')(instance) ? instance : '/',
    requestId: c.get('requestId'),
    ...(deletion && { deletion }),
  };
  const body = problemBody(failure, context);
  return new Response(JSON.stringify(body), {
    status: body.status,
    headers: { 'Content-Type': PROBLEM_CONTENT_TYPE, ...headersOf(failure) },
  });
}

export function respondDeletion(
  c: Context<HttpEnv>,
  { requestId, caller, imageId }: DeletionRequest,
  deletion: Deletion,
) {
  record(c, { deletion });
  const { result, answer, first } = deletion;
  if (!result.ok) {
    const asked = askableRequest(result.failure, caller.id, requestId);
    return respondProblem(c, result.failure, asked && deletionUrl(originFor(c), caller.id, imageId, asked));
  }
  const { outcome, confirmed } = result.value;
  const upstreamRequestId = (first === undefined ? answer?.requestId : first.upstreamRequestId) ?? null;
  return c.json<DeletionBody>({ id: imageId, outcome, confirmed, requestId, upstreamRequestId });
}

/** The request whose deletion the caller can ask about: its own if the outcome is unknown, or the open one if that is its own. */
function askableRequest(failure: Failure, callerId: string, requestId: string): string | undefined {
  if (failure.code === 'deletion_in_progress') {
    return failure.open.caller === callerId ? failure.open.requestId : undefined;
  }
  return outcomeOf(failure) === 'unknown' ? requestId : undefined;
}

export function respondPreview(c: Context<HttpEnv>, preview: Previewed): Response {
  record(c, { read: preview });
  const { result, answer } = preview;
  if (!result.ok) return respondProblem(c, result.failure);
  const upstreamRequestId = answer?.requestId ?? null;
  return c.json<PreviewBody>({ ...result.value, requestId: c.get('requestId'), upstreamRequestId });
}

/** `probed` is `null` if Baidu was not to be asked. */
export function respondReadiness(
  c: Context<HttpEnv>,
  { id, scopes }: Caller,
  keyFingerprint: string,
  probed: Probed | null,
): Response {
  if (probed !== null) record(c, { read: probed });
  if (probed?.result.ok === false) return respondProblem(c, probed.result.failure);
  return c.json<ReadinessBody>({
    status: 'ready',
    caller: id,
    scopes: [...scopes],
    keyFingerprint,
    credentialAccepted: probed && true,
    control: probed?.control ?? null,
  });
}

export function respondMetrics(metrics: LedgerMetrics, context: MetricsContext): Response {
  return new Response(metricsText(metrics, context), { headers: { 'Content-Type': METRICS_CONTENT_TYPE } });
}

/** `null` stands for a page or file that there is not. */
export function respondPage(c: Context<HttpEnv>, page: Response | null): Response {
  return page ?? respondProblem(c, { code: 'route_not_found' });
}

/** `query` is what the caller asked for. */
export function respondHistory(c: Context<HttpEnv>, rows: readonly DeletionRow[], query: HistoryQuery): Response {
  const next = nextLink(originFor(c), query, rows);
  return c.json<HistoryBody>({ deletions: rows.map(describeRow) }, 200, next === null ? {} : { Link: next });
}
