/**
 * The tests of the pure modules in Node.js, for mutation testing, which cannot run in workerd. The two modules of the platform
 * are played by `workers.ts` and `platform.ts`, with SQLite from Node.js.
 */
import { defineConfig } from 'vitest/config';

const beside = (file: string) => new URL(file, import.meta.url).pathname;

export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  resolve: { alias: { 'cloudflare:workers': beside('workers.ts'), 'cloudflare:test': beside('platform.ts') } },
  test: {
    include: ['*', 'baidu/*', 'callers/*', 'deletions/*', 'http/*', 'ledger/*', 'problems/*'].map(
      (name) => `test/${name}.test.ts`,
    ),
    exclude: ['test/index.test.ts', 'test/callers/new-key.test.ts'],
    setupFiles: [beside('platform.ts')],
    testTimeout: 60_000,
  },
});
