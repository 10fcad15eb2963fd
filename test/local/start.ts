/**
 * `npm start`: the gateway, an emulator of Baidu, images to delete, and a caller for each kind of credential. Those are a key,
 * a token of a local issuer, and a Worker that is bound to the gateway. It needs no account and no network.
 *
 * Promises: every printed address is of a server that it started. The servers end with it, however it ends. The history survives
 * restarts, and only one start at a time uses it.
 */
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { createKey } from '../../src/tools/new-key.ts';
import { isWholeNumber } from '../../src/worker/json.ts';
import { SCOPES } from '../../src/worker/scope.ts';
import { TestIssuer } from '../issuer.ts';
import { startIssuer } from './issuer.ts';
import { isPortInUse, startCaller, startEmulator, startGateway, varsFor } from './stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const TOKEN_LIFETIME_S = 300;
const MAX_PORT = 65_535;

const USAGE = `npm start -- [options]

  --port N             port of the gateway; 0 for a free one (default: 8787)
  --emulator-port N    port of the Baidu emulator (default: 8788)
  --caller-port N      port of the Worker that is bound to the gateway (default: 8789)
  --persist-to FOLDER  folder of the history (default: .wrangler/demo)
  --help               print this`;

const options = readArguments();
const { key, keySha256 } = createKey();
const running: { stop: () => Promise<unknown> }[] = [];
let ready = false;

function readArguments() {
  try {
    const { values } = parseArgs({
      // pnpm passes on the "--" that npm removes.
      args: process.argv.slice(process.argv[2] === '--' ? 3 : 2),
      options: {
        port: { type: 'string', default: '8787' },
        'emulator-port': { type: 'string', default: '8788' },
        'caller-port': { type: 'string', default: '8789' },
        'persist-to': { type: 'string', default: join(ROOT, '.wrangler/demo') },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      return process.exit();
    }
    const ports = (['port', 'emulator-port', 'caller-port'] as const).map((name) => {
      const port = Number(values[name]);
      if (/^\d+$/.test(values[name]) && isWholeNumber(port, 0, MAX_PORT)) return port;
      throw new Error(`--${name} takes a number from 0 to ${MAX_PORT}.`);
    });
    const [port = 0, emulatorPort = 0, callerPort = 0] = ports;
    const chosen = ports.filter((each) => each !== 0);
    if (new Set(chosen).size < chosen.length) throw new Error('Each server needs its own port.');
    if (values['persist-to'] === '') throw new Error('--persist-to takes a folder.');
    return { port, emulatorPort, callerPort, persistTo: values['persist-to'] };
  } catch (error) {
    const [sentence = ''] = error instanceof Error ? error.message.split(/\.(?:\s|$)/) : [];
    console.error(`${sentence}.`, 'See: npm start -- --help');
    return process.exit(1);
  }
}

/** The lock ends with this process, however that ends, because SQLite's locks are the kernel's. */
function lock(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    const database = new DatabaseSync(join(folder, 'lock.sqlite'));
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    running.push({ stop: async () => database.close() });
  } catch (error) {
    const isLocked = error instanceof Error && error.message.includes('database is locked');
    if (isLocked) throw new Error(`Another "npm start" uses ${folder}: give this one its own by --persist-to FOLDER.`);
    throw error;
  }
}

/** Serves tokens for the printed command: a new one each time, so that it works as long as this runs. */
async function startTokens(issuer: TestIssuer): Promise<string> {
  const server = createServer(async (_, response) => {
    const nowS = Math.floor(Date.now() / 1000);
    response.end(await issuer.token({ sub: 'demo-job', iat: nowS, exp: nowS + TOKEN_LIFETIME_S }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  running.push({ stop: async () => server.close() });
  const { port } = server.address() as AddressInfo;
  return `http://localhost:${port}`;
}

async function stop(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  process.exit();
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);

try {
  lock(options.persistTo);
  const { port, emulatorPort, callerPort } = options;
  for (const [option, each] of Object.entries({ port, 'emulator-port': emulatorPort, 'caller-port': callerPort })) {
    if (each === 0 || !(await isPortInUse(each))) continue;
    throw new Error(`Port ${each} is in use. Give another: npm start -- --${option} N`);
  }
  console.log('Starting the gateway, the emulator, an issuer and a caller…');
  const emulator = await startEmulator(emulatorPort);
  running.push(emulator);
  const server = await startIssuer();
  running.push(server);
  const issuer = await TestIssuer.create(server.url);
  const tokens = await startTokens(issuer);
  const scopes = ['images:delete', 'images:read'];
  const callers = {
    demo: { keySha256: [keySha256], scopes: SCOPES },
    'demo-job': { tokens: [{ issuer: 'local', claims: { sub: 'demo-job' } }], scopes },
    'demo-worker': { binding: true, scopes },
  };
  const gateway = await startGateway({
    port,
    persistTo: options.persistTo,
    vars: {
      ...varsFor(emulator),
      CALLERS: JSON.stringify(callers),
      ISSUERS: JSON.stringify({ local: issuer.entry({ maxLifetimeS: TOKEN_LIFETIME_S }) }),
    },
    onLine: (line) => ready && line.startsWith('{') && console.log(line),
  });
  running.push(gateway);
  const caller = await startCaller(callerPort, gateway);
  running.push(caller);
  ready = true;
  const curl = (call: string) => `curl -i -X ${call.replace(' ', ` ${gateway.url}`)}`;
  const withKey = (call: string) => `${curl(call)} -H 'Authorization: Bearer ${key}'`;
  console.log(`
Gateway   ${gateway.url}
Emulator  ${emulator.url}   (emulates bcc.bj.baidubce.com)
Issuer    ${server.url}   (tokens: ${tokens})
Caller    ${caller.url}   (a Worker that is bound to the gateway and holds no secret)

Docs      ${gateway.url}/docs
Console   ${gateway.url}/console   (key: ${key})

Delete a custom image:

  ${withKey('DELETE /images/m-custom01')}

A system image is refused:

  ${withKey('DELETE /images/m-system01')}

Preview a deletion, and look up what was deleted:

  ${withKey('GET /images/m-custom02')}
  ${withKey('GET /deletions')}

Delete with a token that the issuer signs, instead of a key:

  ${curl('DELETE /images/m-custom03')} -H "Authorization: Bearer $(curl -s ${tokens})"

Delete through the Worker, whose credential is its binding:

  curl -i -X DELETE ${caller.url}/images/m-custom04

Audit records appear below. Press Ctrl-C to stop.
`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  await stop();
}
