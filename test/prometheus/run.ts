/**
 * `npm run test:prometheus`: a real Prometheus scrapes the running gateway, and judges its metrics, the alerts and the dashboard.
 *
 * Promises: Prometheus is fetched on demand into a folder that Git ignores. Arguments go to Vitest.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathWithPrometheus } from './tools.ts';

const ROOT = join(import.meta.dirname, '../..');

function run(program: string, ...args: string[]): void {
  const { status } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

try {
  process.env['PATH'] = pathWithPrometheus();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
run('prometheus', '--version');
run('vitest', 'run', '--config', 'test/prometheus/vitest.config.ts', ...process.argv.slice(2));
