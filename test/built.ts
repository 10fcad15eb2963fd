/** For what needs the pages: Vitest, and the servers of the tests. */
import { DIST, isBuilt } from '../src/tools/build.ts';

/** Ends the process with one sentence if nothing was built. A build of older sources is enough for a test that shows no page. */
export function requireBuild(dist = DIST): void {
  if (isBuilt(dist)) return;
  console.error('The pages were not built: run "npm run build".');
  process.exit(1);
}
