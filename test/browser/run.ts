/**
 * `npm run test:browser`: a real Chromium opens the pages of the running gateway.
 *
 * Promises: the browser is installed on demand, below this folder, from npm; it leaves nothing elsewhere. Arguments go to
 * Vitest.
 */
import { installTools, run } from '../local/on-demand.ts';
import { temporaryFolder } from '../local/stack.ts';

const FOLDER = 'test/browser';

installTools(FOLDER);
run('tsc', ['-p', FOLDER]);
// Chromium unpacks itself into the temporary folder.
run('vitest', ['run', '--config', `${FOLDER}/vitest.config.ts`, ...process.argv.slice(2)], {
  TMPDIR: temporaryFolder('browser'),
});
