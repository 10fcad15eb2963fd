/** Which keys of an issuer are taken, and what of them. */
import { exportJWK, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { readKeySet, readPublicKey } from '../../../src/worker/callers/public-key.ts';

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
  ])('of the kind %s is taken with its public members alone, for %s', (name, alg) => {
    const given = { ...jwks[name], use: 'sig', x5t: 'thumb', key_ops: ['verify'] };
    const { kid, kty, ...members } = jwks[name] ?? {};
    expect(readPublicKey(given)).toEqual({ kid, kty, alg, ...members });
    expect(readPublicKey({ ...given, alg })).toEqual(readPublicKey(given));
  });

  it.each<[string, () => unknown]>([
    ['text', () => 'key'],
    ['a private EC key', () => jwks['ec private']],
    ['a private RSA key', () => jwks['rsa private']],
    ['a symmetric key', () => ({ kty: 'oct', k: 'c2VjcmV0', kid: 'k', alg: 'HS256' })],
    ['an EC key with a symmetric member', () => ({ ...jwks['ec'], k: 'c2VjcmV0' })],
    ['a key of another curve', () => jwks['p384']],
    ['a key without kid', () => ({ ...jwks['ec'], kid: undefined })],
    ['a key with a blank kid', () => ({ ...jwks['ec'], kid: '' })],
    ['a kid that is a number', () => ({ ...jwks['ec'], kid: 7 })],
    ['a key for encryption', () => ({ ...jwks['rsa'], use: 'enc' })],
    ['an RSA key for another algorithm', () => ({ ...jwks['rsa'], alg: 'RS512' })],
    ['an EC key for another algorithm', () => ({ ...jwks['ec'], alg: 'RS256' })],
    ['an RSA key that calls itself EC', () => ({ ...jwks['rsa'], kty: 'EC' })],
    ['an EC key that calls itself RSA', () => ({ ...jwks['ec'], kty: 'RSA' })],
    ['an EC key of another type', () => ({ ...jwks['ec'], kty: 'OKP' })],
    ['an EC key that names another curve', () => ({ ...jwks['ec'], crv: 'P-384' })],
    ['an RSA key whose n is a list', () => ({ ...jwks['rsa'], n: [jwks['rsa']?.['n']] })],
    ['an EC key without y', () => ({ ...jwks['ec'], y: undefined })],
    ['an EC key whose x is no base64url', () => ({ ...jwks['ec'], x: 'a b' })],
    ['an EC key that has lost a character', () => ({ ...jwks['ec'], y: String(jwks['ec']?.['y']).slice(1) })],
    ['an EC key with a short x', () => ({ ...jwks['ec'], x: 'AAAA' })],
    ['an RSA key that has lost a character', () => ({ ...jwks['rsa'], n: String(jwks['rsa']?.['n']).slice(1) })],
    ['an RSA key whose every text is its own signature', () => ({ ...jwks['rsa'], e: 'AQ' })],
    ['an RSA key with the exponent 0', () => ({ ...jwks['rsa'], e: 'AA' })],
    ['an RSA key without exponent', () => ({ ...jwks['rsa'], e: undefined })],
    ['an RSA key of zeros', () => ({ ...jwks['rsa'], n: 'A'.repeat(400) })],
    ['an RSA key of 2047 bits', () => ({ ...jwks['rsa'], n: numberOf([0x7f, ...Array(255).fill(0xff)]) })],
    [
      'an RSA key of 2047 bits after zeros',
      () => ({ ...jwks['rsa'], n: numberOf([0, 0, 0x7f, ...Array(255).fill(0xff)]) }),
    ],
  ])('is not %s', (_what, value) => {
    expect(readPublicKey(value())).toBeNull();
  });

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])('has no private member %s', (member) => {
    expect(readPublicKey({ ...jwks['rsa'], [member]: 'AQ' })).toBeNull();
  });

  it('may have the exponent 3', () => {
    expect(readPublicKey({ ...jwks['rsa'], e: 'Aw' })).toMatchObject({ e: 'Aw' });
  });

  it('may be RSA of exactly 2048 bits, also with zeros before them', () => {
    for (const zeros of [[], [0, 0]]) {
      const n = numberOf([...zeros, 0x80, ...Array(255).fill(0)]);
      expect(readPublicKey({ ...jwks['rsa'], n })).toMatchObject({ n });
    }
  });
});

describe('a set of keys', () => {
  it('tells whether it has others than usable ones', () => {
    const { kid, kty, crv, x, y } = jwks['ec'] ?? {};
    const key = { kid, kty, crv, x, y, alg: 'ES256' };
    expect(readKeySet({ keys: [jwks['ec']] })).toEqual({ keys: [key], hasOthers: false });
    expect(readKeySet({ keys: [jwks['ec'], jwks['p384']] })).toEqual({ keys: [key], hasOthers: true });
    for (const none of [null, [], {}, { keys: 'ec' }]) expect(readKeySet(none)).toEqual({ keys: [], hasOthers: false });
  });
});

function numberOf(bytes: readonly number[]): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
