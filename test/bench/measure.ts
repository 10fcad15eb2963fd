/**
 * Measures medians of interleaved rounds. If the machine's speed drifts, it drifts for all subjects alike.
 */

export interface Series {
  /** The median of the rounds. */
  median: number;
  min: number;
  max: number;
}

export function seriesOf(values: readonly number[]): Series {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const half = sorted.length / 2;
  const median = sorted.length % 2 === 1 ? at(Math.floor(half)) : (at(half - 1) + at(half)) / 2;
  return { median, min: at(0), max: at(sorted.length - 1) };
}

/** The ratio of two subjects, round by round. What slows both down in a round cancels out. */
export function ratioOf(values: readonly number[], others: readonly number[]): Series {
  return seriesOf(values.map((value, round) => value / (others[round] ?? Number.NaN)));
}

/** Runs each subject once a round and returns its results. The first round is a warm-up and does not count. */
export async function interleaved<T>(
  subjects: Readonly<Record<string, (isWarmUp: boolean) => Promise<T> | T>>,
  rounds: number,
): Promise<Record<string, T[]>> {
  const results: Record<string, T[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(subjects)) {
      const result = await run(round === 0);
      if (round > 0) results[name] = [...(results[name] ?? []), result];
    }
    process.stderr.write('.');
  }
  process.stderr.write('\n');
  return results;
}

/** The mean time of `count` calls of `act`, in nanoseconds. */
export async function nsPerCall(act: () => unknown, count: number): Promise<number> {
  const start = process.hrtime.bigint();
  for (let call = 0; call < count; call++) {
    const result = act();
    if (result instanceof Promise) await result;
  }
  return Number(process.hrtime.bigint() - start) / count;
}

export const micro = (ns: number) => `${(ns / 1000).toFixed(ns < 100_000 ? 1 : 0)} µs`;

/** 92, 9.1 or 0.57: the meaningful digits of a ratio. 1 for the subject that others are compared with. */
export function times({ median }: Series): string {
  if (median === 1) return '1';
  if (median >= 10) return median.toFixed(0);
  return median.toFixed(median > 1 ? 1 : 2);
}

/** Prints rows as a Markdown table under a heading. */
export function printTable(heading: string, columns: readonly string[], rows: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  console.log(`\n## ${heading}\n\n${line(columns)}\n|${'---|'.repeat(columns.length)}`);
  for (const row of rows) console.log(line(row));
}
