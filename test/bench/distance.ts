/**
 * The latency of a ledger far away, for a caller.
 *
 * Requests arrive by the clock, whether or not earlier ones have been answered, and latency counts from when a request was due.
 * Connections that wait for their answers would run in step, and hide what happens after an answer.
 */
import { Agent, request } from 'node:http';
import { keyOf, vars } from './gateway.ts';
import { interleaved, printTable, seriesOf } from './measure.ts';
import { type Subject, startNode, startWorkerd } from './servers.ts';

/** One way, from the Worker to the ledger. */
const DISTANCES_MS = [0, 10, 30];
const UPSTREAM_MS = 50;
const UPSTREAM_JITTER_MS = 10;
/** Few enough that the machine is mostly idle. */
const ARRIVALS_PER_S = 40;

let sent = 0;

/** Sends one deletion. Resolves with its latency in milliseconds, from when it was due. */
function deleteOne({ url }: Subject, agent: Agent, dueMs: number): Promise<number> {
  const path = `/images/m-${String(sent++).padStart(8, '0')}`;
  const headers = { Authorization: `Bearer ${keyOf(0)}` };
  return new Promise((resolve, reject) => {
    request(`${url}${path}`, { method: 'DELETE', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - dueMs);
        else reject(new Error(`status ${response.statusCode}`));
      });
    })
      .on('error', reject)
      .end();
  });
}

/** The median latency of `seconds` of arrivals. */
async function medianOf(subject: Subject, seconds: number): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  const startMs = performance.now();
  const latencies = await Promise.all(
    Array.from({ length: ARRIVALS_PER_S * seconds }, async (_, n) => {
      const dueMs = startMs + (n * 1000) / ARRIVALS_PER_S;
      await new Promise((resolve) => setTimeout(resolve, Math.max(dueMs - performance.now(), 0)));
      return deleteOne(subject, agent, dueMs);
    }),
  );
  agent.destroy();
  return seriesOf(latencies).median;
}

export async function benchDistance(rounds: number, seconds: number) {
  const upstream = await startNode('peers/upstream.ts', String(UPSTREAM_MS), String(UPSTREAM_JITTER_MS));
  const bare = await startWorkerd('workers/bare.ts', { vars: { BCC_ENDPOINT: upstream.url } });
  const gateways: Subject[] = [];
  for (const delayMs of DISTANCES_MS) {
    gateways.push(await startWorkerd('workers/whole.ts', { vars: vars(upstream.url), ledger: { delayMs } }));
  }
  const medians = await interleaved(
    {
      bare: () => medianOf(bare, seconds),
      ...Object.fromEntries(
        gateways.map((gateway, index) => [String(DISTANCES_MS[index]), () => medianOf(gateway, seconds)]),
      ),
    },
    rounds,
  );
  const rows = DISTANCES_MS.map((delayMs) => {
    const p50Ms = medians[String(delayMs)] ?? [];
    const addedMs = p50Ms.map((ms, round) => ms - (medians['bare']?.[round] ?? Number.NaN));
    return { delayMs, p50Ms: seriesOf(p50Ms), addedMs: seriesOf(addedMs) };
  });
  printTable(
    'A ledger far away',
    ['ledger, one way', 'p50 ms', 'more than the bare Worker', 'of that, the way there and back'],
    rows.map(({ delayMs, p50Ms, addedMs }) => [
      `${delayMs} ms`,
      p50Ms.median.toFixed(1),
      addedMs.median.toFixed(1),
      String(2 * delayMs),
    ]),
  );
  return rows;
}
