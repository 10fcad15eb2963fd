/**
 * `least.ts` with the least ledger: a Durable Object that inserts a row, sets an alarm for it, and settles it. It has no budgets, no
 * rules and no history. No gateway that records a deletion before it sends it can be much faster.
 */
import { DurableObject } from 'cloudflare:workers';
import { handle, type LeastEnv, type LeastLedger } from './least.ts';

const CHECK_AFTER_MS = 45_000;

export class Ledger extends DurableObject implements LeastLedger {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS deletions (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request_id TEXT NOT NULL,
         caller TEXT NOT NULL, image_id TEXT NOT NULL, reserved_at INTEGER NOT NULL, settled_at INTEGER,
         outcome TEXT NOT NULL DEFAULT 'unknown', upstream_request_id TEXT) STRICT;
       CREATE INDEX IF NOT EXISTS deletions_by_image ON deletions (image_id);
       CREATE INDEX IF NOT EXISTS deletions_by_caller ON deletions (caller);`,
    );
  }

  async reserve(id: string, requestId: string, caller: string, imageId: string): Promise<void> {
    const { sql } = this.ctx.storage;
    const nowMs = Date.now();
    const insert = 'INSERT INTO deletions (id, request_id, caller, image_id, reserved_at) VALUES (?, ?, ?, ?, ?)';
    sql.exec(insert, id, requestId, caller, imageId, nowMs);
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(nowMs + CHECK_AFTER_MS);
  }

  async settle(id: string, outcome: string, upstreamRequestId: string | null): Promise<void> {
    const update = 'UPDATE deletions SET settled_at = ?, outcome = ?, upstream_request_id = ? WHERE id = ?';
    this.ctx.storage.sql.exec(update, Date.now(), outcome, upstreamRequestId, id);
  }

  override async alarm(): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now() + CHECK_AFTER_MS);
  }
}

export default {
  fetch(
    request: Request,
    env: LeastEnv & { LEDGER: DurableObjectNamespace<Ledger> },
    ctx: ExecutionContext,
  ): Promise<Response> {
    const answer = handle(request, env, ctx, env.LEDGER.getByName('ledger'));
    ctx.waitUntil(answer);
    return answer;
  },
};
