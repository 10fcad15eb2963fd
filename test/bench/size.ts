/** Bundle, gzip, and the CPU time that workerd needs to have it ready: ours, ours with the official SDK, an empty Hono app. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { interleaved, printTable, seriesOf } from './measure.ts';
import { bundle, startWorkerd } from './servers.ts';

const ENTRIES = {
  'the whole Worker': 'workers/whole.ts',
  'an empty Hono app': 'workers/empty.ts',
  'the Worker with the official SDK': 'workers/with-sdk.ts',
};

/** Wall time of a new workerd from its start to its first answer, in milliseconds. */
async function startMs(entry: string): Promise<number> {
  const start = performance.now();
  const { url, pid } = await startWorkerd(entry, {});
  await fetch(`${url}/healthz`);
  const ms = performance.now() - start;
  process.kill(pid, 'SIGKILL');
  return ms;
}

export async function benchSize(rounds: number) {
  const starts = await interleaved(
    Object.fromEntries(Object.entries(ENTRIES).map(([name, entry]) => [name, () => startMs(entry)])),
    rounds,
  );
  const rows = await Promise.all(
    Object.entries(ENTRIES).map(async ([name, entry]) => {
      const code = readFileSync(await bundle(entry));
      return { name, bytes: code.length, gzipBytes: gzipSync(code).length, startMs: seriesOf(starts[name] ?? []) };
    }),
  );
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
  printTable(
    'Size, and time from the start of workerd to the first answer',
    ['', 'minified', 'gzip', 'start ms', 'min–max'],
    rows.map(({ name, bytes, gzipBytes, startMs: ms }) => [
      name,
      kib(bytes),
      kib(gzipBytes),
      ms.median.toFixed(0),
      `${ms.min.toFixed(0)}–${ms.max.toFixed(0)}`,
    ]),
  );
  return rows;
}
