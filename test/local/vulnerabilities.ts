/**
 * `npm run vulnerabilities`: the known vulnerabilities of the dependencies, as reported by the registry. One in what is deployed
 * fails the check; one in the tools is only shown. Some registries do not answer this question: then the check says so and passes.
 */
import { spawnSync } from 'node:child_process';
import { isRecord, parseJson } from '../../src/worker/json.ts';

/** The number that the registry knows, or `null` if it does not answer. */
function knownVulnerabilities(...options: string[]): number | null {
  const { stdout } = spawnSync('npm', ['audit', '--json', ...options], { encoding: 'utf8' });
  const report = parseJson(stdout);
  const metadata = isRecord(report) ? report['metadata'] : undefined;
  const counts = isRecord(metadata) ? metadata['vulnerabilities'] : undefined;
  return isRecord(counts) && typeof counts['total'] === 'number' ? counts['total'] : null;
}

const deployed = knownVulnerabilities('--omit=dev');
const all = knownVulnerabilities();
if (deployed === null || all === null) {
  console.log('Dependencies: not checked, because the registry does not answer `npm audit`.');
} else {
  console.log(
    `Dependencies: ${deployed} known vulnerabilities in what is deployed, ${all - deployed} in tools (npm audit).`,
  );
  process.exitCode = deployed > 0 ? 1 : 0;
}
