/** `CALLERS`: who may call, with which keys, and within which bounds. */
import { describe, expect, it } from 'vitest';
import type { Issuer } from '../../../src/worker/callers/issuers.ts';
import { parseCallers } from '../../../src/worker/callers/table.ts';
import { parseConfig } from '../../../src/worker/config.ts';
import { SCOPES } from '../../../src/worker/scope.ts';
import { CALLERS, KEYS } from '../../fixtures.ts';
import { bearer, createHarness, validEnv } from '../../harness.ts';

const digest = 'ab'.repeat(32);
const DIGEST_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** The problems of a table in shards, each beginning with its shard. */
function problemsOf(shards: Readonly<Record<string, string>>, issuers: readonly Issuer[] = []): string[] {
  const list = Object.entries(shards).map(([name, json]) => ({ name, json }));
  return parseCallers(list, issuers).problems.map(({ shard, problem }) => `${shard} ${problem}`);
}

const caller = (fields: object) => JSON.stringify({ 'ci-cleaner': { keySha256: [digest], scopes: [], ...fields } });

describe('CALLERS', () => {
  it.each([
    undefined,
    '',
    'nonsense',
    '[]',
    'null',
    '{"ci":null}',
    '{"ci":{}}',
    '{"a b":{"keySha256":[],"scopes":[]}}',
    caller({ keySha256: [] }),
    caller({ keySha256: digest }),
    caller({ keySha256: [digest, digest] }),
    caller({ keySha256: [digest.slice(1)] }),
    caller({ keySha256: [7] }),
    caller({ keySha256: [DIGEST_OF_NOTHING] }),
    caller({ scopes: undefined }),
    caller({ scopes: ['images:write'] }),
    caller({ scopes: ['images:read', 'images:read'] }),
    caller({ names: 'ci-*' }),
    caller({ names: [''] }),
    caller({ names: [1] }),
    caller({ names: ['x'.repeat(129)] }),
    caller({ dailyDeletions: -1 }),
    caller({ dailyDeletions: '5' }),
    caller({ dailyDeletions: 1.5 }),
    caller({ dailyDeletion: 5 }),
    caller({ keySha256: undefined }),
    caller({ binding: false }),
    caller({ binding: 'yes' }),
    caller({ tokens: [] }),
    JSON.stringify({ a: { keySha256: [digest], scopes: [] }, b: { keySha256: [digest], scopes: [] } }),
  ])('is refused if it is %j', (value) => {
    const { callers, config, problems } = parseConfig({ ...validEnv(), CALLERS: value });
    expect([callers, config]).toEqual([null, null]);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(/^CALLERS /);
  });

  it.each<[string, string]>([
    [JSON.stringify({ 'a b': { keySha256: [digest], scopes: [] } }), 'the name must be 1 to 64 '],
    ['{"ci":null}', 'is not an object'],
    [caller({ binding: false }), 'binding must be true, or left out'],
    [caller({ dailyDeletion: 5 }), 'has an unknown field'],
    [caller({ keySha256: digest }), 'keySha256 must be a list of one or 2 digests'],
    [caller({ keySha256: ['ab', 'cd', 'ef'].map((byte) => byte.repeat(32)) }), 'keySha256 must be a list of one or 2 '],
    [caller({ keySha256: [`a${digest}`] }), 'keySha256 must hold SHA-256 digests of 64 hex characters'],
    [caller({ keySha256: [`${digest}a`] }), 'keySha256 must hold SHA-256 digests of 64 hex characters'],
    [caller({ keySha256: [[digest]] }), 'keySha256 must hold SHA-256 digests of 64 hex characters'],
    [caller({ keySha256: [digest, DIGEST_OF_NOTHING] }), 'keySha256 hashes an empty key'],
    [caller({ scopes: ['images:write'] }), `scopes must be a list of ${SCOPES.join(', ')}, each at most once`],
    [caller({ scopes: {} }), 'scopes must be a list of '],
    [caller({ names: [['ci-*']] }), 'names must be a list of at most 100 '],
    [caller({ names: 'ci-*' }), 'names must be a list of at most 100 '],
    [caller({ dailyDeletions: true }), 'dailyDeletions must be a whole number from 0 to 10000'],
  ])('is refused, and says what is wrong: %s', (json, problem) => {
    const problems = problemsOf({ CALLERS: json });
    expect(problems).toHaveLength(1);
    expect(problems[0]?.startsWith(`CALLERS caller 1: ${problem}`)).toBe(true);
  });

  it.each<[string, string]>([
    ['{"a":{"keySha256":["D"],"scopes":[],"names":["ci-*"]},"a":{"keySha256":["E"],"scopes":[]}}', 'caller 2'],
    [
      '{"b":{"keySha256":["E"],"scopes":[]},"a":{"keySha256":["D"],"scopes":[],"scopes":["images:delete"]}}',
      'caller 2',
    ],
  ])('may not repeat a name or a field, which would lose restrictions: %s', (json, position) => {
    const digests = json.replace('D', 'd'.repeat(64)).replace('E', 'e'.repeat(64));
    expect(problemsOf({ CALLERS: digests })).toEqual([`CALLERS ${position}: a name or a field occurs twice`]);
  });

  it('gives each caller its name, scopes, image names and budget', () => {
    const json = caller({
      scopes: ['images:delete', 'images:read', 'deletions:read'],
      names: ['ci-*'],
      dailyDeletions: 50,
    });
    expect([...(parseConfig({ ...validEnv(), CALLERS: json }).callers?.byKey ?? [])]).toEqual([
      [
        digest,
        {
          id: 'ci-cleaner',
          scopes: new Set(['images:delete', 'images:read', 'deletions:read']),
          names: ['ci-*'],
          dailyDeletions: 50,
        },
      ],
    ]);
  });

  const callerOf = (fields: object) =>
    parseConfig({ ...validEnv(), CALLERS: caller(fields) }).callers?.byKey.get(digest);

  it('may have a digest in capital letters', () => {
    expect(callerOf({ keySha256: [digest.toUpperCase()] })?.id).toBe('ci-cleaner');
  });

  it('may give a caller at most 100 name patterns of at most 128 characters', () => {
    const names = Array.from({ length: 101 }, (_, n) => String(n).padStart(128, 'x'));
    expect(callerOf({ names: names.slice(1) })?.names).toHaveLength(100);
    expect(callerOf({ names })).toBeUndefined();
  });

  it.each([0, 10_000])('may give a caller a budget of %i', (dailyDeletions) => {
    expect(callerOf({ dailyDeletions })?.dailyDeletions).toBe(dailyDeletions);
  });

  it('may give no caller a budget above 10000', () => {
    expect(callerOf({ dailyDeletions: 10_001 })).toBeUndefined();
  });
});

describe('a table in shards', () => {
  const entry = (keySha256: string) => ({ keySha256: [keySha256], scopes: ['images:delete'] });
  const d = (letter: string) => letter.repeat(64);

  it('admits the callers of every shard', async () => {
    const { cleaner, ...others } = CALLERS;
    const shards = { CALLERS: JSON.stringify(others), CALLERS_CI: JSON.stringify({ cleaner }) };
    const harness = createHarness({ env: { ...shards } });
    expect((await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.cleaner))).status).toBe(200);
    expect((await harness.call('DELETE', '/images/m-custom02', bearer(KEYS.both))).status).toBe(200);
  });

  it('may not name a caller twice, even in different shards', () => {
    const shards = {
      CALLERS: JSON.stringify({ a: entry(d('a')), b: entry(d('b')) }),
      CALLERS_1: JSON.stringify({ c: entry(d('c')), b: entry(d('d')) }),
    };
    expect(problemsOf(shards)).toEqual(['CALLERS_1 caller 2: the name is already in another shard']);
  });

  it('may not have a digest twice, even in different shards', () => {
    const shards = { CALLERS: JSON.stringify({ a: entry(d('a')) }), CALLERS_1: JSON.stringify({ b: entry(d('A')) }) };
    expect(problemsOf(shards)).toEqual(['CALLERS_1 caller 1: keySha256 has a digest that is already configured']);
  });

  it.each<[unknown, string]>([
    ['', 'is missing'],
    [7, 'is missing'],
    ['[]', 'is not a JSON object'],
    ['{"a":{}}', 'caller 1: has no credential: keySha256, tokens or binding'],
  ])('is refused entirely if one shard is %j, and the problem names that shard', (value, problem) => {
    const shards = { CALLERS_OPS: value };
    const parsed = parseConfig({ ...validEnv(), ...shards });
    expect([parsed.callers, parsed.config]).toEqual([null, null]);
    expect(parsed.problems).toContain(`CALLERS_OPS ${problem}`);
  });

  it('never repeats a value of any shard', () => {
    const secret = 'Sk7rQ2bX9pLm4VtY8cNz1HwKd6JfGu3A';
    const shards = {
      CALLERS_1: JSON.stringify({
        [`${secret} `]: {
          [secret]: secret,
          keySha256: [secret],
          tokens: [{ issuer: secret, claims: { [secret]: [secret] } }],
        },
      }),
    };
    const problems = problemsOf(shards);
    expect(problems.length).toBeGreaterThan(4);
    expect(problems.join()).not.toContain(secret);
  });

  it('keeps no name that is not valid, because it may be a key', () => {
    const json = JSON.stringify({ 'not a name': entry(d('a')) });
    expect([...parseCallers([{ name: 'CALLERS', json }], []).callers.byName.keys()]).toEqual([]);
  });
});

describe('a caller without a key', () => {
  it('may have only a binding, or only tokens', () => {
    const issuer: Issuer = { name: 'local', issuer: 'i', audience: 'a', jwks: [], maxLifetimeS: 60, header: null };
    const shards = {
      CALLERS: JSON.stringify({
        worker: { binding: true, scopes: ['images:delete'] },
        job: { tokens: [{ issuer: 'local', claims: { sub: 'job' } }], scopes: [] },
      }),
    };
    const list = Object.entries(shards).map(([name, json]) => ({ name, json }));
    const { callers, problems } = parseCallers(list, [issuer]);
    expect(problems).toEqual([]);
    expect(callers.byKey.size).toBe(0);
    expect([...callers.bound.keys()]).toEqual(['worker']);
    expect(callers.rules).toMatchObject([{ caller: { id: 'job' }, issuer: 'local', claims: [['sub', 'job']] }]);
  });
});
