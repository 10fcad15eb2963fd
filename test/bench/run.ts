/**
 * `npm run bench`: every figure of the README, side by side with its peers, in one run; a table on the screen, and the same as
 * JSON in the file that `--json` names. `--rounds N`, `--seconds N`, and `--only signing,gateway,size,growth` make it shorter.
 */
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { benchGateway } from './gateway.ts';
import { benchGrowth } from './growth.ts';
import { benchSigning } from './signing.ts';
import { benchSize } from './size.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: 'signing,gateway,size,growth' },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const parts = values.only.split(',');
const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${process.platform} ${process.arch}`,
  node: process.version,
};
console.log(
  `${new Date().toISOString().slice(0, 10)}, ${machine.cores} cores of ${machine.cpu}, Node.js ${machine.node}`,
);
const report = {
  date: new Date().toISOString(),
  machine,
  rounds,
  signing: parts.includes('signing') ? await benchSigning(rounds) : undefined,
  size: parts.includes('size') ? await benchSize(rounds) : undefined,
  growth: parts.includes('growth') ? await benchGrowth(rounds) : undefined,
  gateway: parts.includes('gateway') ? await benchGateway(rounds, Number(values.seconds)) : undefined,
};
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exit();
