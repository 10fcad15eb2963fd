/**
 * `npm run audit`: known vulnerabilities of the dependencies, as the registry tells them. Those of what is deployed fail the
 * check; those of tools are shown. A registry that answers no such question is said to be silent, and fails nothing.
 */
import { spawnSync } from 'node:child_process';
import { isRecord, parseJson } from '../../src/json.ts';

/** `null` where the registry does not answer. */
function vulnerabilities(...options: string[]): number | null {
  const { stdout } = spawnSync('npm', ['audit', '--json', ...options], { encoding: 'utf8' });
  const report = parseJson(stdout);
  const metadata = isRecord(report) ? report['metadata'] : undefined;
  const counts = isRecord(metadata) ? metadata['vulnerabilities'] : undefined;
  return isRecord(counts) && typeof counts['total'] === 'number' ? counts['total'] : null;
}

const deployed = vulnerabilities('--omit=dev');
const all = vulnerabilities();
if (deployed === null || all === null) {
  console.log('Dependencies: not checked, because the registry does not answer audits.');
} else {
  console.log(
    `Dependencies: ${deployed} known vulnerabilities in what is deployed, ${all - deployed} in tools (npm audit).`,
  );
  process.exitCode = deployed > 0 ? 1 : 0;
}
