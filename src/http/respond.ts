/**
 * What came of a request, as a response.
 *
 * Promises: every failure has the one shape; whatever is answered is noted for the audit record.
 */
import type { Context } from 'hono';
import type { Deletion } from '../deletions/deletion.ts';
import { describeRow, nextLink } from '../deletions/history.ts';
import type { Previewed } from '../deletions/preview.ts';
import type { ImageId } from '../image-id.ts';
import type { DeletionRow } from '../ledger/rows.ts';
import { type Failure, headersOf } from '../problems/failure.ts';
import { PROBLEM_CONTENT_TYPE, problemBody } from '../problems/problem.ts';
import { type HttpEnv, record } from './context.ts';
import { originOf } from './request.ts';
import type { DeletionBody, HistoryBody, PreviewBody } from './schemas.ts';

export function respondProblem(c: Context<HttpEnv>, failure: Failure): Response {
  record(c, { failure });
  const body = problemBody(failure, originOf(c.req.url), c.req.path, c.get('requestId'));
  return new Response(JSON.stringify(body), {
    status: body.status,
    headers: { 'Content-Type': PROBLEM_CONTENT_TYPE, ...headersOf(failure) },
  });
}

export function respondDeletion(c: Context<HttpEnv>, id: ImageId, deletion: Deletion): Response {
  const { result, attempts, answer, settled, thrown } = deletion;
  record(c, { attempts, answer, settled, thrown });
  if (!result.ok) return respondProblem(c, result.failure);
  record(c, { outcome: result.value });
  const requestId = c.get('requestId');
  const body: DeletionBody = { id, outcome: result.value, requestId, upstreamRequestId: answer?.requestId ?? null };
  return c.json(body);
}

export function respondPreview(c: Context<HttpEnv>, { result, attempts, answer }: Previewed): Response {
  record(c, { attempts, answer });
  if (!result.ok) return respondProblem(c, result.failure);
  const upstreamRequestId = answer?.requestId ?? null;
  const body: PreviewBody = { ...result.value, requestId: c.get('requestId'), upstreamRequestId };
  return c.json(body);
}

export function respondHistory(
  c: Context<HttpEnv>,
  historyOf: string,
  rows: readonly DeletionRow[],
  limit: number,
): Response {
  const next = nextLink(new URL(c.req.url), rows, limit);
  const body: HistoryBody = { deletions: rows.map((row) => describeRow(row, historyOf)) };
  return c.json(body, 200, next === null ? {} : { Link: next });
}
