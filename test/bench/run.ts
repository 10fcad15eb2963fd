/**
 * `npm run bench`: the figures of this folder's README, as Markdown tables in the form in which they stand there.
 *
 * Promises: what it compares the gateway with is installed on demand, below this folder, and leaves the lock file as it is;
 * everything is type-checked before it is measured.
 */
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { run } from '../local/on-demand.ts';

const USAGE = `npm run bench -- [options]

  --only PARTS     some of signing,size,identity,kept,growth,migration,distance,gateway (default: all)
  --rounds N       rounds after the one that warms up (default: 5)
  --seconds N      how long each round loads each server (default: 4)
  --json FILE      also writes every figure, with its least and its greatest, to FILE
  --help           prints this`;

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

// Imported late, because they need what was installed above.
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
