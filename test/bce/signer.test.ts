import { describe, expect, it } from 'vitest';
import { canonicalHeaders, formatTimestamp, percentEncode, sign, signingKey } from '../../src/bce/signer.ts';
import vectors from './vectors.json';

/** The default set leaves the field blank with some SDKs, and names what was signed with others; the signature is one. */
const verifiable = vectors.flatMap((vector) =>
  vector.secretAccessKey === null ? [] : [{ ...vector, secretAccessKey: vector.secretAccessKey }],
);
const disagreement = ({ disagreedBy }: { disagreedBy?: object }) =>
  disagreedBy === undefined ? '' : ` (unlike ${Object.keys(disagreedBy).join(', ')})`;

function queryOf(names: Record<string, string | null | undefined>): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

describe('bce-auth-v1', () => {
  it('has the 82 vectors with a known secret, and two without', () => {
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

  it('leaves the list of signed headers blank where the default set is signed', () => {
    const signed = sign({ method: 'GET', path: '/', headers: host }, key);
    expect(signed.authorization).toBe(`bce-auth-v1/ak/2026-01-02T03:04:05Z/1800//${signed.signature}`);
    expect(signed.canonicalHeaders).toBe('host:h');
  });

  it('signs the same the same, however long it is and whatever was signed before', () => {
    const paths = ['/', `/${'a'.repeat(2000)}`, '/测试', `/${'测'.repeat(700)}`, '/b'];
    const once = paths.map((path) => sign({ method: 'GET', path, headers: host }, key).signature);
    const again = paths.map((path) => {
      const fresh = signingKey('ak', 'sk', '2026-01-02T03:04:05Z', 1800);
      return sign({ method: 'GET', path, headers: host }, fresh).signature;
    });
    expect(once).toEqual(again);
    expect(new Set(once).size).toBe(paths.length);
  });

  it('encodes every UTF-8 byte outside the unreserved set, and a lone surrogate as U+FFFD', () => {
    expect(percentEncode("-._~!'()* /%é测\u{20000}")).toBe('-._~%21%27%28%29%2A%20%2F%25%C3%A9%E6%B5%8B%F0%A0%80%80');
    expect(percentEncode('\ud800')).toBe('%EF%BF%BD');
  });

  it('puts a slash before a path that has none', () => {
    const signed = sign({ method: 'GET', path: '', headers: host }, key);
    expect(signed.canonicalUri).toBe('/');
  });
});
