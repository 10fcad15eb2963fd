/**
 * Starts what is measured: workerd itself with a bundle, Node.js programs, and nginx, all on loopback.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');
export const FOLDER = mkdtempSync(join(tmpdir(), 'bcc-bench-'));
const WORKERD = join(ROOT, 'node_modules/workerd/bin/workerd');
const COMPATIBILITY_DATE = '2026-11-01';

export interface Subject {
  url: string;
  pid: number;
}

const running: ChildProcess[] = [];
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(FOLDER, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** The CPU time of a process so far, in microseconds, from the kernel's count for its threads. Linux only. */
export function cpuUs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const ns = threads.map((id) => Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]));
  return ns.reduce((sum, each) => sum + each, 0) / 1000;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function start(command: string, args: string[], port: number): Promise<Subject> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  running.push(child);
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`${command} ${args.join(' ')} ended`);
    const up = await fetch(`${url}/healthz`).then(
      () => true,
      () => false,
    );
    if (up && child.pid !== undefined) return { url, pid: child.pid };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${command} did not answer`);
}

/** Bundles a Worker as a deployment does: one minified file. */
export async function bundle(entry: string): Promise<string> {
  const outfile = join(FOLDER, `${entry.replaceAll('/', '-')}.js`);
  await build({
    entryPoints: [join(import.meta.dirname, entry)],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'import', 'require'],
    external: ['cloudflare:*', 'node:*'],
    alias: Object.fromEntries(
      [
        'buffer',
        'crypto',
        'events',
        'fs',
        'http',
        'https',
        'net',
        'os',
        'path',
        'process',
        'stream',
        'tls',
        'url',
        'util',
        'assert',
        'querystring',
        'tty',
        'zlib',
        'string_decoder',
      ].map((name) => [name, `node:${name}`]),
    ),
    // Dependencies in CommonJS require Node's modules at run time.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire('/');",
    },
    logLevel: 'error',
  });
  return outfile;
}

/**
 * Stand-ins for bindings that `workerd` alone does not have. The limiter counts in memory, as the platform does, but refuses
 * nothing, because refusals are not measured. The ledger accepts everything and stores nothing.
 */
const STAND_INS = {
  limiter: `export default () => {
    const counts = new Map();
    return { async limit({ key }) { counts.set(key, (counts.get(key) ?? 0) + 1); return { success: true }; } };
  };`,
  ledger: `export default () => {
    const ledger = { reserve: async () => ({ ok: true, value: null }), settle: async () => undefined };
    return { getByName: () => ledger };
  };`,
  /** The real ledger, with a delay in each direction. */
  distant: `export default ({ ledger, delayMs }) => {
    const ms = Number(delayMs);
    const away = () => ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;
    const call = async (act) => { await away(); const result = await act(); await away(); return result; };
    return { getByName: (name, options) => {
      const stub = ledger.getByName(name, options);
      return { reserve: (...args) => call(() => stub.reserve(...args)), settle: (...args) => call(() => stub.settle(...args)) };
    } };
  };`,
};

export interface WorkerdOptions {
  /** Text bindings. */
  vars?: Record<string, string>;
  /** A Durable Object on disk, the same with a delay each way, a stand-in for it, or none. */
  ledger?: 'disk' | 'stand-in' | { delayMs: number };
}

/** workerd alone, without the development server around it. */
export async function startWorkerd(entry: string, { vars = {}, ledger }: WorkerdOptions = {}): Promise<Subject> {
  const file = await bundle(entry);
  const port = await freePort();
  const folder = join(FOLDER, `workerd-${port}`);
  mkdirSync(join(folder, 'disk'), { recursive: true });
  const text = (value: string) => JSON.stringify(value);
  const standIn = (name: string, kind: keyof typeof STAND_INS) =>
    `(name = ${text(name)}, wrapped = (moduleName = "stand-in:${kind}"))`;
  const isReal = ledger === 'disk' || typeof ledger === 'object';
  const ledgerBinding = () => {
    if (ledger === 'disk') return '(name = "LEDGER", durableObjectNamespace = "Ledger")';
    if (typeof ledger !== 'object') return standIn('LEDGER', 'ledger');
    const inner = `(name = "ledger", durableObjectNamespace = "Ledger"), (name = "delayMs", text = "${ledger.delayMs}")`;
    return `(name = "LEDGER", wrapped = (moduleName = "stand-in:distant", innerBindings = [${inner}]))`;
  };
  const bindings = [
    ...Object.entries(vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    standIn('RATE_LIMITER_BURST', 'limiter'),
    standIn('RATE_LIMITER_SUSTAINED', 'limiter'),
    ledgerBinding(),
  ];
  const storage = `durableObjectNamespaces = [(className = "Ledger", uniqueKey = "ledger", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),`;
  const modules = Object.entries(STAND_INS).map(
    ([name, code]) => `(name = "stand-in:${name}", internal = true, esModule = ${text(code)})`,
  );
  writeFileSync(join(folder, 'main.js'), readFileSync(file));
  writeFileSync(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["private"])),
    (name = "disk", disk = (path = ${text(join(folder, 'disk'))}, writable = true)),
  ],
  extensions = [(modules = [${modules.join(', ')}])],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const main :Workerd.Worker = (
  modules = [(name = "main.js", esModule = embed "main.js")],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  bindings = [${bindings.join(', ')}],
  ${isReal ? storage : ''}
  globalOutbound = "internet"
);
`,
  );
  return start(WORKERD, ['serve', join(folder, 'config.capnp')], port);
}

export async function startNode(program: string, ...args: string[]): Promise<Subject> {
  const port = await freePort();
  return start(process.execPath, [join(import.meta.dirname, program), String(port), ...args], port);
}

export const has = (program: string) => spawnSync('which', [program]).status === 0;

/** nginx with one worker process, so that every server uses at most one core. */
export async function startNginx(upstream: string): Promise<Subject> {
  const port = await freePort();
  const file = join(FOLDER, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; master_process off; worker_processes 1; pid ${FOLDER}/nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path ${FOLDER}; proxy_temp_path ${FOLDER}; fastcgi_temp_path ${FOLDER};
  uwsgi_temp_path ${FOLDER}; scgi_temp_path ${FOLDER};
  upstream bcc { server ${new URL(upstream).host}; keepalive 128; }
  server { listen 127.0.0.1:${port}; location / {
    rewrite ^/images/(.*)$ /v2/image/$1 break;
    proxy_pass http://bcc; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization ""; } } }
`,
  );
  return start('nginx', ['-c', file], port);
}
