/**
 * What is deployed, and one more path, which moves every deletion so far two days into the past. Otherwise minutes of load would
 * count as many images against the budgets as a gateway sees in years.
 */
import gateway, { Ledger as DeployedLedger } from '../../../src/worker/index.ts';
import { DAY_MS } from '../../../src/worker/time.ts';

interface DaysEnv extends Env {
  LEDGER: DurableObjectNamespace<Ledger>;
}

export class Ledger extends DeployedLedger {
  async passDays(): Promise<void> {
    this.ctx.storage.sql.exec(
      `UPDATE deletions SET reserved_at = reserved_at - ?1 WHERE outcome = 'deleted' AND reserved_at > ?2`,
      2 * DAY_MS,
      Date.now() - DAY_MS,
    );
  }
}

export default {
  async fetch(request, env, ctx) {
    if (!request.url.endsWith('/two-days-later')) return gateway.fetch(request, env, ctx);
    await env.LEDGER.getByName('ledger').passDays();
    return new Response();
  },
} satisfies ExportedHandler<DaysEnv>;
