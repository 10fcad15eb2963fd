/**
 * A hop between the gateway and Baidu that repeats a DELETE at random, as a proxy may (RFC 9110 §9.2.2). It sends one twice and
 * passes on the second response, or resends one whose connection was lost.
 *
 * Promises: reads pass unchanged; every repetition is recorded. Never: repeats a request that its sender has given up.
 */
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

export interface Hop {
  url: string;
  /** Every DELETE sent again: its path, and when, in milliseconds since the epoch. */
  readonly repetitions: readonly { readonly path: string; readonly atMs: number }[];
  stop: () => Promise<void>;
}

/** @param share the share of deletions that it repeats, from 0 to 1 */
export async function openHop(upstreamUrl: string, share: number): Promise<Hop> {
  const repetitions: { path: string; atMs: number }[] = [];
  const server = createServer((request, response) => {
    const { method, headers, url: path = '/' } = request;
    const mayRepeat = method === 'DELETE' && Math.random() < share;
    const sendsTwice = mayRepeat && Math.random() < 0.5;
    const forward = (isRepeated: boolean) => {
      let isOver = false;
      const end = (repeats: boolean) => {
        if (isOver) return;
        isOver = true;
        if (!repeats || isRepeated || response.destroyed) {
          request.socket.destroy();
        } else {
          repetitions.push({ path, atMs: Date.now() });
          forward(true);
        }
      };
      const inner = httpRequest(new URL(path, upstreamUrl).href, { method, headers }, (answer) => {
        answer.on('error', () => undefined);
        if (sendsTwice && !isRepeated) {
          answer.destroy();
          end(true);
        } else {
          isOver = true;
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          // If the answer is cut off, cut off our own.
          pipeline(answer, response, () => undefined);
        }
      });
      inner.on('error', () => end(mayRepeat));
      response.on('close', () => inner.destroy());
      inner.end();
    };
    forward(false);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}`,
    repetitions,
    stop: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
