/** The gateway under load, compared with the bare runtime, what a team would write today, and the upper limit. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { interleaved, printTable, ratioOf, type Series, seriesOf, times } from './measure.ts';
import { cpuUs, FOLDER, has, type Subject, startNginx, startNode, startWorkerd } from './servers.ts';

const BARE = 'the bare Worker: three lines that forward';
const CALLERS = 64;
/** Without a delay, enough to saturate every server. At 50 ms, few enough that requests seldom wait for each other. */
const CONNECTIONS_AT: Readonly<Record<number, number>> = { 0: 32, 50: 4 };
/** Enough, at any delay, to compile the code and open the connections before anything is counted. */
const WARM_UP_CONNECTIONS = 128;
/** V8 optimises a function only after thousands of calls. A shorter warm-up would measure compilation instead. */
const WARM_UP_S = 10;

interface Run {
  perSecond: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  cpuUs: number;
  failed: number;
}

/** One server's figures at one delay. */
interface Row extends Record<Exclude<keyof Run, 'failed'>, Series> {
  name: string;
  ofBare: Series;
  failed: number;
}

export const keyOf = (caller: number) => `bcg_bench${caller === 0 ? '' : caller}`;
const callers = Object.fromEntries(
  Array.from({ length: CALLERS }, (_, n) => [
    `caller-${n}`,
    {
      keySha256: [createHash('sha256').update(keyOf(n)).digest('hex')],
      scopes: ['images:delete'],
      dailyDeletions: 10_000,
    },
  ]),
);
export const vars = (endpoint: string) => ({
  BCC_ENDPOINT: endpoint,
  BCE_ACCESS_KEY_ID: 'a'.repeat(32),
  BCE_SECRET_ACCESS_KEY: 'b'.repeat(32),
  CALLERS: JSON.stringify(callers),
  DAILY_DELETIONS_TOTAL: '100000',
  PROTECTED_IMAGES: '[]',
  PROTECTED_NAMES: '[]',
});

let scripts = 0;

/** Uses a new image id for each request of all runs. Many callers take turns, so that no budget is used up. */
function wrkScript(path: string, manyCallers: boolean): string {
  const run = String(++scripts).padStart(4, '0');
  const file = join(FOLDER, `load-${run}.lua`);
  writeFileSync(
    file,
    `local n = 0
request = function()
  n = n + 1
  local caller = ${manyCallers ? `n % ${CALLERS}` : '0'}
  local key = "bcg_bench" .. (caller == 0 and "" or caller)
  return wrk.format("DELETE", "${path}m-${run}" .. string.format("%08d", n), { ["Authorization"] = "Bearer " .. key })
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %f %f %f %f %d\\n", summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.timeout + e.status))
end
`,
  );
  return file;
}

function output(command: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
    });
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}

interface Load {
  readonly subject: Subject;
  /** The path before the image id. */
  readonly path: string;
  readonly manyCallers?: boolean;
  /** A path to request before each second of load, which does not count. */
  readonly before?: string;
}

/** Loads a server, in runs of one second if it has a `before`. */
export async function load(subject: Load, connections: number, seconds: number): Promise<Run> {
  const { before } = subject;
  if (before === undefined) return loadOnce(subject, connections, seconds);
  const runs: Run[] = [];
  for (let second = 0; second < seconds; second++) {
    const response = await fetch(subject.subject.url + before);
    if (!response.ok) throw new Error(`${before}: ${response.status}`);
    runs.push(await loadOnce(subject, connections, 1));
  }
  const mean = (figure: keyof Run) => runs.reduce((sum, run) => sum + run[figure], 0) / runs.length;
  const perSecond = mean('perSecond');
  return {
    perSecond,
    p50Ms: mean('p50Ms'),
    p95Ms: mean('p95Ms'),
    p99Ms: mean('p99Ms'),
    cpuUs: runs.reduce((sum, run) => sum + run.cpuUs * run.perSecond, 0) / (perSecond * runs.length),
    failed: runs.reduce((sum, run) => sum + run.failed, 0),
  };
}

async function loadOnce(
  { subject: { url, pid }, path, manyCallers = false }: Load,
  connections: number,
  seconds: number,
): Promise<Run> {
  const before = cpuUs(pid);
  const script = wrkScript(path, manyCallers);
  const text = await output('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url]);
  const [perSecond = 0, p50Ms = 0, p95Ms = 0, p99Ms = 0, failed = 0] =
    /RESULT (.+)/.exec(text)?.[1]?.split(' ').map(Number) ?? [];
  return { perSecond, p50Ms, p95Ms, p99Ms, failed, cpuUs: (cpuUs(pid) - before) / (perSecond * seconds) };
}

export async function benchGateway(rounds: number, seconds: number) {
  if (!has('wrk')) {
    console.log('\nThe gateway under load: left out, because wrk is not installed (Debian: apt-get install wrk).');
    return null;
  }
  const result: Record<string, Row[]> = {};
  for (const [delayMs, connections] of Object.entries(CONNECTIONS_AT).map(
    ([delay, count]) => [Number(delay), count] as const,
  )) {
    const upstream = await startNode('peers/upstream.ts', String(delayMs));
    const subjects: Record<string, Load> = {
      'the upstream, called directly': { subject: upstream, path: '/v2/image/' },
      [BARE]: {
        subject: await startWorkerd('workers/bare.ts', { vars: { BCC_ENDPOINT: upstream.url } }),
        path: '/images/',
      },
      'the same duties in one function, with neither framework nor ledger': {
        subject: await startWorkerd('workers/least.ts', { vars: vars(upstream.url) }),
        path: '/images/',
      },
      'the same with the least ledger': {
        subject: await startWorkerd('workers/least-ledger.ts', { vars: vars(upstream.url), ledger: 'disk' }),
        path: '/images/',
        manyCallers: true,
      },
      'the gateway, without its ledger': {
        subject: await startWorkerd('workers/whole.ts', { vars: vars(upstream.url), ledger: 'stand-in' }),
        path: '/images/',
      },
      'the gateway, with its ledger': {
        subject: await startWorkerd('workers/whole-days.ts', { vars: vars(upstream.url), ledger: 'disk' }),
        path: '/images/',
        manyCallers: true,
        before: '/two-days-later',
      },
      "Fastify, undici, the SDK's signer": {
        subject: await startNode('peers/fastify.ts', upstream.url),
        path: '/images/',
      },
      'Express with the official SDK': { subject: await startNode('peers/express.ts', upstream.url), path: '/images/' },
    };
    if (has('nginx')) subjects['nginx, unsigned'] = { subject: await startNginx(upstream.url), path: '/images/' };
    else console.error('nginx is left out, because it is not installed (Debian: apt-get install nginx-light).');

    const runs = await interleaved(
      Object.fromEntries(
        Object.entries(subjects).map(([name, subject]) => [
          name,
          (isWarmUp: boolean) =>
            isWarmUp ? load(subject, WARM_UP_CONNECTIONS, WARM_UP_S) : load(subject, connections, seconds),
        ]),
      ),
      rounds,
    );
    const perSecond = (each: readonly Run[]) => each.map((run) => run.perSecond);
    const bare = perSecond(runs[BARE] ?? []);
    result[`${delayMs} ms`] = Object.entries(runs).map(([name, each]) => {
      const of = (figure: keyof Run) => seriesOf(each.map((run) => run[figure]));
      return {
        name,
        perSecond: of('perSecond'),
        ofBare: ratioOf(perSecond(each), bare),
        p50Ms: of('p50Ms'),
        p95Ms: of('p95Ms'),
        p99Ms: of('p99Ms'),
        cpuUs: of('cpuUs'),
        failed: each.reduce((sum, run) => sum + run.failed, 0),
      };
    });
  }
  printLoad(result['0 ms'] ?? [], result['50 ms'] ?? []);
  return result;
}

/** Throughput and CPU without delay, when every server is busy, and the latency for a caller with a slow upstream. */
function printLoad(busy: readonly Row[], slow: readonly Row[]): void {
  const whole = ({ median }: Series) => Math.round(median).toLocaleString('en');
  const ms = ({ median }: Series) => median.toFixed(1);
  const rows = busy
    .toSorted((a, b) => b.perSecond.median - a.perSecond.median)
    .map(({ name, perSecond, ofBare, cpuUs, p50Ms, p95Ms, p99Ms }) => {
      const atDelay = slow.find((row) => row.name === name);
      const figures = [whole(perSecond), times(ofBare), whole(cpuUs), ms(p50Ms), ms(p95Ms), ms(p99Ms)];
      const cells = [...figures, ...(atDelay === undefined ? ['', ''] : [ms(atDelay.p50Ms), ms(atDelay.p99Ms)])];
      return name.startsWith('the gateway') ? [name, ...cells].map((cell) => `**${cell}**`) : [name, ...cells];
    });
  printTable(
    'The gateway under load',
    [
      '',
      'requests/s',
      'of the bare Worker',
      'CPU µs/request',
      'p50 ms',
      'p95 ms',
      'p99 ms',
      'p50 ms at 50 ms',
      'p99 ms at 50 ms',
    ],
    rows,
  );
  for (const { name, failed } of [...busy, ...slow]) {
    if (failed > 0) console.log(`\nDo not quote these figures: ${failed} requests through "${name}" failed.`);
  }
}
