/**
 * `npm run mutate`: breaks the modules that decide, one place at a time, and shows the changes that no test notices. Arguments go to
 * Stryker: `npm run mutate -- --mutate src/worker/baidu/signer.ts`.
 *
 * Promises: Stryker is installed on demand, and package.json and the lock file stay unchanged.
 */
import { run } from '../local/on-demand.ts';

const STRYKER = ['@stryker-mutator/core@10.1.1', '@stryker-mutator/vitest-runner@10.1.1'];

run('npm', ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error', ...STRYKER]);
run('stryker', ['run', 'test/mutation/stryker.config.json', ...process.argv.slice(2)]);
