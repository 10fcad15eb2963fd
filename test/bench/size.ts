/** Bundle size, gzip size, and CPU time to the first answer: ours, ours with the official SDK, and an empty Hono app. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { vars } from './gateway.ts';
import { interleaved, printTable, seriesOf } from './measure.ts';
import { bundle, cpuUs, startWorkerd } from './servers.ts';

const ENTRIES = {
  'the entire Worker': 'workers/whole.ts',
  'an empty Hono app': 'workers/empty.ts',
  'the Worker with the official SDK': 'workers/with-sdk.ts',
};

/** The CPU time of a new workerd up to its first response, including V8 and the runtime, in milliseconds. */
async function startCpuMs(entry: string): Promise<number> {
  const { pid } = await startWorkerd(entry, { vars: vars('http://127.0.0.1:1'), ledger: 'stand-in' });
  const ms = cpuUs(pid) / 1000;
  process.kill(pid, 'SIGKILL');
  return ms;
}

export async function benchSize(rounds: number) {
  const starts = await interleaved(
    Object.fromEntries(Object.entries(ENTRIES).map(([name, entry]) => [name, () => startCpuMs(entry)])),
    rounds,
  );
  const rows = await Promise.all(
    Object.entries(ENTRIES).map(async ([name, entry]) => {
      const code = readFileSync(await bundle(entry));
      return { name, bytes: code.length, gzipBytes: gzipSync(code).length, startCpuMs: seriesOf(starts[name] ?? []) };
    }),
  );
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
  printTable(
    'Size and start',
    ['', 'minified', 'gzip', 'CPU to the first answer'],
    rows.map(({ name, bytes, gzipBytes, startCpuMs: ms }) => [
      name,
      kib(bytes),
      kib(gzipBytes),
      `${ms.median.toFixed(0)} ms`,
    ]),
  );
  return rows;
}
