/**
 * The gateway and the emulator as real servers on loopback, each in its own `wrangler dev`.
 *
 * Promises: it returns only servers that it started; everything that it starts ends with this process, however that ends;
 * nothing listens beyond loopback; a developer's `.dev.vars`, `.env`, variables and home have no effect. Never: returns before the
 * server answers, or builds the pages: `npm run build` has done that once for all servers.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireBuild } from '../built.ts';
import { EMULATOR_CREDENTIALS } from '../fixtures.ts';

const ROOT = join(import.meta.dirname, '../..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
const ANSI = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');
const START_TIMEOUT_MS = 60_000;
/**
 * Runs its arguments, and kills them with their children when descriptor 3 closes. The kernel closes it if the parent is killed.
 * The first line starts a process that waits for this, in the same group.
 */
const GUARDED = `( while read -r _; do :; done; kill -KILL 0 ) <&3 >/dev/null 2>&1 &
exec "$@" 3<&-`;
/** What Wrangler and Cloudflare's build system read. */
const FOREIGN_VARIABLE = /^(?:CLOUDFLARE|CF|WRANGLER|WORKERS_CI|X)_/;
/** Without this, a configured route gives the Worker its host name, and the Worker refuses plain http. */
export const LOCAL_ORIGIN = '--infer-origin-from-routes=false';

export interface Server {
  url: string;
  /** What the server has written to standard output and standard error so far. */
  output: () => string;
  /** Ends the server and its children. With SIGKILL they cannot clean up. */
  stop: (signal?: 'SIGTERM' | 'SIGKILL') => Promise<void>;
}

/** Processes and folders to remove if the program ends before it stops its servers. */
const leaders = new Set<ChildProcess>();
const folders = new Set<string>();
process.once('exit', () => {
  for (const { pid } of leaders) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  for (const folder of folders) {
    try {
      removeFolder(folder);
    } catch (error) {
      console.error(error);
    }
  }
});

/** A new folder, which is removed when the program ends. Vitest ends its workers without that, so some of a test's folders stay. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `bcc-${name}-`));
  folders.add(folder);
  return folder;
}

/**
 * Removes the folder of a server that has ended. A child that was killed with it may still write for a moment. Node.js 24 rounds the
 * pause between two tries down to whole seconds, and would not wait at all by default.
 */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
}

/** Settings that resolve an unknown outcome within seconds. */
export const HASTY = {
  UPSTREAM_ATTEMPT_TIMEOUT_MS: '900',
  UPSTREAM_DEADLINE_MS: '1000',
  RESOLVE_UNKNOWN_AFTER_S: '[5, 600]',
};

/** The variables with which a gateway calls this emulator. */
export const varsFor = (emulator: Pick<Server, 'url'>) => ({
  BCC_ENDPOINT: emulator.url,
  BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
  BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
});

export interface GatewayOptions {
  /** 0 takes a free port. */
  port: number;
  vars: Record<string, string>;
  /** Called with each line that the Worker logs. */
  onLine?: (line: string) => void;
  /** The folder for Durable Object storage; by default a new temporary one. */
  persistTo?: string;
  /** Further arguments of `wrangler dev`. */
  args?: readonly string[];
}

/** A gateway, and the folder where Workers on this machine find it for their service bindings. */
export interface Gateway extends Server {
  registry: string;
}

export async function startGateway({
  port,
  vars,
  onLine,
  persistTo,
  args = [LOCAL_ORIGIN],
}: GatewayOptions): Promise<Gateway> {
  const folder = temporaryFolder('gateway');
  const envFile = join(folder, 'vars.env');
  writeFileSync(
    envFile,
    Object.entries(vars)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
    { mode: 0o600 },
  );
  const config = ['--config', configWithoutBuild(folder), '--env-file', envFile, ...args];
  const plain = [
    'BCC_ENDPOINT',
    'ISSUERS',
    'UPSTREAM_ATTEMPT_TIMEOUT_MS',
    'UPSTREAM_DEADLINE_MS',
    'RESOLVE_UNKNOWN_AFTER_S',
    'DAILY_DELETIONS',
    'DAILY_DELETIONS_TOTAL',
    'PROTECTED_IMAGES',
  ];
  const overrides = plain.flatMap((name) => (vars[name] === undefined ? [] : ['--var', `${name}:${vars[name]}`]));
  const registry = join(folder, 'registry');
  const worker = await startWorker([...config, ...overrides, '--persist-to', persistTo ?? join(folder, 'state')], {
    port,
    probe: '/healthz',
    registry,
    onLine,
  });
  return {
    ...worker,
    registry,
    stop: (signal) => worker.stop(signal).finally(() => removeFolder(folder)),
  };
}

/** Writes `wrangler.toml` into `folder` without its build step, and returns the path. */
export function configWithoutBuild(folder: string): string {
  requireBuild();
  const file = join(folder, 'wrangler.toml');
  const text = readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')
    .replace(/^\[build\]\ncommand = .*\n/m, '')
    .replace(/^(main|directory) = "(.*)"$/gm, (_, name, path) => `${name} = ${JSON.stringify(join(ROOT, path))}`);
  writeFileSync(file, text);
  return file;
}

/** A Worker bound to the gateway, as a separate caller; by default the one that forwards every request. */
export function startCaller(
  port: number,
  { registry }: Gateway,
  config = join(ROOT, 'test/local/caller/wrangler.toml'),
): Promise<Server> {
  const args = ['--config', config, '--persist-to', join(registry, '../caller')];
  return startWorker(args, { port, probe: '/healthz', registry });
}

/** The emulator, behind a proxy that cuts connections for it, because a Worker cannot. */
export async function startEmulator(port: number): Promise<Server> {
  const registry = temporaryFolder('emulator');
  const config = ['--config', join(ROOT, 'test/emulator/wrangler.toml')];
  const worker = await startWorker(config, { port: 0, probe: '/__emulator/state', registry });
  const door = createServer((request, response) => {
    const { method, headers } = request;
    const inner = httpRequest(new URL(request.url ?? '/', worker.url).href, { method, headers }, (answer) => {
      if (answer.headers['x-emulator-connection'] === 'drop') {
        request.socket.destroy();
        return;
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    inner.on('error', () => request.socket.destroy());
    response.on('close', () => inner.destroy());
    request.pipe(inner);
  });
  if (port !== 0 && (await isPortInUse(port))) throw new PortInUse(port);
  await new Promise<void>((resolve, reject) => door.on('error', reject).listen(port, '127.0.0.1', resolve));
  const { port: doorPort } = door.address() as AddressInfo;
  return {
    url: `http://localhost:${doorPort}`,
    output: worker.output,
    stop: async (signal) => {
      door.close();
      door.closeAllConnections();
      await worker.stop(signal).finally(() => removeFolder(registry));
    },
  };
}

interface WorkerOptions {
  port: number;
  /** A path that returns 2xx once the Worker is up. */
  probe: string;
  /** Workers with the same registry find each other. */
  registry: string;
  onLine?: ((line: string) => void) | undefined;
}

async function startWorker(args: string[], { port, probe, registry, onLine }: WorkerOptions): Promise<Server> {
  const chosen = port === 0 ? await freePort() : port;
  if (await isPortInUse(chosen)) throw new PortInUse(chosen);
  const url = `http://localhost:${chosen}`;
  const foreign = Object.keys(process.env).filter((name) => FOREIGN_VARIABLE.test(name));
  const listen = ['--ip', '127.0.0.1', '--port', String(chosen), '--inspector-port', '0'];
  const wrangler = [process.execPath, WRANGLER, 'dev', ...listen, '--env=', ...args];
  const child = spawn('sh', ['-c', GUARDED, 'sh', ...wrangler], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...Object.fromEntries(foreign.map((name) => [name, undefined])),
      // Wrangler writes its logs there, and the real home may not be writable.
      HOME: registry,
      XDG_CONFIG_HOME: registry,
      WRANGLER_SEND_METRICS: 'false',
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      WRANGLER_HIDE_BANNER: 'true',
      WRANGLER_LOG: 'log',
      WRANGLER_REGISTRY_PATH: registry,
    },
  });
  leaders.add(child);
  const guard = child.stdio[3];
  child.once('exit', () => {
    leaders.delete(child);
    guard?.destroy();
  });
  let output = '';
  let rest = '';
  const collect = (chunk: Buffer) => {
    output += chunk;
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine?.(plain(line));
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  const stop = (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM') => stopGroup(child, signal);
  const giveUpMs = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null || Date.now() > giveUpMs) {
      await stop('SIGKILL');
      if (output.includes('Address already in use')) throw new PortInUse(chosen);
      throw new Error(`wrangler dev did not start on port ${chosen}:\n${output}`);
    }
    // Another program on that port could not write this to our pipe.
    const isOurs = output.includes(`Ready on http://127.0.0.1:${chosen}`);
    const up =
      isOurs &&
      (await fetch(url + probe).then(
        ({ ok }) => ok,
        () => false,
      ));
    if (up) return { url, output: () => output, stop };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Another program listens on the port. */
export class PortInUse extends Error {
  constructor(port: number) {
    super(`Port ${port} is in use.`);
  }
}

/** Whether a program listens on the port, at either address of `localhost`. */
export async function isPortInUse(port: number): Promise<boolean> {
  const answers = ['127.0.0.1', '::1'].map(
    (host) =>
      new Promise<boolean>((resolve) => {
        const socket = connect({ host, port });
        socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
        socket.once('connect', () => socket.destroy());
      }),
  );
  return (await Promise.all(answers)).includes(true);
}

/** A line as the Worker wrote it, without the colours and the mark that `wrangler dev` adds to `console.error`. */
function plain(line: string): string {
  return line.replace(ANSI, '').replace(/^✘ \[ERROR\] /, '');
}

/** Ends the process group that `child` leads, and waits until its leader is gone. */
async function stopGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-child.pid, signal);
  const late = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), 5_000);
  await gone;
  clearTimeout(late);
}

/** A free port. */
export async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
