/** The tests with a real Prometheus. They wait for its clock, so they are not part of `npm test`. */
import { defineConfig } from 'vitest/config';
import { requireBuild } from '../built.ts';

requireBuild();

export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: { include: ['test/prometheus/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
});
