/**
 * A fake of a gateway's history, with as many rows as a test wants: only `GET /deletions`, over a real socket.
 *
 * Promises: order, filters and pages are those of the gateway. Never: stores a row.
 */
import type { DeletionJson } from '../../src/client/index.ts';
import { serve } from './api.ts';

export interface History {
  readonly url: string;
  /** The query of each page requested. */
  readonly pages: URLSearchParams[];
  /** Newest first. */
  rowAt: (index: number) => DeletionJson;
  length: number;
  /** Whether the answer to this page, counted from 0, is lost. */
  isLost: (page: number) => boolean;
  readonly stop: () => Promise<void>;
}

export async function startHistory(): Promise<History> {
  const server = await serve((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://history.test');
    const page = history.pages.push(searchParams) - 1;
    const limit = Number(searchParams.get('limit') ?? 100);
    const sinceMs = Date.parse(searchParams.get('since') ?? '1970-01-01T00:00:00Z');
    const untilMs = Date.parse(searchParams.get('until') ?? '9999-01-01T00:00:00Z');
    const rows: DeletionJson[] = [];
    let index = Number(searchParams.get('cursor') ?? 0);
    for (; index < history.length && rows.length < limit; index++) {
      const row = history.rowAt(index);
      const atMs = Date.parse(row.reservedAt);
      if (atMs >= sinceMs && atMs < untilMs) rows.push(row);
    }
    if (history.isLost(page)) {
      request.socket.destroy();
      return;
    }
    searchParams.set('cursor', `${index}`);
    response.writeHead(200, {
      'content-type': 'application/json',
      'x-request-id': String(request.headers['x-request-id']),
      ...(index < history.length && { link: `<https://gateway.test/deletions?${searchParams}>; rel="next"` }),
    });
    response.end(JSON.stringify({ deletions: rows }));
  });
  const history: History = {
    url: server.url,
    pages: [],
    rowAt: () => {
      throw new Error('There are no rows.');
    },
    length: 0,
    isLost: () => false,
    stop: server.stop,
  };
  return history;
}
