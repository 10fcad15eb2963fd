/**
 * `npm run bench`: the figures of this folder's README, as Markdown tables in the same form.
 *
 * Promises: installs the other clients and servers on demand, below this folder, and does not change the lock file; type-checks
 * everything before it measures.
 */
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { run } from '../local/on-demand.ts';

const USAGE = `npm run bench -- [options]

  --only PARTS     any of signing,size,identity,kept,growth,migration,distance,gateway (default: all)
  --rounds N       rounds after the warm-up (default: 5)
  --seconds N      seconds of load for each server in a round (default: 4)
  --json FILE      also write every figure to FILE, with its minimum and maximum
  --help           print this`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: 'signing,size,identity,kept,growth,migration,distance,gateway' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit();
}

run('npm', ['install', '--prefix=test/bench', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error']);
run('tsc', ['-p', 'test/bench']);
run('tsc', ['-p', 'test/bench/workers']);

const rounds = Number(values.rounds);
const parts = values.only.split(',');
const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${process.platform} ${process.arch}`,
  node: process.version,
};
const date = new Date().toISOString();
console.log(
  `\n${date.slice(0, 10)}, ${machine.cores} cores of ${machine.cpu}, Node.js ${machine.node}, ${rounds} rounds`,
);

// Imported here, because they need what is installed above.
const { benchSigning } = await import('./signing.ts');
const { benchSize } = await import('./size.ts');
const { benchIdentity } = await import('./identity.ts');
const { benchKeptText } = await import('./kept-text.ts');
const { benchGrowth } = await import('./growth.ts');
const { benchMigration } = await import('./migration.ts');
const { benchDistance } = await import('./distance.ts');
const { benchGateway } = await import('./gateway.ts');
const report = {
  date,
  machine,
  rounds,
  signing: parts.includes('signing') ? await benchSigning(rounds) : undefined,
  size: parts.includes('size') ? await benchSize(rounds) : undefined,
  identity: parts.includes('identity') ? await benchIdentity(rounds) : undefined,
  kept: parts.includes('kept') ? await benchKeptText(rounds) : undefined,
  growth: parts.includes('growth') ? await benchGrowth(rounds) : undefined,
  migration: parts.includes('migration') ? await benchMigration(rounds) : undefined,
  distance: parts.includes('distance') ? await benchDistance(rounds, Number(values.seconds)) : undefined,
  gateway: parts.includes('gateway') ? await benchGateway(rounds, Number(values.seconds)) : undefined,
};
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exit();
