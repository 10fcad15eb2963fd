/** The tests in a real browser. It is not a dependency, so they are not part of `npm test`. */
import { defineConfig } from 'vitest/config';
import { requireBuild } from '../built.ts';

requireBuild();

export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: { include: ['test/browser/*.test.ts'], testTimeout: 200_000, hookTimeout: 200_000 },
});
