/** Which errors prove that nothing was sent. `local/client.test.ts` provokes them in each runtime. */
import { describe, expect, it } from 'vitest';
import { neverSent } from '../../src/client/never-sent.ts';

const byNode = (cause: unknown) => new TypeError('fetch failed', { cause });
const systemError = (code: string, syscall: string) =>
  Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
const coded = (code: string, message = 'x') => Object.assign(new Error(message), { code });
const addresses = (...errors: Error[]) => Object.assign(new AggregateError(errors), { code: 'ECONNREFUSED' });
const byBun = (code: string, message = 'x') => Object.assign(new TypeError(message), { code, errno: 0 });

describe('an error proves that nothing was sent', () => {
  it.each<[string, unknown, string]>([
    ['a refused connection', byNode(systemError('ECONNREFUSED', 'connect')), 'ECONNREFUSED'],
    ['no route', byNode(systemError('ENETUNREACH', 'connect')), 'ENETUNREACH'],
    ['no such host', byNode(systemError('ENOTFOUND', 'getaddrinfo')), 'ENOTFOUND'],
    ['no resolver', byNode(systemError('EAI_AGAIN', 'getaddrinfo')), 'EAI_AGAIN'],
    [
      'every address refuses the connection',
      byNode(addresses(systemError('A', 'connect'), systemError('B', 'connect'))),
      'ECONNREFUSED',
    ],
    ['a connection timeout', byNode(coded('UND_ERR_CONNECT_TIMEOUT')), 'UND_ERR_CONNECT_TIMEOUT'],
    ['an untrusted certificate', byNode(coded('DEPTH_ZERO_SELF_SIGNED_CERT')), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['a blocked port', byNode(new Error('bad port')), 'bad port'],
  ])('of Node.js: %s', (_what, error, reason) => expect(neverSent(error)).toBe(reason));

  it.each(['ECONNREFUSED', 'ENOTFOUND', 'CERT_HAS_EXPIRED'])('of Bun: %s', (code) =>
    expect(neverSent(byBun(code))).toBe(code),
  );

  it('of Deno: a blocked port', () =>
    expect(neverSent(new TypeError('Fetch failed: Requests to port 6000 are blocked'))).toBe('bad port'));
});

describe('an error proves nothing', () => {
  it.each<[string, unknown]>([
    ['of Node.js: a broken connection', byNode(systemError('ECONNRESET', 'read'))],
    ['of Node.js: a refusal while writing', byNode(systemError('ECONNREFUSED', 'write'))],
    ['of Node.js: a refusal without a system call', byNode(coded('ECONNREFUSED'))],
    ['of Node.js: a closed connection', byNode(coded('UND_ERR_SOCKET', 'other side closed'))],
    ['of Node.js: no headers in time', byNode(coded('UND_ERR_HEADERS_TIMEOUT'))],
    ['of Node.js: a TLS error that can also occur later', byNode(coded('ERR_SSL_WRONG_VERSION_NUMBER'))],
    ['of Node.js: several, one broken', byNode(addresses(systemError('A', 'connect'), systemError('B', 'read')))],
    ['of Node.js: an empty list', byNode(addresses())],
    ['of Node.js: no cause', byNode(undefined)],
    ['of Bun: a broken connection', byBun('ECONNRESET')],
    ['of Bun: no route, which can also end an open connection', byBun('ENETUNREACH')],
    ['of Bun: a failed handshake', byBun('EPROTO')],
    [
      'of Deno: a refusal, which may follow a request already sent',
      byNode(
        new Error(
          'error sending request for url (http://x/): client error (Connect): tcp connect error: Connection refused',
        ),
      ),
    ],
    ['of a browser', new TypeError('Failed to fetch')],
    ['of Workers', new Error('Network connection lost.')],
    [
      'that is not a TypeError',
      Object.assign(new Error('fetch failed'), { code: 'ECONNREFUSED', cause: systemError('ECONNREFUSED', 'connect') }),
    ],
    ['that is not an Error', { message: 'fetch failed', cause: { syscall: 'connect' } }],
    ['that is undefined', undefined],
  ])('%s', (_what, error) => expect(neverSent(error)).toBeNull());
});
