/**
 * A token issuer as a real HTTP server on loopback. It serves the public keys it is given, or fails on demand.
 *
 * Each folder is a separate issuer, so that tests do not disturb each other. `PUT /NAME` with `{ mode, keys }` sets it up,
 * `GET /NAME` returns how often its keys were fetched, `GET /NAME/jwks` returns the keys. Never: signs anything or sees a private key.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import { ISSUER_MODES, type IssuerMode } from '../issuer.ts';

interface State {
  mode: IssuerMode;
  keys: unknown;
  fetches: number;
  /** Requests that wait for a slow answer. */
  readonly waiting: Set<() => void>;
}

const HUGE_BYTES = 8 * 1024 * 1024;

export interface IssuerServer {
  url: string;
  stop: () => Promise<void>;
}

export async function startIssuer(port = 0): Promise<IssuerServer> {
  const states = new Map<string, State>();
  const stateOf = (name: string) => {
    const state = states.get(name) ?? { mode: 'healthy', keys: [], fetches: 0, waiting: new Set() };
    states.set(name, state);
    return state;
  };
  const server = createServer(async (request, response) => {
    const [name = '', page] = (request.url ?? '').slice(1).split('/');
    const state = stateOf(name);
    if (page === 'jwks') {
      state.fetches++;
      serveKeys(state, response);
      return;
    }
    if (request.method === 'PUT') {
      const body = parseJson(await textOf(request));
      if (isRecord(body)) {
        state.mode = ISSUER_MODES.find((mode) => mode === body['mode']) ?? 'healthy';
        state.keys = body['keys'];
      }
      for (const go of state.waiting) go();
    }
    response.end(JSON.stringify({ fetches: state.fetches, waiting: state.waiting.size }));
  });
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(port, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;
  return {
    url: `http://localhost:${address.port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serveKeys(state: State, response: ServerResponse): void {
  const json = { 'content-type': 'application/json' };
  const answers: Readonly<Record<IssuerMode, () => void>> = {
    healthy: () => response.writeHead(200, json).end(JSON.stringify({ keys: state.keys })),
    down: () => response.destroy(),
    hanging: () => undefined,
    stalled: () => response.writeHead(200, json).write('{"keys":['),
    // Answers once it is set to healthy.
    slow: () => {
      const go = () => {
        state.waiting.delete(go);
        answers.healthy();
      };
      state.waiting.add(go);
    },
    html: () => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>'),
    error: () => response.writeHead(500, json).end(JSON.stringify({ keys: state.keys })),
    huge: () => response.writeHead(200, json).end(JSON.stringify({ pad: ' '.repeat(HUGE_BYTES), keys: state.keys })),
    redirect: () => response.writeHead(302, { location: './elsewhere/jwks' }).end(),
    empty: () => response.writeHead(200, json).end(JSON.stringify({ keys: [] })),
  };
  answers[state.mode]();
}

async function textOf(request: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}
