/** What would be wrong with a deployment. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkDeployment, type Finding } from '../../src/tools/deployment.ts';
import { createKey } from '../../src/tools/new-key.ts';
import type { Secret } from '../../src/tools/secrets-file.ts';
import { WRANGLER_CONFIG } from '../../src/tools/shell.ts';
import { readWranglerConfig, type WranglerConfig } from '../../src/tools/wrangler-config.ts';
import { CALLER_ID_RULE } from '../../src/worker/callers/caller.ts';
import { CALLERS, EMULATOR_CREDENTIALS, FAULTY_ENV, SECRET } from '../fixtures.ts';

const read = await readWranglerConfig('/', WRANGLER_CONFIG, undefined);
if (!read.ok) throw new Error(read.failure);
const BARE = read.value;
/** The Worker's own configuration, after the operator has said what is protected and opened a way in. */
const CONFIG: WranglerConfig = {
  ...BARE,
  vars: { ...BARE.vars, PROTECTED_NAMES: '["golden-*"]' },
  routes: ['images.test'],
};
const VALUES = {
  BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
  BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
  CALLERS: JSON.stringify(CALLERS),
};
const secretsFrom = (values: Readonly<Record<string, string>>): Secret[] =>
  Object.entries(values).map(([name, value]) => ({ name, value, bytes: Buffer.byteLength(value) }));
const SECRETS = secretsFrom(VALUES);
const withVars = (vars: Readonly<Record<string, unknown>>): WranglerConfig => ({
  ...CONFIG,
  vars: { ...CONFIG.vars, ...vars },
});
const textsOf = (findings: readonly Finding[]) => findings.map(({ level, text }) => `${level}: ${text}`);
const check = (config = CONFIG, secrets = SECRETS, base: WranglerConfig | null = null) =>
  textsOf(checkDeployment(config, secrets, base));

describe('a deployment', () => {
  it('without a fault is one about which there is nothing to say', () => {
    expect(check()).toEqual([]);
  });

  it('is at fault with an inline key of an issuer that is no point of its curve', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k' };
    const issuers = (key: object) => ({
      one: { issuer: 'https://issuer.test', audience: 'us', jwks: { keys: [key] } },
    });
    expect(check(withVars({ ISSUERS: issuers(jwk) }))).toEqual([]);
    const moved = { ...jwk, x: Buffer.alloc(32, 1).toString('base64url') };
    expect(check(withVars({ ISSUERS: issuers(moved) }))).toEqual([
      'fault: ISSUERS one: jwks has a key that is no point of its curve',
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['a typo', { CALLER: '{}' }, 'CALLER in the secrets is nothing that the Worker knows'],
    [
      'a setting that is none',
      { PROTECTED_IMAGE: '[]' },
      'PROTECTED_IMAGE in the secrets is nothing that the Worker knows',
    ],
    ['a value as a name', { [SECRET]: 'x' }, 'member 4 in the secrets is nothing that the Worker knows'],
    ['a name of every object', { constructor: 'x' }, 'member 4 in the secrets is nothing that the Worker knows'],
    ['a binding', { LEDGER: 'x' }, 'LEDGER in the secrets is a binding and no secret'],
    ['a variable', { DELETIONS: 'enabled' }, 'DELETIONS in the secrets is also a variable'],
    ['a part that is not JSON', { CALLERS_1: 'x' }, 'CALLERS_1 is not a JSON object'],
    ['a placeholder', { BCE_SECRET_ACCESS_KEY: 'your-secret-access-key' }, 'BCE_SECRET_ACCESS_KEY is a placeholder'],
    [
      'a newline',
      { BCE_ACCESS_KEY_ID: `${SECRET}\n` },
      'BCE_ACCESS_KEY_ID has white space in it, such as a newline at its end',
    ],
  ])('is at fault with %s among the secrets', (_, values, fault) => {
    expect(check(CONFIG, secretsFrom({ ...VALUES, ...values }))).toEqual([`fault: ${fault}`]);
  });

  it('is at fault with a secret that stands in two files', () => {
    expect(
      check(CONFIG, [...SECRETS, ...secretsFrom({ CALLERS_1: '{}' }), ...secretsFrom({ CALLERS_1: '{}' })]),
    ).toEqual(['fault: CALLERS_1 in the secrets occurs twice']);
  });

  it('is at fault with a secret or a variable of more than 5000 bytes, and with none of 5000', () => {
    const part = (bytes: number) => ({ CALLERS_1: `{${' '.repeat(bytes - 2)}}` });
    expect(check(CONFIG, secretsFrom({ ...VALUES, ...part(5_000) }))).toEqual([]);
    expect(check(CONFIG, secretsFrom({ ...VALUES, ...part(5_001) }))).toEqual([
      'fault: CALLERS_1 has 5001 bytes, and Cloudflare takes 5000',
    ]);
    const ids = (count: number) => Array.from({ length: count }, () => 'm-nky7qeom');
    expect(check(withVars({ PROTECTED_IMAGES: ids(384) }))).toEqual([]);
    expect(check(withVars({ PROTECTED_IMAGES: ids(385) }))).toEqual([
      'fault: PROTECTED_IMAGES has 5006 bytes, and Cloudflare takes 5000',
    ]);
  });

  it('is at fault without a secret, told once', () => {
    expect(check(CONFIG, secretsFrom({ CALLERS: VALUES.CALLERS }))).toEqual([
      'fault: BCE_ACCESS_KEY_ID is missing or blank',
      'fault: BCE_SECRET_ACCESS_KEY is missing or blank',
    ]);
    expect(check({ ...CONFIG, requiredSecrets: [...CONFIG.requiredSecrets, 'BCE_SESSION_TOKEN'] })).toEqual([
      'fault: BCE_SESSION_TOKEN is missing, and secrets.required names it',
    ]);
  });

  it('is at fault with a variable that the Worker does not know, or that is a secret or a binding', () => {
    expect(check(withVars({ PROTECTED_IMAGE: '[]', [SECRET]: 1 }))).toEqual([
      'fault: PROTECTED_IMAGE in the variables is nothing that the Worker knows',
      'fault: member 13 in the variables is nothing that the Worker knows',
    ]);
    const { CALLERS: _, ...others } = VALUES;
    expect(check(withVars({ CALLERS: VALUES.CALLERS }), secretsFrom(others))).toEqual([
      'fault: CALLERS in the variables is a secret and no variable',
      'fault: CALLERS is missing, and secrets.required names it',
    ]);
    expect(check(withVars({ VERSION: '1' }))).toEqual(['fault: VERSION in the variables is a binding and no variable']);
  });

  it('is at fault if a declaration is missing or says something else', () => {
    const [burst, sustained] = CONFIG.rateLimits.values();
    const of = (changes: Partial<WranglerConfig>) => check({ ...CONFIG, ...changes });
    const limits = 'is not declared as a rate limit of';
    expect(of({ durableObjects: new Map(), rateLimits: new Map(), version: null })).toEqual([
      'fault: LEDGER is not declared as a Durable Object of the class Ledger',
      `fault: RATE_LIMITER_BURST ${limits} 20 in 10 s, which callers are told`,
      `fault: RATE_LIMITER_SUSTAINED ${limits} 60 in 60 s, which callers are told`,
      'fault: VERSION is not declared as the binding of version_metadata',
    ]);
    expect(of({ durableObjects: new Map([['LEDGER', 'Book']]) })).toHaveLength(1);
    expect(of({ version: 'V' })).toHaveLength(1);
    if (burst === undefined || sustained === undefined) throw new Error('There is no rate limit.');
    const slow = { ...burst, periodS: 60 };
    const wide = { ...sustained, requests: 600 };
    expect(
      of({ rateLimits: new Map(Object.entries({ RATE_LIMITER_BURST: slow, RATE_LIMITER_SUSTAINED: wide })) }),
    ).toHaveLength(2);
  });

  it('has the faults that the Worker would find, and repeats no value', () => {
    const { BCE_ACCESS_KEY_ID, BCE_SECRET_ACCESS_KEY, ...vars } = FAULTY_ENV;
    const secrets = secretsFrom({
      ...VALUES,
      BCE_ACCESS_KEY_ID,
      BCE_SECRET_ACCESS_KEY,
      CALLERS: `{"${SECRET}": "${SECRET}"}`,
    });
    const texts = check(withVars({ ...vars, ISSUERS: `{"a": {"issuer": "${SECRET}"}}` }), secrets);
    for (const name of ['BCE_ACCESS_KEY_ID', 'BCE_SECRET_ACCESS_KEY', 'BCC_ENDPOINT', 'UPSTREAM_DEADLINE_MS']) {
      expect(texts.filter((text) => text.startsWith(`fault: ${name} `))).toHaveLength(1);
    }
    expect(texts).toContain('fault: CALLERS caller 1: is not an object');
    expect(texts).toContain('fault: ISSUERS issuer 1: audience must be a text');
    expect(texts.join()).not.toContain(SECRET);
  });
});

describe('a note', () => {
  it('tells that nothing is protected, and that nobody can reach the Worker', () => {
    expect(check(BARE)).toEqual([
      'note: no route, and workers_dev is off: only a service binding leads to the Worker',
      'note: PROTECTED_IMAGES and PROTECTED_NAMES are empty: nothing is protected',
    ]);
    expect(check({ ...CONFIG, routes: [], isOnWorkersDev: true })).toEqual([]);
    expect(check(withVars({ PROTECTED_IMAGES: '["m-nky7qeom"]', PROTECTED_NAMES: '[]' }))).toEqual([]);
  });

  it('tells that deletions are disabled', () => {
    expect(check(withVars({ DELETIONS: 'disabled' }))).toEqual(['note: DELETIONS is disabled: nobody can delete']);
  });

  it('does not repeat a key that stands in the place of a name', () => {
    const callers = { [createKey().key]: { binding: true, scopes: [] } };
    const secrets = secretsFrom({ ...VALUES, CALLERS: JSON.stringify(callers) });
    expect(check(CONFIG, secrets)).toEqual([`fault: CALLERS caller 1: the name must be ${CALLER_ID_RULE}`]);
  });

  it('tells of callers without scopes, whatever their proof, once each', () => {
    const callers = {
      a: { keySha256: ['1'.repeat(64), '2'.repeat(64)], scopes: [] },
      b: { binding: true, scopes: [] },
      c: { tokens: [{ issuer: 'k8s', claims: { sub: 'c' } }], scopes: [] },
      d: { binding: true, scopes: ['images:read'] },
    };
    const issuers = { k8s: { issuer: 'x', audience: 'y', jwks: 'https://k8s.test/jwks' } };
    const secrets = secretsFrom({ ...VALUES, CALLERS: JSON.stringify(callers) });
    expect(check(withVars({ ISSUERS: issuers }), secrets)).toEqual([
      'note: a has no scopes, so it can do nothing',
      'note: b has no scopes, so it can do nothing',
      'note: c has no scopes, so it can do nothing',
    ]);
    expect(check(CONFIG, secretsFrom({ ...VALUES, CALLERS: '{}' }))).toEqual([
      'note: CALLERS is empty: nobody may call',
    ]);
  });
});

describe('an environment', () => {
  it('is warned of what it does not inherit, of what it does, and of what it shares', () => {
    const { BCC_ENDPOINT: _, ...vars } = CONFIG.vars;
    expect(check({ ...CONFIG, vars }, SECRETS, CONFIG)).toEqual([
      "warning: BCC_ENDPOINT is not inherited: this environment has the Worker's default",
      'warning: the route images.test is taken from the deployment without an environment',
      'warning: RATE_LIMITER_BURST has a namespace_id of the deployment without an environment, and counts with it',
      'warning: RATE_LIMITER_SUSTAINED has a namespace_id of the deployment without an environment, and counts with it',
    ]);
  });

  it('with variables, routes and namespaces of its own is not', () => {
    const own = [...CONFIG.rateLimits].map(
      ([name, limit]) => [name, { ...limit, namespaceId: `9${limit.namespaceId}` }] as const,
    );
    expect(check({ ...CONFIG, routes: ['gz.test'], rateLimits: new Map(own) }, SECRETS, CONFIG)).toEqual([]);
  });
});
