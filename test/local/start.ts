/**
 * `npm start`: the gateway, a stand-in for Baidu, a caller, and images to delete. It needs no account and no network.
 *
 * The history is kept below `.wrangler/` from one start to the next, or in another folder with `--persist-to FOLDER`. `--port N` and
 * `--emulator-port N` choose other ports than 8787 and 8788; 0 takes a free port.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createKey } from '../../src/callers/new-key.ts';
import { type Server, startEmulator, startGateway, varsFor } from './stack.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8787' },
    'emulator-port': { type: 'string', default: '8788' },
    'persist-to': { type: 'string', default: join(import.meta.dirname, '../../.wrangler/demo') },
  },
});
const { key, keySha256 } = createKey();
const running: Server[] = [];
let ready = false;

async function stop(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  process.exit();
}
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

try {
  console.log('Starting the gateway and the emulator…');
  const emulator = await startEmulator(Number(values['emulator-port']));
  running.push(emulator);
  const gateway = await startGateway({
    port: Number(values.port),
    persistTo: values['persist-to'],
    vars: {
      ...varsFor(emulator),
      CALLERS: JSON.stringify({ demo: { keySha256: [keySha256], scopes: ['images:delete', 'images:read'] } }),
    },
    onLine: (line) => ready && line.startsWith('{') && console.log(line),
  });
  running.push(gateway);
  ready = true;
  const curl = (call: string) => `curl -i -X ${call.replace(' ', ` ${gateway.url}`)} -H 'Authorization: Bearer ${key}'`;
  console.log(`
Gateway   ${gateway.url}
Emulator  ${emulator.url}   (plays bcc.bj.baidubce.com)

Delete a custom image:

  ${curl('DELETE /images/m-custom01')}

A system image is refused:

  ${curl('DELETE /images/m-system01')}

Look before you delete, and see afterwards what was deleted:

  ${curl('GET /images/m-custom02')}
  ${curl('GET /deletions')}

Each request leaves its audit record here. Ctrl-C ends it.
`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
  await stop();
}
