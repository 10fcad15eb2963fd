/** `ISSUERS`: the issuers whose tokens count. */
import { describe, expect, it } from 'vitest';
import { parseIssuers } from '../../../src/worker/callers/issuers.ts';
import { parseConfig } from '../../../src/worker/config.ts';
import { validEnv } from '../../harness.ts';
import { createPair } from '../../issuer.ts';

const entry = { issuer: 'https://issuer.test', audience: 'us', jwks: 'https://issuer.test/jwks' };
const problemsOf = (fields: object) => parseIssuers(JSON.stringify({ one: { ...entry, ...fields } })).problems;

describe('ISSUERS', () => {
  it('has defaults: an hour, and the header Authorization', () => {
    expect(parseIssuers(JSON.stringify({ one: entry }))).toEqual({
      problems: [],
      issuers: [{ name: 'one', ...entry, maxLifetimeS: 3_600, header: null }],
    });
  });

  it('may be an object, as the platform passes it, or empty, or absent', () => {
    expect(parseIssuers({ one: entry }).issuers).toHaveLength(1);
    for (const ISSUERS of ['{}', {}, undefined]) {
      expect(parseConfig({ ...validEnv(), ISSUERS }).callers?.issuers).toEqual([]);
    }
  });

  it('keeps the public part of inline keys', async () => {
    const { jwk } = await createPair('k', 'RS256');
    const { issuers, problems } = parseIssuers({ one: { ...entry, jwks: { keys: [jwk] } } });
    const { kid, kty, n, e } = jwk;
    expect([problems, issuers[0]?.jwks]).toEqual([[], [{ kid, kty, n, e, alg: 'RS256' }]]);
  });

  it.each([1, 86_400])('may have a lifetime of %i s', (maxLifetimeS) => {
    expect(parseIssuers({ one: { ...entry, maxLifetimeS } })).toMatchObject({
      issuers: [{ maxLifetimeS }],
      problems: [],
    });
  });

  it.each(['Cf-Access-Jwt-Assertion', 'x-token'])('may have the header %s, in lower case', (header) => {
    const { issuers, problems } = parseIssuers({ one: { ...entry, header } });
    expect([issuers[0]?.header, problems]).toEqual([header.toLowerCase(), []]);
  });

  it.each(['https://a.test/x?y=z', 'http://localhost:1/jwks', 'http://127.0.0.1/jwks', 'http://[::1]:8/jwks'])(
    'may have the address %s',
    (jwks) => expect(problemsOf({ jwks })).toEqual([]),
  );

  it.each<[string, object, RegExp]>([
    ['an unknown field', { iss: 'x' }, /unknown field/],
    ['no issuer', { issuer: undefined }, /issuer must be a string/],
    ['a blank issuer', { issuer: ' ' }, /issuer must be a string/],
    ['a list of audiences', { audience: ['us'] }, /audience must be a string/],
    ['no audience', { audience: undefined }, /audience must be a string/],
    ['no keys', { jwks: undefined }, /jwks must be a URL or/],
    ['an empty list of keys', { jwks: { keys: [] } }, /jwks must be a URL or .*RSA from 2048 bits or EC P-256/],
    ['plain http', { jwks: 'http://issuer.test/jwks' }, /jwks must be a URL: https/],
    ['an address with a user', { jwks: 'https://me:pw@issuer.test/jwks' }, /jwks must be a URL: https/],
    ['an address with a user alone', { jwks: 'https://me@issuer.test/jwks' }, /jwks must be a URL: https/],
    ['an address with a password alone', { jwks: 'https://:pw@issuer.test/jwks' }, /jwks must be a URL: https/],
    ['another scheme on loopback', { jwks: 'ftp://localhost/jwks' }, /jwks must be a URL: https/],
    ['an address with a fragment', { jwks: 'https://issuer.test/jwks#a' }, /jwks must be a URL: https/],
    ['an address that a parser changes', { jwks: 'https://issuer.test/a/../jwks' }, /jwks must be a URL: https/],
    ['a host that begins like loopback', { jwks: 'http://localhost.evil.test/' }, /jwks must be a URL: https/],
    ['text that is not an address', { jwks: 'issuer.test' }, /jwks must be a URL: https/],
    ['a lifetime of 0', { maxLifetimeS: 0 }, /maxLifetimeS must be/],
    ['a lifetime of more than a day', { maxLifetimeS: 86_401 }, /maxLifetimeS must be/],
    ['a lifetime that is a string', { maxLifetimeS: '60' }, /maxLifetimeS must be/],
    ['a lifetime of half a second', { maxLifetimeS: 0.5 }, /maxLifetimeS must be/],
    ['the header Authorization', { header: 'AUTHORIZATION' }, /header must name/],
    ['the header Cookie', { header: 'Cookie' }, /header must name/],
    ['a header that logs would show', { header: 'X-Identity' }, /header must name .* token in its name/],
    ['a header with a blank', { header: 'X Token' }, /header must name/],
    ['a header that begins with a blank', { header: ' X-Token' }, /header must name/],
    ['a header that ends with a newline', { header: 'X-Token\n' }, /header must name/],
    ['a header that begins with a digit', { header: '7-Token' }, /header must name/],
    ['a header of 65 characters', { header: `x-token${'x'.repeat(58)}` }, /header must name/],
    ['a header that is not text', { header: null }, /header must name/],
  ])('may not have %s', (_what, fields, problem) => {
    const problems = problemsOf(fields);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
    expect(problems[0]).toMatch(/^issuer 1: /);
  });

  it('says which of the inline keys is invalid, and why', async () => {
    const { jwk } = await createPair('k');
    const rsa = await createPair('r', 'RS256');
    const none = 'issuer 1: jwks must be a URL or {"keys": […]}';
    const problemsOfKeys = (...keys: object[]) =>
      problemsOf({ jwks: { keys } }).map((each) => each.replace(/: public.*/, ''));
    expect(problemsOfKeys({ ...jwk, d: jwk.x })).toEqual([
      none,
      'issuer 1: jwks: key 1 has a private or symmetric member',
    ]);
    expect(problemsOfKeys(jwk, { ...rsa.jwk, n: `${rsa.jwk.n}==` })).toEqual([
      'issuer 1: jwks: key 2 has an "n" that is not base64url without padding',
    ]);
    expect(problemsOfKeys(jwk, { kty: 'oct', k: 'AA', kid: 's' }, { ...jwk, kid: undefined })).toEqual([
      'issuer 1: jwks: key 2 has a private or symmetric member',
      'issuer 1: jwks: key 3 has no "kid"',
    ]);
    expect(problemsOfKeys(jwk, rsa.jwk, { ...rsa.jwk, kid: 'k' })).toEqual([
      'issuer 1: jwks: two keys have the same "kid"',
    ]);
    expect(problemsOfKeys(jwk, { ...jwk, kid: 'l' })).toEqual([]);
  });

  it('ignores what verifies nothing: certificates, and keys for other uses beside a usable one', async () => {
    const { jwk } = await createPair('k');
    const chaff = { x5c: ['MIIB'], x5t: 'thumb', 'x5t#S256': 'thumb', x5u: 'https://issuer.test/cert' };
    const other = { ...jwk, kid: 'e', use: 'enc' };
    const { issuers, problems } = parseIssuers({ one: { ...entry, jwks: { keys: [other, { ...jwk, ...chaff }] } } });
    const { kid, kty, crv, x, y } = jwk;
    expect([problems, issuers[0]?.jwks]).toEqual([[], [{ kid, kty, crv, x, y, alg: 'ES256' }]]);
    expect(problemsOf({ jwks: { keys: [other] } })).toContain('issuer 1: jwks: key 1 has a "use" other than sig');
    // A private member is an error, whatever the key is for.
    expect(problemsOf({ jwks: { keys: [jwk, { ...other, d: jwk.x }] } })).toHaveLength(1);
  });

  it.each(['https://acme.cloudflareaccess.com', 'https://acme.fed.cloudflareaccess.com'])(
    'may have sessions of a month for %s',
    (issuer) => {
      expect(problemsOf({ issuer, maxLifetimeS: 31 * 86_400 })).toEqual([]);
      expect(problemsOf({ issuer, maxLifetimeS: 31 * 86_400 + 1 })).toEqual([
        'issuer 1: maxLifetimeS must be a whole number from 1 to 2678400',
      ]);
    },
  );

  it.each([
    'https://issuer.test/acme.cloudflareaccess.com',
    'https://issuer.test/?https://acme.cloudflareaccess.com',
    'https://cloudflareaccess.com',
    'https://acme.cloudflareaccess.com.evil.test',
    'https://evilcloudflareaccess.com',
    'http://acme.cloudflareaccess.com',
  ])('may not have sessions of a month for %s', (issuer) => {
    expect(problemsOf({ issuer, maxLifetimeS: 86_401 })[0]).toMatch(/from 1 to 86400$/);
  });

  it.each<[unknown, RegExp]>([
    ['nonsense', /^is not a JSON object$/],
    ['[]', /^is not a JSON object$/],
    [[], /^is not a JSON object$/],
    ['{"a b":{}}', /^issuer 1: the name must be/],
    ['{"a":null}', /^issuer 1: is not an object$/],
    [{ a: entry, b: entry }, /^has two entries with the same issuer and audience$/],
    [`{"a":${JSON.stringify(entry)},"a":${JSON.stringify(entry)}}`, /^issuer 2: a name or a field occurs twice$/],
  ])('is refused if it is %j', (value, problem) => {
    const { callers, config, problems } = parseConfig({ ...validEnv(), ISSUERS: value });
    expect([callers, config]).toEqual([null, null]);
    expect(problems.map((each) => each.replace(/^ISSUERS /, '')).find((each) => problem.test(each))).toBeDefined();
  });

  it('yields no issuers if it is not an object, or if its entry is not', () => {
    expect(parseIssuers('nonsense')).toEqual({ issuers: [], problems: ['is not a JSON object'] });
    expect(parseIssuers('{"a":null}')).toEqual({ issuers: [], problems: ['issuer 1: is not an object'] });
  });

  it('may have two issuers that differ in the audience alone', () => {
    expect(parseIssuers({ a: entry, b: { ...entry, audience: 'them' } }).problems).toEqual([]);
  });

  it('never repeats a value in a problem', () => {
    const secret = 'Sk7rQ2bX9pLm4VtY8cNz1HwKd6JfGu3A';
    const { problems } = parseIssuers({
      [`${secret} `]: { [secret]: secret, issuer: 7, audience: 7, jwks: secret, header: `${secret} ` },
    });
    expect(problems).toHaveLength(6);
    expect(problems.join()).not.toContain(secret);
  });
});
