/** Fills a ledger with a given number of rows, and runs its operations a given number of times. The caller measures the time. */
import { DurableObject } from 'cloudflare:workers';
import type { HistoryQuery } from '../../../src/worker/ledger/rows.ts';
import { LedgerStore } from '../../../src/worker/ledger/store.ts';
import { DAY_MS } from '../../../src/worker/time.ts';
import { ALL_ROWS, SCHEDULE } from '../../fixtures.ts';

const NOW_MS = Date.UTC(2026, 10, 23);
const everything = { ...ALL_ROWS, limit: 100 };

export class Ledger extends DurableObject {
  /** Spreads the rows evenly over 400 days, so that about as many count as a budget allows. */
  async fill(rows: number): Promise<void> {
    new LedgerStore(this.ctx.storage.sql, SCHEDULE).migrate();
    this.ctx.storage.sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
       INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at, settled_at, outcome, attempts)
       SELECT 'id-' || i, 'request-' || i, 'caller-' || (i % 50), 'm-' || (10000000 + i), '9ae8a8b2',
         CAST(?2 + i * (?3 / ?1) AS INTEGER), CAST(?2 + i * (?3 / ?1) AS INTEGER), ?2,
         CASE WHEN i % 1000 = 0 THEN 'not_deleted' WHEN i % 2 = 0 THEN 'deleted' ELSE 'rejected' END, 1
       FROM n WHERE ?1 > 0`,
      rows,
      NOW_MS - 400 * DAY_MS,
      399.9 * DAY_MS,
    );
    this.ctx.storage.sql.exec(
      `INSERT INTO counters SELECT 'deletions', caller, outcome, COUNT(*) FROM deletions GROUP BY caller, outcome`,
    );
  }

  async run(operation: string, times: number): Promise<number> {
    const store = new LedgerStore(this.ctx.storage.sql, SCHEDULE);
    const settlement = {
      outcome: 'rejected',
      confirmed: null,
      code: null,
      attempts: 1,
      upstreamRequestId: null,
      imageName: null,
    } as const;
    const image = { requestId: 'r', caller: 'caller-1', subject: null, imageId: 'm-custom01', keyFingerprint: 'f' };
    const pages: Readonly<Record<string, HistoryQuery>> = {
      'a page of everyone': everything,
      'a page of one caller': { ...everything, caller: 'caller-7' },
      'a page of one outcome': { ...everything, outcome: 'not_deleted' },
      'a page of one image': { ...everything, imageId: 'm-10000007' },
    };
    const page = pages[operation];
    let seen = 0;
    for (let time = 0; time < times; time++) {
      if (page !== undefined) {
        seen += store.history(page).length;
        continue;
      }
      if (operation === 'metrics') {
        seen += store.metrics(NOW_MS).rows;
        continue;
      }
      const id = crypto.randomUUID();
      store.reserve({ ...image, id }, { caller: 10_000, account: 100_000 }, NOW_MS);
      store.settle(id, settlement, NOW_MS);
    }
    return seen;
  }
}

export default {
  async fetch(request: Request, env: { LEDGER: DurableObjectNamespace<Ledger> }): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const ledger = env.LEDGER.getByName(query.get('rows') ?? 'none');
    const operation = query.get('operation');
    if (operation === 'fill') await ledger.fill(Number(query.get('rows')));
    else if (operation !== null) await ledger.run(operation, Number(query.get('times')));
    return new Response('done');
  },
};
