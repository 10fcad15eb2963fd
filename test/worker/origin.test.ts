import { expect, it } from 'vitest';
import { isLoopback } from '../../src/worker/origin.ts';

it.each(['localhost', 'gateway.localhost', 'a.b.localhost', '127.0.0.1', '127.255.0.3', '[::1]'])(
  '%s is loopback',
  (hostname) => expect(isLoopback(hostname)).toBe(true),
);

it.each([
  'localhost.example.com',
  'notlocalhost',
  '.localhost',
  '127.0.0.1.example.com',
  '127.evil.com',
  '128.0.0.1',
  '0.0.0.0',
  '[::]',
  '[::ffff:7f00:1]',
  '',
])('%j is not loopback', (hostname) => expect(isLoopback(hostname)).toBe(false));

it('accepts hostnames as a URL parser normalizes them', () => {
  for (const url of ['http://LOCALHOST', 'http://127.1', 'http://[0:0:0:0:0:0:0:1]', 'http://0x7f000001']) {
    expect(isLoopback(new URL(url).hostname), url).toBe(true);
  }
});
