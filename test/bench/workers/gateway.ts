/** The gateway's own app, with limiters that let everything through: what is measured is work, not refusal. */
import { createApp } from '../../../src/app.ts';
import { parseConfig, type UncheckedEnv } from '../../../src/config.ts';

/** Counts as the platform does, in memory, without ever reaching the limit. */
function limiter() {
  const counts = new Map<string, number>();
  return {
    limit: async ({ key }: { key: string }) => {
      counts.set(key, (counts.get(key) ?? 0) + 1);
      return { success: true };
    },
  };
}

export function createGateway(ledger?: object) {
  let app: ReturnType<typeof createApp> | undefined;
  return {
    fetch(request: Request, env: UncheckedEnv, ctx: ExecutionContext) {
      const limiters = { RATE_LIMITER_BURST: limiter(), RATE_LIMITER_SUSTAINED: limiter() };
      app ??= createApp(parseConfig({ ...env, ...limiters, LEDGER: ledger ?? env.LEDGER }), {
        now: () => Date.now(),
        random: () => Math.random(),
        randomUUID: () => crypto.randomUUID(),
        sleep: (ms) => scheduler.wait(ms),
        fetch: (url, request) => fetch(url, request),
        log: (severity, line) => (severity === 'ERROR' ? console.error(line) : console.log(line)),
      });
      const answer = Promise.resolve(app.fetch(request));
      ctx.waitUntil(answer);
      return answer;
    },
  };
}
