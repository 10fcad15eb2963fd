/** Which keys of an issuer are accepted, and which of their members are kept. */
import { exportJWK, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { type KeyFault, readKeySet, readPublicKey } from '../../../src/worker/callers/public-key.ts';
import { failed } from '../../../src/worker/result.ts';

const jwks: Record<string, Record<string, unknown>> = {};

beforeAll(async () => {
  for (const [name, alg, options] of [
    ['ec', 'ES256', {}],
    ['rsa', 'RS256', { modulusLength: 2048 }],
    ['p384', 'ES384', {}],
  ] as const) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
    jwks[name] = { ...(await exportJWK(publicKey)), kid: 'k' };
    jwks[`${name} private`] = { ...(await exportJWK(privateKey)), kid: 'k' };
  }
});

describe('a public key', () => {
  it.each([
    ['ec', 'ES256'],
    ['rsa', 'RS256'],
  ])('of the kind %s keeps only its public members, for %s', (name, alg) => {
    const given = { ...jwks[name], use: 'sig', x5t: 'thumb', key_ops: ['verify'] };
    const { kid, kty, ...members } = jwks[name] ?? {};
    expect(readPublicKey(given)).toEqual({ ok: true, value: { kid, kty, alg, ...members } });
    expect(readPublicKey({ ...given, alg })).toEqual(readPublicKey(given));
  });

  it.each<[string, KeyFault, () => unknown]>([
    ['text', 'is not an object', () => 'key'],
    ['a private EC key', 'has a private or symmetric member', () => jwks['ec private']],
    ['a private RSA key', 'has a private or symmetric member', () => jwks['rsa private']],
    [
      'a symmetric key',
      'has a private or symmetric member',
      () => ({ kty: 'oct', k: 'c2VjcmV0', kid: 'k', alg: 'HS256' }),
    ],
    [
      'an EC key with a symmetric member',
      'has a private or symmetric member',
      () => ({ ...jwks['ec'], k: 'c2VjcmV0' }),
    ],
    ['a key of another curve', 'has a "crv" other than P-256', () => jwks['p384']],
    ['a key without kid', 'has no "kid"', () => ({ ...jwks['ec'], kid: undefined })],
    ['a key with a blank kid', 'has no "kid"', () => ({ ...jwks['ec'], kid: '' })],
    ['a kid that is a number', 'has no "kid"', () => ({ ...jwks['ec'], kid: 7 })],
    ['a key for encryption', 'has a "use" other than sig', () => ({ ...jwks['rsa'], use: 'enc' })],
    [
      'an RSA key for another algorithm',
      'has an "alg" other than RS256 for RSA or ES256 for EC',
      () => ({ ...jwks['rsa'], alg: 'RS512' }),
    ],
    [
      'an EC key for another algorithm',
      'has an "alg" other than RS256 for RSA or ES256 for EC',
      () => ({ ...jwks['ec'], alg: 'RS256' }),
    ],
    ['an RSA key that calls itself EC', 'has a "crv" other than P-256', () => ({ ...jwks['rsa'], kty: 'EC' })],
    [
      'an EC key that calls itself RSA',
      'has an "n" that is not base64url without padding',
      () => ({ ...jwks['ec'], kty: 'RSA' }),
    ],
    ['an EC key of another type', 'has a "kty" other than RSA or EC', () => ({ ...jwks['ec'], kty: 'OKP' })],
    ['an EC key that names another curve', 'has a "crv" other than P-256', () => ({ ...jwks['ec'], crv: 'P-384' })],
    [
      'an RSA key whose n is a list',
      'has an "n" that is not base64url without padding',
      () => ({ ...jwks['rsa'], n: [jwks['rsa']?.['n']] }),
    ],
    ['an EC key without y', 'has a "y" that is not base64url without padding', () => ({ ...jwks['ec'], y: undefined })],
    [
      'an EC key whose x is not base64url',
      'has an "x" that is not base64url without padding',
      () => ({ ...jwks['ec'], x: 'a b' }),
    ],
    [
      'an EC key that has lost a character',
      'has an "x" or "y" that is not 32 bytes long',
      () => ({ ...jwks['ec'], y: String(jwks['ec']?.['y']).slice(1) }),
    ],
    ['an EC key with a short x', 'has an "x" or "y" that is not 32 bytes long', () => ({ ...jwks['ec'], x: 'AAAA' })],
    [
      'an RSA key that has lost a character',
      'has an "n" that is not base64url without padding',
      () => ({ ...jwks['rsa'], n: String(jwks['rsa']?.['n']).slice(1) }),
    ],
    [
      'an RSA key with the exponent 1, so each text is its own signature',
      'has an "e" of 0 or 1',
      () => ({ ...jwks['rsa'], e: 'AQ' }),
    ],
    ['an RSA key with the exponent 0', 'has an "e" of 0 or 1', () => ({ ...jwks['rsa'], e: 'AA' })],
    [
      'an RSA key without exponent',
      'has an "e" that is not base64url without padding',
      () => ({ ...jwks['rsa'], e: undefined }),
    ],
    ['an RSA key of zeros', 'is an RSA key of less than 2048 bits', () => ({ ...jwks['rsa'], n: 'A'.repeat(400) })],
    [
      'an RSA key of 2047 bits',
      'is an RSA key of less than 2048 bits',
      () => ({ ...jwks['rsa'], n: numberOf([0x7f, ...Array(255).fill(0xff)]) }),
    ],
    [
      'an RSA key of 2047 bits after zeros',
      'is an RSA key of less than 2048 bits',
      () => ({ ...jwks['rsa'], n: numberOf([0, 0, 0x7f, ...Array(255).fill(0xff)]) }),
    ],
    [
      'an RSA key whose n is padded',
      'has an "n" that is not base64url without padding',
      () => ({ ...jwks['rsa'], n: `${jwks['rsa']?.['n']}==` }),
    ],
  ])('is not %s: it %s', (_what, fault, value) => {
    expect(readPublicKey(value())).toEqual(failed(fault));
  });

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])('may not have the private member %s', (member) => {
    expect(readPublicKey({ ...jwks['rsa'], [member]: 'AQ' })).toEqual(failed('has a private or symmetric member'));
  });

  it('may have the exponent 3', () => {
    expect(readPublicKey({ ...jwks['rsa'], e: 'Aw' })).toMatchObject({ value: { e: 'Aw' } });
  });

  it('may be RSA of exactly 2048 bits, even after zeros', () => {
    for (const zeros of [[], [0, 0]]) {
      const n = numberOf([...zeros, 0x80, ...Array(255).fill(0)]);
      expect(readPublicKey({ ...jwks['rsa'], n })).toMatchObject({ value: { n } });
    }
  });
});

describe('a set of keys', () => {
  it('says what is wrong with each unusable key, by its place', () => {
    const { kid, kty, crv, x, y } = jwks['ec'] ?? {};
    const key = { kid, kty, crv, x, y, alg: 'ES256' };
    expect(readKeySet({ keys: [jwks['ec']] })).toEqual({ keys: [key], faults: [] });
    expect(readKeySet({ keys: [jwks['p384'], jwks['ec'], 7] })).toEqual({
      keys: [key],
      faults: [
        { place: 1, fault: 'has a "crv" other than P-256' },
        { place: 3, fault: 'is not an object' },
      ],
    });
    for (const none of [null, [], {}, { keys: 'ec' }]) expect(readKeySet(none)).toEqual({ keys: [], faults: [] });
  });
});

function numberOf(bytes: readonly number[]): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
