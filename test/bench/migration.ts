/**
 * The time and memory to migrate a ledger of 1.0.0 to this release.
 *
 * workerd itself runs the migration, on a ledger with the schema of 1.0.0. Each round has a new ledger.
 */
import { readFileSync } from 'node:fs';
import { printTable, seriesOf } from './measure.ts';
import { cpuUs, startWorkerd } from './servers.ts';

/** As many rows as a ledger holds before it removes those without effect. */
const ROWS = 1_000_000;
/** These are checked after the migration, so the migration must write them. */
const UNKNOWN = 100_000;
const BYTES_PER_KIB = 1024;
const MIB = 1024 * 1024;

/** The peak memory of a process so far, in bytes, from the kernel. Linux only. */
function peakBytes(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * BYTES_PER_KIB;
}

export async function benchMigration(rounds: number) {
  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  const moreMiB: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { url, pid } = await startWorkerd('workers/migration.ts', { ledger: 'disk' });
    const call = async (operation: string) => {
      const start = performance.now();
      const response = await fetch(
        `${url}/${operation}?${new URLSearchParams({ rows: `${ROWS}`, unknown: `${UNKNOWN}` })}`,
      );
      if (!response.ok) throw new Error(await response.text());
      return performance.now() - start;
    };
    await call('fill');
    const before = { bytes: peakBytes(pid), us: cpuUs(pid) };
    seconds.push((await call('migrate')) / 1000);
    cpuSeconds.push((cpuUs(pid) - before.us) / 1e6);
    moreMiB.push((peakBytes(pid) - before.bytes) / MIB);
    process.stderr.write('.');
  }
  process.stderr.write('\n');
  const result = { seconds: seriesOf(seconds), cpuSeconds: seriesOf(cpuSeconds), moreMiB: seriesOf(moreMiB) };
  printTable(
    'A ledger of 1.0.0 that becomes one of this release',
    ['rows', 'of them unknown', 'time', 'CPU', 'more memory than to fill it'],
    [
      [
        ROWS.toLocaleString('en'),
        UNKNOWN.toLocaleString('en'),
        `${result.seconds.median.toFixed(1)} s`,
        `${result.cpuSeconds.median.toFixed(1)} s`,
        `${result.moreMiB.median.toFixed(0)} MiB`,
      ],
    ],
  );
  return result;
}
