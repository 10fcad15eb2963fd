/**
 * A real Prometheus on loopback.
 *
 * Promises: its data lies in a temporary folder; it ends with the program that started it. Never: returns before it answers.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isRecord } from '../../src/worker/json.ts';
import { freePort, temporaryFolder } from '../local/stack.ts';

const POLL_MS = 200;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** One series of an answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Prometheus {
  readonly #url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.#url = url;
    this.#child = child;
  }

  /** Starts it with this configuration file. */
  static async start(configFile: string): Promise<Prometheus> {
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      'prometheus',
      [
        `--config.file=${configFile}`,
        `--web.listen-address=${address}`,
        `--storage.tsdb.path=${join(temporaryFolder('prometheus'), 'data')}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    running.add(child);
    child.once('exit', () => running.delete(child));
    const url = `http://${address}`;
    await until(async () => {
      if (child.exitCode !== null) throw new Error('Prometheus ended');
      return fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    return new Prometheus(url, child);
  }

  /** The data of an answer. @throws Error if Prometheus refuses the question */
  async ask(path: string): Promise<unknown> {
    const answer: unknown = await (await fetch(`${this.#url}/api/v1/${path}`)).json();
    if (!isRecord(answer) || answer['status'] !== 'success') throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer['data'];
  }

  /** The series that the expression gives now. @throws Error if Prometheus does not take the expression */
  async query(expression: string): Promise<Sample[]> {
    const data = await this.ask(`query?${new URLSearchParams({ query: expression })}`);
    return listOf(data, 'result').map(({ metric, value }) => {
      if (!isRecord(metric) || !Array.isArray(value)) throw new Error(`no series: ${JSON.stringify(data)}`);
      const labels = Object.entries(metric).map(([name, text]) => [name, String(text)]);
      return { labels: Object.fromEntries(labels), value: Number(value[1]) };
    });
  }

  /** The one value that the expression gives now; `undefined` if it gives none. */
  async value(expression: string): Promise<number | undefined> {
    const samples = await this.query(expression);
    if (samples.length > 1) throw new Error(`${expression} has ${samples.length} values`);
    return samples[0]?.value;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await gone;
  }
}

/** Asks again and again until it is so. A test that waits in vain ends by its timeout. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(POLL_MS);
}

/** A list of objects in an answer. */
export function listOf(data: unknown, name: string): Readonly<Record<string, unknown>>[] {
  const list = isRecord(data) ? data[name] : undefined;
  if (!Array.isArray(list) || !list.every(isRecord)) throw new Error(`no ${name}: ${JSON.stringify(data)}`);
  return list;
}
