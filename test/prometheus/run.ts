/**
 * `npm run test:prometheus`: a real Prometheus scrapes the running gateway, and judges its metrics, the alerts and the dashboard.
 *
 * Promises: Prometheus is fetched on demand into a folder that Git ignores. Arguments go to Vitest.
 */
import { run } from '../local/on-demand.ts';
import { pathWithPrometheus } from './tools.ts';

try {
  process.env['PATH'] = pathWithPrometheus();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
run('prometheus', ['--version']);
run('vitest', ['run', '--config', 'test/prometheus/vitest.config.ts', ...process.argv.slice(2)]);
