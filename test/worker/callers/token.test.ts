/** Tokens and their forgeries, against a real issuer. */
import fc from 'fast-check';
import { exportSPKI, SignJWT, UnsecuredJWT } from 'jose';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import type { Caller } from '../../../src/worker/callers/caller.ts';
import type { Issuer } from '../../../src/worker/callers/issuers.ts';
import { keyDigest } from '../../../src/worker/callers/key.ts';
import { isToken, TokenVerifier } from '../../../src/worker/callers/token.ts';
import type { TokenRule } from '../../../src/worker/callers/token-rules.ts';
import { platformRuntime } from '../../../src/worker/platform.ts';
import { TOKEN_REFUSALS, type TokenRefusal } from '../../../src/worker/problems/facts.ts';
import type { WaitUntil } from '../../../src/worker/runtime.ts';
import { MINUTE_MS } from '../../../src/worker/time.ts';
import { AUDIENCE, base64url, createPair, type Members, part, type SigningPair, TestIssuer } from '../../issuer.ts';

const caller = (id: string): Caller => ({ id, scopes: new Set(), names: null, dailyDeletions: null });
const JOB = caller('job');
const rule = (claims: Record<string, string>, of = JOB, issuer = 'local'): TokenRule => ({
  caller: of,
  issuer,
  claims: Object.entries(claims),
});

/** A verifier with a clock that the test sets. */
function verifierOf(issuers: readonly Issuer[], rules: readonly TokenRule[] = [rule({ sub: 'job-7' })]) {
  const clock = { nowMs: Date.now() };
  const works: Promise<unknown>[] = [];
  const runtime = { ...platformRuntime, now: () => clock.nowMs, log: () => undefined };
  const verifier = new TokenVerifier(issuers, rules, runtime);
  const waitUntil: WaitUntil = (work) => works.push(work);
  /** The caller's name, or the code of the failure. */
  const who = async (token: string, header: string | null = null) => {
    if (!isToken(token)) return 'unauthenticated';
    const digest = keyDigest(token);
    const verified = await verifier.verify(token, digest, header, waitUntil);
    await Promise.all(works.splice(0));
    return verified.ok ? verified.value.caller.id : verified.failure.code;
  };
  /** The recorded reason for a refusal, if there is one. Throws unless the token is refused. */
  const why = async (token: string) => {
    const verified = await verifier.verify(token, keyDigest(token), null, waitUntil);
    await Promise.all(works.splice(0));
    if (verified.ok || verified.failure.code !== 'unauthenticated') throw new Error('not refused');
    return verified.failure.refused;
  };
  return { verifier, waitUntil, clock, who, why };
}

let issuer: TestIssuer;
let rsa: TestIssuer;
let foreign: SigningPair;
beforeAll(async () => {
  issuer = await TestIssuer.create(inject('issuerUrl'));
  rsa = await TestIssuer.create(inject('issuerUrl'), 'RS256');
  foreign = await createPair('key-1');
});

describe('a token', () => {
  it.each(['ES256', 'RS256'] as const)('signed with %s identifies the caller whose claims it matches', async (alg) => {
    const by = alg === 'ES256' ? issuer : rsa;
    expect(await verifierOf([by.parsed()]).who(await by.token())).toBe('job');
  });

  it('may be verified with inline keys, which need no address', async () => {
    expect(await verifierOf([issuer.parsed({ jwks: [issuer.pair.jwk] })]).who(await issuer.token())).toBe('job');
  });

  it('may have a list of audiences that contains ours', async () => {
    expect(await verifierOf([issuer.parsed()]).who(await issuer.token({ aud: ['others', AUDIENCE] }))).toBe('job');
  });

  it.each<[string, Members, string | null]>([
    ['its sub', { sub: 'job-7' }, 'job-7'],
    ['common_name if sub is blank, as with Cloudflare Access', { sub: '', common_name: 'abc.access' }, 'abc.access'],
    ['common_name if there is no sub', { sub: undefined, common_name: 'abc.access' }, 'abc.access'],
    ['nothing if it has neither', { sub: undefined }, null],
  ])('takes as its subject %s', async (_what, claims, subject) => {
    const { verifier, waitUntil } = verifierOf([issuer.parsed()], [rule({ team: 'a' })]);
    const token = await issuer.token({ team: 'a', ...claims });
    const verified = await verifier.verify(token, 'digest', null, waitUntil);
    expect(verified).toEqual({ ok: true, value: { caller: JOB, proof: { kind: 'token', issuer: 'local', subject } } });
  });

  it.each<[string, Members]>([
    ['of 257 characters', { sub: 'x'.repeat(257) }],
    ['with a line break', { sub: 'a\nb' }],
    ['that is a number', { sub: 7 }],
    ['that is null', { sub: null }],
    ['that is a list', { sub: '', common_name: ['x'] }],
  ])('with a subject %s is refused', async (_what, claims) => {
    const token = await issuer.token({ team: 'a', ...claims });
    expect(await verifierOf([issuer.parsed()], [rule({ team: 'a' })]).who(token)).toBe('unauthenticated');
  });

  it('may have a subject of 256 characters', async () => {
    const token = await issuer.token({ team: 'a', sub: 'é'.repeat(256) });
    expect(await verifierOf([issuer.parsed()], [rule({ team: 'a' })]).who(token)).toBe('job');
  });
});

describe('a forged token', () => {
  const at = () => Math.floor(Date.now() / 1000);
  const none = (alg: string) => async () => {
    const [, payload = ''] = (await issuer.token()).split('.');
    return `${part({ alg, kid: 'key-1' })}.${payload}.`;
  };
  const symmetric = async () => {
    const secret = new TextEncoder().encode(JSON.stringify(issuer.pair.jwk));
    const claims = { iss: issuer.iss, aud: AUDIENCE, sub: 'job-7', iat: at(), exp: at() + 60 };
    return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'key-1' }).sign(secret);
  };
  /** A genuine token, except that its payload has a byte that is not UTF-8. */
  const notUtf8 = async () => {
    const claims = { iss: issuer.iss, aud: AUDIENCE, sub: 'job-7', iat: at(), exp: at() + 60, pad: '?' };
    const payload = new TextEncoder().encode(JSON.stringify(claims));
    payload[payload.lastIndexOf('?'.charCodeAt(0))] = 0xff;
    const input = `${part({ alg: 'ES256', kid: 'key-1' })}.${base64url(payload)}`;
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
    const signature = await crypto.subtle.sign(algorithm, issuer.pair.privateKey, new TextEncoder().encode(input));
    return `${input}.${base64url(new Uint8Array(signature))}`;
  };
  const forgeries: Record<string, () => Promise<string>> = {
    'no signature': async () => new UnsecuredJWT({ sub: 'job-7' }).setIssuer(issuer.iss).setAudience(AUDIENCE).encode(),
    'alg none': none('none'),
    'alg None': none('None'),
    'alg NONE': none('NONE'),
    'alg nOnE': none('nOnE'),
    'alg none with a signature': async () => {
      const [, payload = '', signature = ''] = (await issuer.token()).split('.');
      return `${part({ alg: 'none', kid: 'key-1' })}.${payload}.${signature}`;
    },
    'HS256 with the public key as JSON': symmetric,
    'HS256 with the public key as PEM': async () => {
      const pem = new TextEncoder().encode(await exportSPKI(issuer.pair.publicKey));
      const claims = { iss: issuer.iss, aud: AUDIENCE, sub: 'job-7', iat: at(), exp: at() + 60 };
      return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'key-1' }).sign(pem);
    },
    'a foreign key under our kid': () => issuer.token({}, {}, foreign),
    'a foreign key in the header jwk': () => issuer.token({}, { jwk: foreign.jwk }, foreign),
    'the header jku': () => issuer.token({}, { jku: 'https://evil.test/jwks' }, foreign),
    'our key, and the header jwk': () => issuer.token({}, { jwk: issuer.pair.jwk }),
    'our key, and the header jku': () => issuer.token({}, { jku: 'https://issuer.test/jwks' }),
    'our key, and the header x5c': () => issuer.token({}, { x5c: ['AAAA'] }),
    'our key, and the header x5u': () => issuer.token({}, { x5u: 'https://issuer.test/cert' }),
    'an unknown critical extension': () => issuer.token({}, { crit: ['exp'], exp: 1 }),
    'no kid': () => issuer.token({}, { kid: undefined }),
    'a blank kid': () => issuer.token({}, { kid: '' }),
    'a kid in a list': () => issuer.token({}, { kid: ['key-1'] }),
    'an unknown kid': () => issuer.token({}, { kid: 'key-9' }),
    'a wrong audience': () => issuer.token({ aud: 'others' }),
    'an audience that begins like ours': () => issuer.token({ aud: `${AUDIENCE}-2` }),
    'a list without our audience': () => issuer.token({ aud: ['a', 'b'] }),
    'no audience': () => issuer.token({ aud: undefined }),
    'an audience that is an object': () => issuer.token({ aud: { [AUDIENCE]: true } }),
    'another issuer': () => issuer.token({ iss: 'https://evil.test' }),
    'our issuer with a slash': () => issuer.token({ iss: `${issuer.iss}/` }),
    'our issuer in capitals': () => issuer.token({ iss: issuer.iss.toUpperCase() }),
    'no issuer': () => issuer.token({ iss: undefined }),
    'an issuer in a list': () => issuer.token({ iss: [issuer.iss] }),
    'an exp in the past': () => issuer.token({ iat: at() - 600, exp: at() - 31 }),
    'no exp': () => issuer.token({ exp: undefined }),
    'no iat': () => issuer.token({ iat: undefined }),
    'an exp that is a string': () => issuer.token({ exp: String(at() + 60) }),
    'an iat that is a string': () => issuer.token({ iat: String(at()) }),
    'a lifetime of a year': () => issuer.token({ exp: at() + 31_536_000 }),
    'a lifetime one second too long': () => issuer.token({ iat: at(), exp: at() + 3_601 }),
    'an nbf that is a string': () => issuer.token({ nbf: String(at()) }),
    'an nbf in the future': () => issuer.token({ nbf: at() + 60 }),
    'an iat in the future': () => issuer.token({ iat: at() + 60, exp: at() + 120 }),
    'no matching claim': () => issuer.token({ sub: undefined }),
    'the claim as a list': () => issuer.token({ sub: ['job-7'] }),
    'the claim as a number': () => issuer.token({ sub: 7 }),
    'a claim that begins like ours': () => issuer.token({ sub: 'job-77' }),
    'only the beginning of our claim': () => issuer.token({ sub: 'job-' }),
    'our claim in capitals': () => issuer.token({ sub: 'JOB-7' }),
    'a character before its header': async () => `!${await issuer.token()}`,
    'two parts': async () => (await issuer.token()).split('.').slice(0, 2).join('.'),
    'four parts': async () => `${await issuer.token()}.x`,
    'five parts': async () => `${await issuer.token()}.x.y`,
    'an empty part': async () => (await issuer.token()).replace(/\..*\./, '..'),
    'a space at its end': async () => `${await issuer.token()} `,
    'padding at its end': async () => `${await issuer.token()}=`,
    'a payload that is not JSON': async () => `${part({ alg: 'ES256', kid: 'key-1' })}.${part('{')}.AAAA`,
    'a payload that is not UTF-8': notUtf8,
    'a payload that is a list': async () => `${part({ alg: 'ES256', kid: 'key-1' })}.${part([])}.AAAA`,
    'a header that is not an object': async () => `${part('7')}.${part({ iss: issuer.iss, aud: AUDIENCE })}.AAAA`,
    'more than 8 KB': () => issuer.token({ pad: 'x'.repeat(6_200) }),
  };

  it.each(Object.entries(forgeries))(
    'with %s is unauthenticated, and causes no further request to the issuer',
    async (_what, forge) => {
      const own = verifierOf([issuer.parsed()]);
      expect(await own.who(await issuer.token())).toBe('job');
      const before = await issuer.fetches();
      const token = await forge();
      expect(await own.who(token)).toBe('unauthenticated');
      expect(await own.who(token)).toBe('unauthenticated');
      expect(await issuer.fetches()).toBe(before);
    },
  );

  it('of more than 8 KB is refused for its length alone, while one of 8 KB can be genuine', async () => {
    const short = await issuer.token({ pad: '' });
    // Three bytes of payload are four characters.
    const pad = 'x'.repeat(Math.floor(((8_192 - short.length) * 3) / 4) - 3);
    const longest = await issuer.token({ pad });
    expect(longest.length).toBeGreaterThan(8_180);
    expect(await verifierOf([issuer.parsed()]).who(longest)).toBe('job');
    expect(isToken(`${'x'.repeat(8_188)}.x.x`)).toBe(true);
    expect(isToken(`${'x'.repeat(8_189)}.x.x`)).toBe(false);
  });

  it('with a space before it does not have the form of a token', async () => {
    expect(isToken(` ${await issuer.token()}`)).toBe(false);
  });

  it('signed with the key of another configured issuer is unauthenticated', async () => {
    const other = await TestIssuer.create(inject('issuerUrl'));
    const rules = [rule({ sub: 'job-7' }), rule({ sub: 'job-7' }, caller('other'), 'other')];
    const { who } = verifierOf([issuer.parsed(), other.parsed({ name: 'other' })], rules);
    expect(await who(await issuer.token())).toBe('job');
    expect(await who(await other.token())).toBe('other');
    expect(await who(await issuer.token({}, {}, other.pair))).toBe('unauthenticated');
    expect(await who(await other.token({}, {}, issuer.pair))).toBe('unauthenticated');
    expect(await who(await issuer.token({ iss: other.iss }))).toBe('unauthenticated');
  });

  it('whose audiences fit two entries of one issuer is unauthenticated', async () => {
    const { who } = verifierOf([issuer.parsed(), issuer.parsed({ name: 'two', audience: 'two' })]);
    expect(await who(await issuer.token({ aud: [AUDIENCE] }))).toBe('job');
    expect(await who(await issuer.token({ aud: [AUDIENCE, 'two'] }))).toBe('unauthenticated');
  });

  it('with only some of the claims of a rule is unauthenticated', async () => {
    const claims = { sub: 'job-7', team: 'a' };
    const { who } = verifierOf([issuer.parsed()], [rule(claims)]);
    expect(await who(await issuer.token(claims))).toBe('job');
    expect(await who(await issuer.token({ ...claims, team: undefined }))).toBe('unauthenticated');
    expect(await who(await issuer.token({ ...claims, team: 'b' }))).toBe('unauthenticated');
    expect(await who(await issuer.token({ ...claims, sub: 'job-8' }))).toBe('unauthenticated');
  });

  it('that fits the rules of two callers is unauthenticated', async () => {
    const rules = [rule({ sub: 'job-7' }), rule({ team: 'a' }, caller('team'))];
    const { who } = verifierOf([issuer.parsed()], rules);
    expect(await who(await issuer.token({ team: 'a' }))).toBe('unauthenticated');
    expect(await who(await issuer.token({ team: 'b' }))).toBe('job');
    expect(await who(await issuer.token({ team: 'a', sub: 'x' }))).toBe('team');
  });

  it('cannot inherit a claim', async () => {
    const { who } = verifierOf([issuer.parsed()], [rule({ constructor: 'x' })]);
    expect(await who(await issuer.token())).toBe('unauthenticated');
  });

  it('results from any change to a character of a genuine one, unless it decodes to the same bytes', async () => {
    const tokens = [await issuer.token(), await rsa.token()];
    const { who } = verifierOf(
      [issuer.parsed(), rsa.parsed({ name: 'rsa' })],
      [rule({ sub: 'job-7' }), rule({ sub: 'job-7' }, JOB, 'rsa')],
    );
    for (const token of tokens) expect(await who(token)).toBe('job');
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/= ~\n\0é'];
    const bytesOf = (text: string) => {
      try {
        return text.split('.').map((each) => atob(each.replaceAll('-', '+').replaceAll('_', '/')));
      } catch {
        return [];
      }
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...tokens),
        fc.nat(),
        fc.constantFrom(...letters),
        fc.constantFrom('replace', 'insert', 'remove'),
        async (token, position, letter, change) => {
          const at = position % token.length;
          const tail = token.slice(change === 'insert' ? at : at + 1);
          const changed = token.slice(0, at) + (change === 'remove' ? '' : letter) + tail;
          const [, , signature] = bytesOf(token);
          const [, , changedSignature] = bytesOf(changed);
          // The last character of a signature has bits that belong to no byte.
          const isSame = changed.slice(0, -1) === token.slice(0, -1) && signature === changedSignature;
          fc.pre(changed !== token && !isSame);
          expect(await who(changed)).toBe('unauthenticated');
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('a genuine token that is refused', () => {
  const at = () => Math.floor(Date.now() / 1000);
  const REFUSED: Record<TokenRefusal, Members> = {
    no_exp: { exp: undefined },
    no_iat: { iat: undefined },
    malformed_nbf: { nbf: String(at()) },
    lifetime_too_long: { exp: at() + 86_400 },
    expired: { iat: at() - 600, exp: at() - 31 },
    not_yet_valid: { nbf: at() + 60 },
    claim_not_text: { project_id: 23 },
    no_rule: { project_id: '24' },
    several_callers: { project_id: '23', sub: 'job-7' },
    malformed_subject: { project_id: '23', sub: 'a\nb' },
  };
  const rules = [rule({ project_id: '23' }), rule({ sub: 'job-7' }, caller('other'))];
  const refused = (reason: TokenRefusal) => issuer.token({ sub: 'job-8', ...REFUSED[reason] });

  it.each(TOKEN_REFUSALS)('is reported with the reason %s and its issuer', async (reason) => {
    const { who, why } = verifierOf([issuer.parsed()], rules);
    expect(await who(await issuer.token({ project_id: '23', sub: 'job-8' }))).toBe('job');
    expect(await why(await refused(reason))).toEqual({ issuer: 'local', reason });
  });

  it.each(TOKEN_REFUSALS)('is reported without the reason %s if another key signed it', async (reason) => {
    const { who, why } = verifierOf([issuer.parsed()], rules);
    expect(await who(await issuer.token())).toBe('other');
    expect(await why(await issuer.token({ sub: 'job-8', ...REFUSED[reason] }, {}, foreign))).toBeUndefined();
  });

  it('is reported without a reason if it names another audience', async () => {
    const { who, why } = verifierOf([issuer.parsed()], rules);
    expect(await who(await issuer.token())).toBe('other');
    expect(await why(await issuer.token({ aud: 'others' }))).toBeUndefined();
  });

  it('does not wait for keys if its times are wrong, so only the next one like it has a reason', async () => {
    const own = await TestIssuer.create(inject('issuerUrl'));
    const { why } = verifierOf([own.parsed()], rules);
    const token = await own.token(REFUSED.lifetime_too_long);
    expect(await why(token)).toBeUndefined();
    expect(await why(token)).toEqual({ issuer: 'local', reason: 'lifetime_too_long' });
    expect(await own.fetches()).toBe(1);
  });

  it('is a 401, not a 503, if its times are wrong and its issuer is down, which is asked once a minute', async () => {
    const down = await TestIssuer.create(inject('issuerUrl'));
    await down.become('down');
    const { who, clock } = verifierOf([down.parsed()], rules);
    const token = await down.token(REFUSED.expired);
    for (let n = 0; n < 20; n++) expect(await who(token)).toBe('unauthenticated');
    clock.nowMs += MINUTE_MS - 1;
    expect(await who(token)).toBe('unauthenticated');
    expect(await down.fetches()).toBe(1);
  });

  it('has the reason claim_not_text for a boolean true, but not for a list or another number', async () => {
    const { who, why } = verifierOf([issuer.parsed()], [rule({ email_verified: 'true' })]);
    expect(await who(await issuer.token({ email_verified: 'true' }))).toBe('job');
    expect(await why(await issuer.token({ email_verified: true }))).toMatchObject({ reason: 'claim_not_text' });
    expect(await why(await issuer.token({ email_verified: ['true'] }))).toMatchObject({ reason: 'no_rule' });
    expect(await why(await issuer.token({ email_verified: 1 }))).toMatchObject({ reason: 'no_rule' });
  });
});

describe('the lifetime of a token', () => {
  it.each<[string, number, number, string]>([
    ['30 seconds ago is accepted', -600, -29, 'job'],
    ['31 seconds ago is refused', -600, -31, 'unauthenticated'],
  ])('that ended %s', async (_when, iat, exp, expected) => {
    const nowS = Math.floor(Date.now() / 1000);
    expect(await verifierOf([issuer.parsed()]).who(await issuer.token({ iat: nowS + iat, exp: nowS + exp }))).toBe(
      expected,
    );
  });

  it('may begin 30 seconds from now, because clocks differ', async () => {
    const nowS = Math.floor(Date.now() / 1000);
    const { who } = verifierOf([issuer.parsed()]);
    expect(await who(await issuer.token({ iat: nowS + 29, nbf: nowS + 29 }))).toBe('job');
    expect(await who(await issuer.token({ iat: nowS + 32, exp: nowS + 60 }))).toBe('unauthenticated');
  });

  it('begins and ends to the millisecond, with thirty seconds of tolerance', async () => {
    const nowS = Math.floor(Date.now() / 1000);
    for (const [atMs, claims, expected] of [
      [nowS * 1000, { iat: nowS - 90, exp: nowS - 30 }, 'unauthenticated'],
      [nowS * 1000 - 1, { iat: nowS - 90, exp: nowS - 30 }, 'job'],
      [nowS * 1000, { iat: nowS + 30, exp: nowS + 60 }, 'job'],
      [nowS * 1000 - 1, { iat: nowS + 30, exp: nowS + 60 }, 'unauthenticated'],
      [nowS * 1000, { iat: nowS, nbf: nowS + 30, exp: nowS + 60 }, 'job'],
      [nowS * 1000 - 1, { iat: nowS, nbf: nowS + 30, exp: nowS + 60 }, 'unauthenticated'],
    ] as const) {
      const { who, clock } = verifierOf([issuer.parsed({ jwks: [issuer.pair.jwk] })]);
      clock.nowMs = atMs;
      expect(await who(await issuer.token(claims))).toBe(expected);
    }
  });

  it('may be as long as the entry of its issuer allows', async () => {
    const nowS = Math.floor(Date.now() / 1000);
    const { who } = verifierOf([issuer.parsed({ maxLifetimeS: 900 })]);
    expect(await who(await issuer.token({ iat: nowS, exp: nowS + 900 }))).toBe('job');
    expect(await who(await issuer.token({ iat: nowS, exp: nowS + 901 }))).toBe('unauthenticated');
  });
});

describe('a token that was verified', () => {
  it('is remembered for five minutes without asking the issuer', async () => {
    const own = await TestIssuer.create(inject('issuerUrl'));
    const { who, clock } = verifierOf([own.parsed()]);
    const token = await own.token();
    expect(await who(token)).toBe('job');
    // A remembered token needs no keys. Only a renewal finds out that its key has gone.
    await own.publish(await createPair('key-2'));
    clock.nowMs += 5 * MINUTE_MS - 1;
    expect(await who(token)).toBe('job');
    expect(await own.fetches()).toBe(1);
  });

  it('is forgotten when it expires', async () => {
    const { who, clock } = verifierOf([issuer.parsed()]);
    const nowS = Math.floor(clock.nowMs / 1000);
    const token = await issuer.token({ iat: nowS, exp: nowS + 60 });
    expect(await who(token)).toBe('job');
    clock.nowMs = (nowS + 91) * 1000;
    expect(await who(token)).toBe('unauthenticated');
  });

  it('is not verified again for five minutes', async () => {
    const { verifier, waitUntil, clock } = verifierOf([issuer.parsed({ jwks: [issuer.pair.jwk] })]);
    await verifier.verify(await issuer.token(), 'digest', null, waitUntil);
    // Another text under the same digest passes only if the text is not verified.
    const isRemembered = async () => (await verifier.verify('x', 'digest', null, waitUntil)).ok;
    clock.nowMs += 5 * MINUTE_MS - 1;
    expect(await isRemembered()).toBe(true);
    clock.nowMs += 1;
    expect(await isRemembered()).toBe(false);
    clock.nowMs -= MINUTE_MS;
    expect(await isRemembered()).toBe(false);
  });

  it('is forgotten when the issuer no longer publishes its key', async () => {
    const own = await TestIssuer.create(inject('issuerUrl'));
    const { who, clock } = verifierOf([own.parsed()]);
    const lasting = await own.token({ exp: Math.floor(clock.nowMs / 1000) + 3_000 });
    expect(await who(lasting)).toBe('job');
    const second = await createPair('key-2');
    await own.publish(second);
    clock.nowMs += 10 * MINUTE_MS;
    // The old keys serve until the new ones have been fetched.
    expect(await who(lasting)).toBe('job');
    expect(await who(lasting)).toBe('unauthenticated');
    expect(await who(await own.token({}, {}, second, clock.nowMs))).toBe('job');
    expect(await own.fetches()).toBe(2);
  });

  it('starts the renewal of old keys even while it is remembered', async () => {
    const own = await TestIssuer.create(inject('issuerUrl'));
    const { who, clock } = verifierOf([own.parsed()]);
    const lasting = await own.token({ exp: Math.floor(clock.nowMs / 1000) + 3_000 });
    await who(lasting);
    clock.nowMs += 8 * MINUTE_MS;
    await who(lasting);
    clock.nowMs += 2 * MINUTE_MS;
    await own.publish(await createPair('key-2'));
    expect(await who(lasting)).toBe('job');
    expect(await own.fetches()).toBe(2);
  });

  it('is one of at most a thousand, and the oldest is verified again', async () => {
    const own = await TestIssuer.create(inject('issuerUrl'));
    const { verifier, waitUntil } = verifierOf([own.parsed()]);
    const token = await own.token();
    // The same token under many digests takes as many places.
    const at = (n: number) => verifier.verify(token, String(n), null, waitUntil);
    for (let n = 0; n < 1_000; n++) await at(n);
    const forged = `${token.slice(0, -4)}AAAA`;
    const isRemembered = async (n: number) => (await verifier.verify(forged, String(n), null, waitUntil)).ok;
    expect([await isRemembered(0), await isRemembered(999)]).toEqual([true, true]);
    await at(1_000);
    expect([await isRemembered(0), await isRemembered(1), await isRemembered(1_000)]).toEqual([false, true, true]);
  });

  it('counts only in the header of its issuer', async () => {
    const { who } = verifierOf([issuer.parsed({ header: 'x-token' })]);
    const token = await issuer.token();
    expect(await who(token, 'x-token')).toBe('job');
    expect(await who(token)).toBe('unauthenticated');
    expect(await who(token, 'x-other')).toBe('unauthenticated');
    expect(await verifierOf([issuer.parsed()]).who(token, 'x-token')).toBe('unauthenticated');
  });
});

describe('an issuer whose keys are not known', () => {
  it('makes its tokens unavailable, not wrong, and does not affect other issuers', async () => {
    const down = await TestIssuer.create(inject('issuerUrl'));
    await down.become('down');
    const rules = [rule({ sub: 'job-7' }), rule({ sub: 'job-7' }, caller('down'), 'down')];
    const { who } = verifierOf([issuer.parsed(), down.parsed({ name: 'down' })], rules);
    expect(await who(await down.token())).toBe('identity_unavailable');
    expect(await who(await down.token())).toBe('identity_unavailable');
    expect(await down.fetches()).toBe(1);
    expect(await who(await issuer.token())).toBe('job');
  });

  it('is not asked about a token that does not name it', async () => {
    const unasked = await TestIssuer.create(inject('issuerUrl'));
    const { who } = verifierOf([unasked.parsed()]);
    expect(await who(await issuer.token())).toBe('unauthenticated');
    expect(await who(await unasked.token({ aud: 'others' }))).toBe('unauthenticated');
    expect(await unasked.fetches()).toBe(0);
  });
});
