/**
 * A door in front of the gateway, over real sockets. It can lose deletions and their answers, as a proxy or a broken connection does.
 * Reads always pass.
 */
import { randomUUID } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * `cut_before`: the deletion never arrives. `cut_and_shut`: nor does the door accept another connection. With the others it arrives,
 * and the answer is lost, cut in half, or replaced by an HTML page.
 */
export type DoorFault = 'cut_before' | 'cut_and_shut' | 'cut_after' | 'half_after' | 'html_after' | null;

export interface Door {
  url: string;
  /** What happens to deletions. */
  fault: DoorFault;
  /** The number of deletions received. */
  deletions: number;
  /** Whether it replaces each request id, as Envoy does by default. */
  renames: boolean;
  /** Every `Authorization` received. */
  credentials: Set<string>;
  /** The `X-Request-Id` of every request, as received. */
  requestIds: string[];
  stop: () => Promise<void>;
}

export async function openDoor(gatewayUrl: string): Promise<Door> {
  const server = createServer((request, response) => {
    if (request.method === 'DELETE') door.deletions++;
    door.credentials.add(request.headers.authorization ?? '');
    door.requestIds.push(String(request.headers['x-request-id']));
    if (door.renames) request.headers['x-request-id'] = randomUUID();
    const fault = request.method === 'DELETE' ? door.fault : null;
    if (fault === 'cut_and_shut') server.close();
    if (fault === 'cut_before' || fault === 'cut_and_shut') request.socket.destroy();
    else pass(new URL(request.url ?? '/', gatewayUrl), request, response, fault);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const door: Door = {
    url: `http://127.0.0.1:${port}`,
    fault: null,
    deletions: 0,
    renames: false,
    credentials: new Set(),
    requestIds: [],
    stop: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return door;
}

function pass(url: URL, request: IncomingMessage, response: ServerResponse, fault: DoorFault): void {
  const { method, headers } = request;
  const inner = httpRequest(url.href, { method, headers: { ...headers, host: url.host } }, async (answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (fault === 'cut_after') request.socket.destroy();
    else if (fault === 'html_after')
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>');
    else {
      const { 'transfer-encoding': _chunked, ...rest } = answer.headers;
      response.writeHead(answer.statusCode ?? 500, { ...rest, 'content-length': body.length });
      if (fault === null) response.end(body);
      else response.write(body.subarray(0, body.length / 2), () => request.socket.destroy());
    }
  });
  inner.on('error', () => request.socket.destroy());
  request.pipe(inner);
}
