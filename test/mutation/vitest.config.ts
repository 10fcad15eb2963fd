/**
 * Runs the tests in Node.js, because mutation testing cannot run in workerd. `workers.ts` and `platform.ts` replace the platform's two
 * modules, with SQLite from Node.js. Left out are tests that take long, that need a real Worker, a socket or npm, or that count the rows
 * the platform would bill.
 */
import { defineConfig } from 'vitest/config';

const FOLDERS = [
  '',
  'client/',
  'console/',
  'openapi/',
  'worker/',
  'worker/{baidu,callers,deletions,http,ledger,problems}/',
];
/** The only folder whose tests run, such as `worker/baidu/`. */
const folder = process.env['MUTATION_TESTS'];
const beside = (file: string) => new URL(file, import.meta.url).pathname;

export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  resolve: { alias: { 'cloudflare:workers': beside('workers.ts'), 'cloudflare:test': beside('platform.ts') } },
  test: {
    include: (folder === undefined ? FOLDERS : [folder]).map((each) => `test/${each}*.test.ts`),
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
