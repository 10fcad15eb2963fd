/**
 * The emulator as a Worker. Tests direct it through `/__emulator/…`, unsigned and only on loopback.
 *
 *   GET  /__emulator/state    the calls so far and the existing images
 *   POST /__emulator/reset    restores the initial state
 *   POST /__emulator/faults   ["drop_after", …]: faults for the next calls, in order
 *   POST /__emulator/deletion-faults   faults for the next deletions only, in order
 *   POST /__emulator/calm     removes all faults
 *   POST /__emulator/images   {"id": …, "name": …}: adds a custom image
 *   POST /__emulator/clock    sets how many milliseconds the server's clock is ahead
 */
import { isRecord } from '../../src/worker/json.ts';
import type { Account } from './bce-auth.ts';
import { ConnectionDropped, Emulator, FAULTS, isFaultName } from './emulator.ts';

let emulator: Emulator | undefined;

export default {
  async fetch(request: Request, account: { ACCESS_KEY_ID: string; SECRET_ACCESS_KEY: string }): Promise<Response> {
    emulator ??= new Emulator(accountOf(account), (ms) => scheduler.wait(ms));
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/__emulator/')) {
      return direct(emulator, pathname, request.method === 'POST' ? await request.json().catch(() => null) : null);
    }
    try {
      return await emulator.fetch(request);
    } catch (error) {
      if (!(error instanceof ConnectionDropped)) throw error;
      // A Worker cannot cut a connection. The proxy in front of it does so when it sees this header.
      return new Response(null, { status: 500, headers: { 'x-emulator-connection': 'drop' } });
    }
  },
};

function accountOf(env: { ACCESS_KEY_ID: string; SECRET_ACCESS_KEY: string }): Account {
  return { accessKeyId: env.ACCESS_KEY_ID, secretAccessKey: env.SECRET_ACCESS_KEY };
}

function direct(emulator: Emulator, pathname: string, order: unknown): Response {
  switch (pathname) {
    case '/__emulator/state':
      return Response.json({ calls: emulator.calls, images: [...emulator.images.values()] });
    case '/__emulator/reset':
      emulator.reset();
      return Response.json({});
    case '/__emulator/faults':
    case '/__emulator/deletion-faults':
      if (!Array.isArray(order) || !order.every(isFaultName)) {
        return new Response(`Send a JSON list of these names: ${Object.keys(FAULTS).join(', ')}.\n`, { status: 400 });
      }
      (pathname.endsWith('/deletion-faults') ? emulator.deletionFaults : emulator.faults).push(
        ...order.map((name) => FAULTS[name]),
      );
      return Response.json({});
    case '/__emulator/calm':
      emulator.calm();
      return Response.json({});
    case '/__emulator/images': {
      if (!isRecord(order) || typeof order['id'] !== 'string' || typeof order['name'] !== 'string') {
        return new Response('Send an id and a name.\n', { status: 400 });
      }
      const { id, name } = order;
      emulator.images.set(id, { id, name, type: 'Custom', status: 'Available', sharedWith: [] });
      return Response.json({});
    }
    case '/__emulator/clock':
      if (typeof order !== 'number') return new Response('Send a number of milliseconds.\n', { status: 400 });
      emulator.clockOffsetMs = order;
      return Response.json({});
    default:
      return new Response('Unknown path.\n', { status: 404 });
  }
}
