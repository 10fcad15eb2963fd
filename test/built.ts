/** For everything that needs the built pages: Vitest, and the servers of the tests. */
import { DIST, isBuilt } from '../src/tools/build.ts';

/** Exits with one sentence if nothing was built. An outdated build is enough for tests that show no page. */
export function requireBuild(dist = DIST): void {
  if (isBuilt(dist)) return;
  console.error('The pages were not built: run "npm run build".');
  process.exit(1);
}
