/**
 * `npm start`: the gateway, a stand-in for Baidu, images to delete, and a caller by each of the three proofs: a key, a token of a
 * local issuer, and a Worker that is bound to the gateway. It needs no account and no network.
 *
 * The history is kept from one start to the next.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createKey } from '../../src/tools/new-key.ts';
import { SCOPES } from '../../src/worker/callers/caller.ts';
import { TestIssuer } from '../issuer.ts';
import { startIssuer } from './issuer.ts';
import { startCaller, startEmulator, startGateway, varsFor } from './stack.ts';

const TOKEN_LIFETIME_S = 3_600;

const USAGE = `npm start -- [options]

  --port N             of the gateway; 0 takes a free one (default: 8787)
  --emulator-port N    of what plays Baidu (default: 8788)
  --caller-port N      of the Worker that is bound to the gateway (default: 8789)
  --persist-to FOLDER  where the history is kept (default: .wrangler/demo)
  --help               prints this`;

const values = readArguments();
const { key, keySha256 } = createKey();
const running: { stop: () => Promise<void> }[] = [];
let ready = false;

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '8787' },
        'emulator-port': { type: 'string', default: '8788' },
        'caller-port': { type: 'string', default: '8789' },
        'persist-to': { type: 'string', default: join(import.meta.dirname, '../../.wrangler/demo') },
        help: { type: 'boolean', default: false },
      },
    });
    if (!values.help) return values;
    console.log(USAGE);
    return process.exit();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error, 'See: npm start -- --help');
    return process.exit(1);
  }
}

async function stop(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  process.exit();
}
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

try {
  console.log('Starting the gateway, the emulator, an issuer and a caller…');
  const emulator = await startEmulator(Number(values['emulator-port']));
  running.push(emulator);
  const server = await startIssuer();
  running.push(server);
  const issuer = await TestIssuer.create(server.url);
  const scopes = ['images:delete', 'images:read'];
  const callers = {
    demo: { keySha256: [keySha256], scopes: SCOPES },
    'demo-job': { tokens: [{ issuer: 'local', claims: { sub: 'demo-job' } }], scopes },
    'demo-worker': { binding: true, scopes },
  };
  const gateway = await startGateway({
    port: Number(values.port),
    persistTo: values['persist-to'],
    vars: {
      ...varsFor(emulator),
      CALLERS: JSON.stringify(callers),
      ISSUERS: JSON.stringify({ local: issuer.entry({ maxLifetimeS: TOKEN_LIFETIME_S }) }),
    },
    onLine: (line) => ready && line.startsWith('{') && console.log(line),
  });
  running.push(gateway);
  const caller = await startCaller(Number(values['caller-port']), gateway);
  running.push(caller);
  const nowS = Math.floor(Date.now() / 1000);
  const token = await issuer.token({ sub: 'demo-job', iat: nowS, exp: nowS + TOKEN_LIFETIME_S });
  ready = true;
  const curl = (call: string, proof = key) =>
    `curl -i -X ${call.replace(' ', ` ${gateway.url}`)} -H 'Authorization: Bearer ${proof}'`;
  console.log(`
Gateway   ${gateway.url}
Emulator  ${emulator.url}   (plays bcc.bj.baidubce.com)
Issuer    ${server.url}   (signs the token below)
Caller    ${caller.url}   (a Worker that is bound to the gateway and holds no secret)

Docs      ${gateway.url}/docs
Console   ${gateway.url}/console   (takes the key ${key})

Delete a custom image:

  ${curl('DELETE /images/m-custom01')}

A system image is refused:

  ${curl('DELETE /images/m-system01')}

Look before you delete, and see afterwards what was deleted:

  ${curl('GET /images/m-custom02')}
  ${curl('GET /deletions')}

Delete with a token that the issuer has signed, good for an hour, instead of a key:

  ${curl('DELETE /images/m-custom03', token)}

Delete through the Worker, whose binding proves who it is:

  curl -i -X DELETE ${caller.url}/images/m-custom04

Each request leaves its audit record here. Ctrl-C ends it.
`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  await stop();
}
