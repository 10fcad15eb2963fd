/** The cost of the ledger's operations as it grows. */
import { interleaved, micro, printTable, seriesOf } from './measure.ts';
import { startWorkerd } from './servers.ts';

const ROWS = [0, 10_000, 1_000_000];
const OPERATIONS = {
  'reserve and settle': 500,
  'a page of everyone': 100,
  'a page of one caller': 100,
  'a page of one outcome': 100,
  'a page of one image': 500,
  metrics: 500,
};

const inWords = (count: number, noun: string) => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;

export async function benchGrowth(rounds: number) {
  const { url } = await startWorkerd('workers/growth.ts', { ledger: 'disk' });
  const call = async (query: Record<string, string>) => {
    const start = process.hrtime.bigint();
    const response = await fetch(`${url}/?${new URLSearchParams(query)}`);
    if (!response.ok) throw new Error(await response.text());
    await response.text();
    return Number(process.hrtime.bigint() - start);
  };
  for (const rows of ROWS) await call({ rows: String(rows), operation: 'fill' });
  const subjects = Object.entries(OPERATIONS).flatMap(([operation, times]) =>
    ROWS.map((rows) => ({ name: `${operation}, ${inWords(rows, 'row')}`, operation, times, rows: String(rows) })),
  );
  const ledger = await interleaved(
    Object.fromEntries(
      subjects.map(({ name, operation, times, rows }) => [
        name,
        async () => {
          const empty = await call({ rows, operation, times: '0' });
          return ((await call({ rows, operation, times: String(times) })) - empty) / times;
        },
      ]),
    ),
    rounds,
  );
  const results = Object.entries(ledger).map(([name, each]) => ({
    name,
    ns: seriesOf(each),
  }));
  const median = (name: string) => micro(results.find((result) => result.name === name)?.ns.median ?? Number.NaN);
  printTable(
    'The ledger as it grows',
    ['', ...ROWS.map((rows) => inWords(rows, 'row'))],
    Object.keys(OPERATIONS).map((name) => [name, ...ROWS.map((rows) => median(`${name}, ${inWords(rows, 'row')}`))]),
  );
  return results;
}
