import { describe, expect, it } from 'vitest';
import {
  canonicalHeaders,
  formatTimestamp,
  percentEncode,
  sign,
  signingKey,
} from '../../../src/worker/baidu/signer.ts';
import vectors from './vectors.json';

const verifiable = vectors.flatMap((vector) =>
  vector.secretAccessKey === null ? [] : [{ ...vector, secretAccessKey: vector.secretAccessKey }],
);
/** If the default set of headers is signed, some SDKs leave the list blank and others fill it in. The signature is the same. */
const disagreement = ({ disagreedBy }: { disagreedBy?: object }) =>
  disagreedBy === undefined ? '' : ` (unlike ${Object.keys(disagreedBy).join(', ')})`;

function queryOf(names: Record<string, string | null | undefined>): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

describe('bce-auth-v1', () => {
  it('is tested with 82 vectors; the secret of two more is unknown', () => {
    expect(verifiable).toHaveLength(82);
    expect(vectors).toHaveLength(84);
  });

  it.each(verifiable.map((vector) => [`${vector.name}${disagreement(vector)}`, vector] as const))(
    'signs %s as the documentation says, step by step',
    (_name, vector) => {
      const { accessKeyId, secretAccessKey, timestamp, expiration, method, path, signedHeaders } = vector;
      const key = signingKey(accessKeyId, secretAccessKey, timestamp, expiration);
      const given: Record<string, string> = {};
      for (const [name, value] of Object.entries(vector.headers)) if (typeof value === 'string') given[name] = value;
      const headers = canonicalHeaders(given, signedHeaders);
      const signed = sign({ method, path, query: queryOf(vector.query), headers }, key);

      const [canonicalMethod, uri, query, ...headerLines] = (vector.canonicalRequest ?? '').split('\n');
      expect(formatTimestamp(vector.timestampUnix * 1000)).toBe(vector.timestamp);
      expect(canonicalMethod).toBe(method);
      expect(signed.canonicalUri).toBe(vector.canonicalUri);
      expect(signed.canonicalUri).toBe(uri);
      expect(signed.canonicalQueryString).toBe(query);
      expect(signed.canonicalHeaders).toBe(headerLines.join('\n'));
      expect(signed.canonicalRequest).toBe(vector.canonicalRequest);
      expect(signed.signingKey).toBe(vector.signingKey);
      expect(signed.signature).toBe(vector.expectedAuthorization.split('/').at(-1));
      expect(signed.authorization).toBe(vector.expectedAuthorization);
    },
  );

  const key = signingKey('ak', 'sk', '2026-01-02T03:04:05Z', 1800);
  const host = canonicalHeaders({ Host: 'h' }, null);

  it('leaves the list of signed headers blank if it signs the default set', () => {
    const signed = sign({ method: 'GET', path: '/', headers: host }, key);
    expect(signed.authorization).toBe(`bce-auth-v1/ak/2026-01-02T03:04:05Z/1800//${signed.signature}`);
    expect(signed.canonicalHeaders).toBe('host:h');
  });

  it.each([
    ['short', 'b'],
    ['longer than the buffer in bytes, but not in characters', '测'.repeat(300)],
    ['a little longer than the buffer', 'a'.repeat(1000)],
    ['short again', 'c'],
  ])('agrees with WebCrypto on the HMAC of a text that is %s', async (_what, text) => {
    const bytes = (given: string) => new TextEncoder().encode(given);
    const algorithm = { name: 'HMAC', hash: 'SHA-256' };
    const imported = await crypto.subtle.importKey('raw', bytes(key.signingKey), algorithm, false, ['sign']);
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', imported, bytes(text)));
    expect(key.mac(text)).toBe([...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(''));
  });

  it('signs no header that is not listed, not even an x-bce header', () => {
    const headers = canonicalHeaders({ host: 'h', 'x-bce-meta': 'm', 'x-bce-date': 'd' }, ['host', 'x-bce-date']);
    expect(headers).toEqual({ canonicalHeaders: 'host:h\nx-bce-date:d', signedHeaders: 'host;x-bce-date' });
  });

  it('encodes every UTF-8 byte outside the unreserved set, and a lone surrogate as U+FFFD', () => {
    expect(percentEncode("-._~!'()* /%é测\u{20000}")).toBe('-._~%21%27%28%29%2A%20%2F%25%C3%A9%E6%B5%8B%F0%A0%80%80');
    expect(percentEncode('\ud800')).toBe('%EF%BF%BD');
  });

  it.each([
    ['', '/'],
    ['b', '/b'],
    ['/a-b_c.d~e/f', '/a-b_c.d~e/f'],
    ['/ ', '/%20'],
    ['/测', '/%E6%B5%8B'],
    ['/%/%', '/%25/%25'],
    [' /b', '/%20/b'],
  ])('writes the path %j as %s', (path, canonicalUri) => {
    expect(sign({ method: 'GET', path, headers: host }, key).canonicalUri).toBe(canonicalUri);
  });
});
