/** What can be wrong with a deployment. */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkDeployment, readSecretsFile, type Secret } from '../../src/tools/deployment.ts';
import type { Finding } from '../../src/tools/findings.ts';
import { createKey } from '../../src/tools/new-key.ts';
import { readWranglerConfig, type WranglerConfig } from '../../src/tools/wrangler-config.ts';
import { CALLER_ID_RULE } from '../../src/worker/callers/caller.ts';
import { CALLERS, EMULATOR_CREDENTIALS, FAULTY_ENV, SECRET } from '../fixtures.ts';

/** The files that operators copy examples from. */
const EXAMPLES = ['src/docs/operating.md', 'wrangler.toml']
  .map((file) => readFileSync(join(import.meta.dirname, '../..', file), 'utf8'))
  .join();
const read = await readWranglerConfig({ folder: '/', env: {} });
if (!read.ok) throw new Error(read.failure);
const BARE = read.value;
/** This repository's configuration, with protected names and a route. */
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
  Object.entries(values).map(([name, value]) => ({ name, value }));
const SECRETS = secretsFrom(VALUES);
const withVars = (vars: Readonly<Record<string, unknown>>): WranglerConfig => ({
  ...CONFIG,
  vars: { ...CONFIG.vars, ...vars },
});
const textsOf = (findings: readonly Finding[]) => findings.map(({ level, text }) => `${level}: ${text}`);
const check = (config = CONFIG, secrets = SECRETS, base: WranglerConfig | null = null) =>
  textsOf(checkDeployment(config, secrets, base));

describe('a deployment', () => {
  it('has no findings if it is valid', () => {
    expect(check()).toEqual([]);
  });

  it('is invalid with an inline issuer key that is not a point on its curve', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k' };
    const issuers = (key: object) => ({
      one: { issuer: 'https://issuer.test', audience: 'us', jwks: { keys: [key] } },
    });
    expect(check(withVars({ ISSUERS: issuers(jwk) }))).toEqual([]);
    const moved = { ...jwk, x: Buffer.alloc(32, 1).toString('base64url') };
    expect(check(withVars({ ISSUERS: issuers(moved) }))).toEqual([
      'fault: ISSUERS one: jwks has a key that is not a point on its curve',
    ]);
  });

  it('is invalid with pasted keys that are too long, and gives their size without useless members', () => {
    const keyOf = (kid: string) => {
      const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      return { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256' };
    };
    const lean = ['a', 'b', 'c', 'd'].map(keyOf);
    const issuers = (keys: readonly object[]) => ({
      one: { issuer: 'https://issuer.test', audience: 'us', jwks: { keys } },
    });
    const padded = [
      ...lean.map((key) => ({ ...key, use: 'sig', x5c: ['M'.repeat(1_000)] })),
      { ...keyOf('e'), use: 'enc' },
    ];
    const [tooLong, ...more] = check(withVars({ ISSUERS: issuers(padded) }));
    const [, bytes = '', spared = ''] =
      /^fault: ISSUERS has (\d+) bytes; Cloudflare allows 5000: (\d+) without .*x5c/.exec(tooLong ?? '') ?? [];
    expect([Number(bytes), Number(spared)]).toEqual([
      Buffer.byteLength(JSON.stringify(issuers(padded))),
      Buffer.byteLength(JSON.stringify(issuers(lean))),
    ]);
    expect(more).toEqual([]);
    expect(check(withVars({ ISSUERS: issuers(lean) }))).toEqual([]);
    expect(check(withVars({ ISSUERS: 'x'.repeat(6_000) }))).toContain(
      'fault: ISSUERS has 6000 bytes; Cloudflare allows 5000',
    );
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['a typo', { CALLER: '{}' }, 'CALLER is an unknown secret'],
    ['an unknown setting', { PROTECTED_IMAGE: '[]' }, 'PROTECTED_IMAGE is an unknown secret'],
    ['a secret as a name', { [SECRET]: 'x' }, 'member 4 is an unknown secret'],
    ['a property of every object', { constructor: 'x' }, 'member 4 is an unknown secret'],
    ['a binding', { LEDGER: 'x' }, 'LEDGER is an unknown secret'],
    ['a variable', { DELETIONS: 'enabled' }, 'DELETIONS is a secret and a variable'],
    ['a shard that is not JSON', { CALLERS_1: 'x' }, 'CALLERS_1 is not a JSON object'],
    ['a placeholder', { BCE_SECRET_ACCESS_KEY: 'your-secret-access-key' }, 'BCE_SECRET_ACCESS_KEY is a placeholder'],
    [
      'a newline',
      { BCE_ACCESS_KEY_ID: `${SECRET}\n` },
      'BCE_ACCESS_KEY_ID contains white space, such as a trailing newline',
    ],
  ])('is invalid with %s among the secrets', (_, values, fault) => {
    expect(check(CONFIG, secretsFrom({ ...VALUES, ...values }))).toEqual([`fault: ${fault}`]);
  });

  it('is invalid with a secret that is in two files', () => {
    expect(
      check(CONFIG, [...SECRETS, ...secretsFrom({ CALLERS_1: '{}' }), ...secretsFrom({ CALLERS_1: '{}' })]),
    ).toEqual(['fault: CALLERS_1 is given twice']);
  });

  it('is invalid with a secret or variable of more than 5000 bytes, and valid with 5000', () => {
    const part = (bytes: number) => ({ CALLERS_1: `{${' '.repeat(bytes - 2)}}` });
    expect(check(CONFIG, secretsFrom({ ...VALUES, ...part(5_000) }))).toEqual([]);
    expect(check(CONFIG, secretsFrom({ ...VALUES, ...part(5_001) }))).toEqual([
      'fault: CALLERS_1 has 5001 bytes; Cloudflare allows 5000',
    ]);
    const ids = (count: number) => Array.from({ length: count }, () => 'm-nky7qeom');
    expect(check(withVars({ PROTECTED_IMAGES: ids(384) }))).toEqual([]);
    expect(check(withVars({ PROTECTED_IMAGES: ids(385) }))).toEqual([
      'fault: PROTECTED_IMAGES has 5006 bytes; Cloudflare allows 5000',
    ]);
  });

  it('is invalid without a secret, reported once', () => {
    expect(check(CONFIG, secretsFrom({ CALLERS: VALUES.CALLERS }))).toEqual([
      'fault: BCE_ACCESS_KEY_ID is missing or blank',
      'fault: BCE_SECRET_ACCESS_KEY is missing or blank',
    ]);
    expect(check({ ...CONFIG, requiredSecrets: [...CONFIG.requiredSecrets, 'BCE_SESSION_TOKEN'] })).toEqual([
      'fault: BCE_SESSION_TOKEN is missing from the secrets',
    ]);
  });

  it('is invalid with an unknown variable, or one that is a secret or a binding', () => {
    expect(check(withVars({ PROTECTED_IMAGE: '[]', [SECRET]: 1 }))).toEqual([
      'fault: PROTECTED_IMAGE is an unknown variable',
      'fault: member 13 is an unknown variable',
    ]);
    const { CALLERS: _, ...others } = VALUES;
    expect(check(withVars({ CALLERS: VALUES.CALLERS }), secretsFrom(others))).toEqual([
      'fault: CALLERS must be a secret, not a variable',
      'fault: CALLERS is missing from the secrets',
    ]);
    expect(check(withVars({ VERSION: '1' }))).toEqual(['fault: VERSION is an unknown variable']);
  });

  it('is invalid if a declaration is missing or different', () => {
    const [burst, sustained] = CONFIG.rateLimits.values();
    const of = (changes: Partial<WranglerConfig>) => check({ ...CONFIG, ...changes });
    const limits = 'is not declared as a rate limit of';
    expect(of({ durableObjects: new Map(), rateLimits: new Map(), version: null })).toEqual([
      'fault: LEDGER is not declared as a Durable Object of the class Ledger',
      `fault: RATE_LIMITER_BURST ${limits} 20 in 10 s, the limit that responses state`,
      `fault: RATE_LIMITER_SUSTAINED ${limits} 60 in 60 s, the limit that responses state`,
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

  it('has the faults that the Worker would find, which repeat no value', () => {
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
    expect(texts).toContain('fault: ISSUERS issuer 1: audience must be a string');
    expect(texts.join()).not.toContain(SECRET);
  });
});

describe('a note', () => {
  it('says that nothing is protected, and that only a binding reaches the Worker', () => {
    expect(check(BARE)).toEqual([
      'note: no route, and workers_dev is off: only a service binding reaches the Worker',
      'note: PROTECTED_IMAGES and PROTECTED_NAMES are empty: nothing is protected',
    ]);
    expect(check(withVars({ PROTECTED_IMAGES: '["m-nky7qeom"]', PROTECTED_NAMES: '[]' }))).toEqual([]);
  });

  it('says that the Worker is placed away from the endpoint, unless that is on this machine', () => {
    const placed = (placement: string | null, endpoint?: string) =>
      check({ ...withVars(endpoint === undefined ? {} : { BCC_ENDPOINT: endpoint }), placement });
    const note = 'note: placement.hostname is not the host of BCC_ENDPOINT: the Worker may run far from it';
    expect(placed('bcc.gz.baidubce.com')).toEqual([note]);
    expect(placed('bcc.bj.baidubce.com', 'https://bcc.gz.baidubce.com')).toEqual([note]);
    expect(placed('bcc.gz.baidubce.com', 'https://bcc.gz.baidubce.com')).toEqual([]);
    expect(placed(null)).toEqual([]);
    expect(placed('bcc.bj.baidubce.com', 'http://localhost:8788')).toEqual([]);
  });

  it('says that a rule for a fetched issuer matches anyone there without "sub", except on platforms with known tenants', () => {
    const checkRule = (issuer: object, claims: object) =>
      check(
        withVars({
          ISSUERS: { ci: { issuer: 'https://ci.test', audience: 'us', jwks: 'https://ci.test/jwks', ...issuer } },
        }),
        secretsFrom({
          ...VALUES,
          CALLERS: JSON.stringify({ job: { tokens: [{ issuer: 'ci', claims }], scopes: ['images:read'] } }),
        }),
      );
    const note = 'note: job has a rule for ci without "sub": anyone there with the other claims matches';
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pasted = { jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] } };
    expect(checkRule({}, { ref: 'main' })).toEqual([note]);
    expect(checkRule({}, { ref: 'main', sub: 'job-7' })).toEqual([]);
    expect(checkRule({}, { common_name: 'abc.access' })).toEqual([]);
    expect(checkRule(pasted, { ref: 'main' })).toEqual([]);
    expect(checkRule({ issuer: 'https://gitlab.com' }, { project_id: '23' })).toEqual([]);
  });

  it('says that deletions are disabled', () => {
    expect(check(withVars({ DELETIONS: 'disabled' }))).toEqual(['note: DELETIONS is disabled: nobody can delete']);
  });

  it('does not repeat a key that was pasted in place of a name', () => {
    const callers = { [createKey().key]: { binding: true, scopes: [] } };
    const secrets = secretsFrom({ ...VALUES, CALLERS: JSON.stringify(callers) });
    expect(check(CONFIG, secrets)).toEqual([`fault: CALLERS caller 1: the name must be ${CALLER_ID_RULE}`]);
  });

  it('reports each caller without scopes or names once, whatever its credential', () => {
    const callers = {
      a: { keySha256: ['1'.repeat(64), '2'.repeat(64)], scopes: [] },
      b: { binding: true, scopes: [] },
      c: { tokens: [{ issuer: 'k8s', claims: { sub: 'c' } }], scopes: [] },
      d: { binding: true, scopes: ['images:read'] },
      e: { binding: true, scopes: ['images:delete'], names: [] },
    };
    const issuers = { k8s: { issuer: 'x', audience: 'y', jwks: 'https://k8s.test/jwks' } };
    const secrets = secretsFrom({ ...VALUES, CALLERS: JSON.stringify(callers) });
    expect(check(withVars({ ISSUERS: issuers }), secrets)).toEqual([
      'note: a has no scopes, so it can do nothing',
      'note: b has no scopes, so it can do nothing',
      'note: c has no scopes, so it can do nothing',
      'note: e has an empty list of names, so it can delete nothing',
    ]);
    expect(check(CONFIG, secretsFrom({ ...VALUES, CALLERS: '{}' }))).toEqual([
      'note: CALLERS is empty: no caller has access',
    ]);
  });
});

describe('a warning', () => {
  it('says that everyone can reach the Worker', () => {
    const open = 'warning: workers_dev is on: anyone can reach the Worker on its workers.dev host';
    expect(check({ ...CONFIG, isOnWorkersDev: true })).toEqual([open]);
    expect(check({ ...CONFIG, routes: [], isOnWorkersDev: true })).toEqual([open]);
  });

  it('says that a budget exceeds that of all callers', () => {
    const callers = { a: { binding: true, scopes: ['images:delete'], dailyDeletions: 501 } };
    const secrets = secretsFrom({ ...VALUES, CALLERS: JSON.stringify(callers) });
    const only = 'deletions a day, but DAILY_DELETIONS_TOTAL only';
    expect(check(CONFIG, secrets)).toEqual([`warning: a allows 501 ${only} 500`]);
    expect(check(withVars({ DAILY_DELETIONS_TOTAL: '501' }), secrets)).toEqual([]);
    expect(check(withVars({ DAILY_DELETIONS_TOTAL: '40' }))).toEqual([`warning: DAILY_DELETIONS allows 50 ${only} 40`]);
  });

  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['{"BCE_ACCESS_KEY_ID": "…", ', { BCE_ACCESS_KEY_ID: '…' }],
    [
      '"repository_id": "456789"',
      { CALLERS: '{"a": {"tokens": [{"issuer": "k8s", "claims": {"repository_id": "456789"}}]}}' },
    ],
    ['"sub": "<user id>"', { CALLERS: '{"a": {"tokens": [{"issuer": "access", "claims": {"sub": "<user id>"}}]}}' }],
    ['"keySha256": ["<SHA-256 of the key, hex>"]', { CALLERS: '{"a": {"keySha256": ["<SHA-256 of the key, hex>"]}}' }],
  ])('reports %s, copied from our examples', (example, values) => {
    const [name = ''] = Object.keys(values);
    expect(EXAMPLES).toContain(example);
    const texts = check(
      CONFIG,
      secretsFrom({ ...VALUES, ...Object.fromEntries(Object.entries(values).map(([n, v]) => [n, String(v)])) }),
    );
    expect(texts).toContain(`warning: ${name} still has an example value`);
  });

  it('reports a host and a variable copied from our examples', () => {
    expect(EXAMPLES).toContain('"images.internal.example.com"');
    expect(check({ ...CONFIG, routes: ['images.internal.example.com'] })).toEqual([
      'warning: routes still has an example value',
    ]);
    const access = { access: { issuer: 'a', audience: '<AUD>', jwks: 'https://issuer.test/jwks' } };
    expect(check(withVars({ ISSUERS: access }))).toEqual(['warning: ISSUERS still has an example value']);
  });
});

describe('a fault of a caller', () => {
  it("is reported with the caller's name, unless that may be a secret", () => {
    const callers = { ci: { binding: true, scopes: [] }, 'ci-cleaner': { binding: true }, [SECRET]: 'x' };
    const secrets = secretsFrom({ ...VALUES, CALLERS_1: JSON.stringify(callers) });
    const texts = check(CONFIG, secrets);
    expect(texts).toContainEqual(expect.stringMatching(/^fault: CALLERS_1 caller 2 \(ci-cleaner\): scopes must be/));
    expect(texts).toContain('fault: CALLERS_1 caller 3: is not an object');
    expect(texts.join()).not.toContain(SECRET);
  });
});

describe('an environment', () => {
  it('has warnings for what it does not inherit, what it does inherit, and what it shares', () => {
    const { BCC_ENDPOINT: _, ...vars } = CONFIG.vars;
    expect(check({ ...CONFIG, vars }, SECRETS, CONFIG)).toEqual([
      "warning: BCC_ENDPOINT is not inherited: this environment uses the Worker's default",
      'warning: the route images.test belongs to the top-level environment',
      'warning: RATE_LIMITER_BURST shares its namespace_id with the top-level environment, and counts with it',
      'warning: RATE_LIMITER_SUSTAINED shares its namespace_id with the top-level environment, and counts with it',
    ]);
  });

  it('has no warnings with its own variables, routes and namespaces', () => {
    const own = [...CONFIG.rateLimits].map(
      ([name, limit]) => [name, { ...limit, namespaceId: `9${limit.namespaceId}` }] as const,
    );
    expect(check({ ...CONFIG, routes: ['gz.test'], rateLimits: new Map(own) }, SECRETS, CONFIG)).toEqual([]);
  });
});

describe('a file of secrets', () => {
  it('may map names to strings', () => {
    expect(readSecretsFile('{"A": "ä", "CALLERS": "{ }"}')).toEqual({
      isConfidential: true,
      problems: [],
      secrets: [
        { name: 'A', value: 'ä' },
        { name: 'CALLERS', value: '{ }' },
      ],
    });
  });

  it('may be the table of callers by shard; each shard becomes one secret', () => {
    expect(readSecretsFile('{"CALLERS": { "a": {"x": 1} }, "CALLERS_1": {}}')).toEqual({
      isConfidential: false,
      problems: [],
      secrets: [
        { name: 'CALLERS', value: '{"a":{"x":1}}' },
        { name: 'CALLERS_1', value: '{}' },
      ],
    });
  });

  it.each([
    ['{"A": "b",}', ['is not valid JSON at line 1, column 11']],
    ['["a"]', ['is not a JSON object']],
    ['', ['ends before its JSON is complete']],
    ['{"A": "b", "A": "c"}', ['has a duplicate name at line 1, column 12']],
    ['{"CALLERS": {"a": {"x": 1, "x": 2}}}', ['has a duplicate name at line 1, column 28']],
    ['{"BCE_SESSION_TOKEN": null}', ['has BCE_SESSION_TOKEN, which is not a string']],
    ['{"BCE_ACCESS_KEY_ID": "a", "CALLERS": {}}', ['has CALLERS, which is not a string']],
    [`{"${SECRET}": 1, "A": "b"}`, ['has member 1, which is not a string']],
  ])('is invalid if it is %s', (text, problems) => {
    expect(readSecretsFile(text).problems).toEqual(problems);
  });

  it.each(['a', 'Ab', 'A1B2', 'ALTAK7', 'A B', '_', '', 'a'.repeat(9)])('does not show %j as a name', (name) => {
    expect(readSecretsFile(JSON.stringify({ [name]: 0, OTHER: 'b' })).problems).toEqual([
      'has member 1, which is not a string',
    ]);
  });

  it.each(['A', 'PROTECTED_IMAGE', 'CALLERS_b7', 'A_B_12'])('shows %j as a name', (name) => {
    expect(readSecretsFile(JSON.stringify({ [name]: 0, OTHER: 'b' })).problems).toEqual([
      `has ${name}, which is not a string`,
    ]);
  });

  it("is invalid if it contains a caller's key, which is not repeated", () => {
    const { key } = createKey();
    const { problems } = readSecretsFile(JSON.stringify({ CALLERS: key }));
    expect(problems).toEqual(['contains a key (line 1, column 13): revoke it; only digests belong here']);
  });
});
