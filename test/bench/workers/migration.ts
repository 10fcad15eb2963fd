/** Fills a ledger as 1.0.0 would, then migrates it. The caller measures the time. */
import { DurableObject } from 'cloudflare:workers';
import { MIGRATIONS } from '../../../src/worker/ledger/schema.ts';
import { LedgerStore } from '../../../src/worker/ledger/store.ts';
import { DAY_MS } from '../../../src/worker/time.ts';
import { SCHEDULE } from '../../fixtures.ts';

/** In one transaction, workerd would have to keep all pages in memory. */
const BATCH = 50_000;

export class Ledger extends DurableObject {
  /** Inserts rows `from` to `to`, spread over 400 days. `unknown` of all `rows` are unknown, evenly spread. */
  async fill(from: number, to: number, rows: number, unknown: number): Promise<void> {
    const { sql } = this.ctx.storage;
    if (from === 1) new LedgerStore(sql, SCHEDULE).migrate(MIGRATIONS.slice(0, 1));
    sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
       INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at, outcome, attempts)
       SELECT 'id-' || i, 'request-' || i, 'caller-' || (i % 50), 'm-' || (10000000 + i), '9ae8a8b2',
         CAST(?3 + i * ?4 AS INTEGER), CAST(?3 + i * ?4 AS INTEGER),
         CASE WHEN i % ?5 = 0 THEN 'unknown' WHEN i % 2 = 0 THEN 'deleted' ELSE 'rejected' END, 1
       FROM n`,
      from,
      to,
      Date.now() - 400 * DAY_MS,
      (399 * DAY_MS) / rows,
      Math.round(rows / unknown),
    );
  }

  async migrate(unknown: number): Promise<void> {
    const { sql } = this.ctx.storage;
    this.ctx.storage.transactionSync(() => new LedgerStore(sql, SCHEDULE).migrate());
    const { count } = sql.exec('SELECT COUNT(*) AS count FROM deletions WHERE next_check_at IS NOT NULL').one();
    if (count !== unknown) throw new Error(`${count} rows are due for a check, not ${unknown}`);
  }
}

export default {
  async fetch(request: Request, env: { LEDGER: DurableObjectNamespace<Ledger> }): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const ledger = env.LEDGER.getByName('ledger');
    const [rows, unknown] = [Number(searchParams.get('rows')), Number(searchParams.get('unknown'))];
    if (pathname === '/migrate') await ledger.migrate(unknown);
    for (let from = 1; pathname === '/fill' && from <= rows; from += BATCH) {
      await ledger.fill(from, Math.min(from + BATCH - 1, rows), rows, unknown);
    }
    return new Response('done');
  },
};
