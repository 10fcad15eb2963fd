/**
 * The tests in Node.js, because mutation testing cannot run in workerd. `workers.ts` and `platform.ts` stand in for the two modules
 * of the platform, with SQLite from Node.js. The tests that need a real Worker, a socket or npm, count what SQLite bills on the
 * platform, or take long are left out.
 */
import { defineConfig } from 'vitest/config';

const beside = (file: string) => new URL(file, import.meta.url).pathname;

export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  resolve: { alias: { 'cloudflare:workers': beside('workers.ts'), 'cloudflare:test': beside('platform.ts') } },
  test: {
    include: [
      '*',
      'client/*',
      'console/*',
      'openapi/*',
      'worker/*',
      'worker/{baidu,callers,deletions,http,ledger,problems}/*',
    ].map((name) => `test/${name}.test.ts`),
    exclude: [
      'test/worker/index.test.ts',
      'test/runbook.test.ts',
      'test/worker/ledger/cost.test.ts',
      'test/paths.test.ts',
      'test/client/worker.test.ts',
    ],
    setupFiles: [beside('platform.ts')],
    globalSetup: [beside('global-setup.ts')],
    testTimeout: 60_000,
  },
});
