/**
 * A real Prometheus on loopback.
 *
 * Promises: its data is in a temporary folder; it ends with the program that started it. Never: returns before it is ready.
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

/** One series of a result. */
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

  /** Starts Prometheus with this configuration file. */
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

  /** The data of a response. @throws Error if Prometheus refuses the request */
  async ask(path: string): Promise<unknown> {
    const answer: unknown = await (await fetch(`${this.#url}/api/v1/${path}`)).json();
    if (!isRecord(answer) || answer['status'] !== 'success') throw new Error(`${path}: ${JSON.stringify(answer)}`);
    return answer['data'];
  }

  /** The current series of an expression. @throws Error if Prometheus refuses it */
  async query(expression: string): Promise<Sample[]> {
    const data = await this.ask(`query?${new URLSearchParams({ query: expression })}`);
    return listOf(data, 'result').map(({ metric, value }) => {
      if (!isRecord(metric) || !Array.isArray(value)) throw new Error(`no series: ${JSON.stringify(data)}`);
      const labels = Object.entries(metric).map(([name, text]) => [name, String(text)]);
      return { labels: Object.fromEntries(labels), value: Number(value[1]) };
    });
  }

  /** The only current value of an expression; `undefined` without one. */
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

/** Polls until `isSo` is true. A test that waits in vain times out. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(POLL_MS);
}

/** A list of objects in a response. */
export function listOf(data: unknown, name: string): Readonly<Record<string, unknown>>[] {
  const list = isRecord(data) ? data[name] : undefined;
  if (!Array.isArray(list) || !list.every(isRecord)) throw new Error(`no ${name}: ${JSON.stringify(data)}`);
  return list;
}
