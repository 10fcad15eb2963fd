/** `CALLERS`: who may call, with which keys, and within which bounds. */
import { describe, expect, it } from 'vitest';
import { parseCallers } from '../../src/callers/table.ts';
import { parseConfig } from '../../src/config.ts';
import { validEnv } from '../harness.ts';

const digest = 'ab'.repeat(32);
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
    caller({ keySha256: ['ab', 'cd', 'ef'] }),
    caller({ keySha256: [digest.slice(1)] }),
    caller({ keySha256: [7] }),
    caller({ keySha256: ['e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'] }),
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
    JSON.stringify({ a: { keySha256: [digest], scopes: [] }, b: { keySha256: [digest], scopes: [] } }),
  ])('is refused if it is %j', (value) => {
    const { callers, config, problems } = parseConfig({ ...validEnv(), CALLERS: value });
    expect([callers, config]).toEqual([null, null]);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(/^CALLERS /);
  });

  it.each<[string, string]>([
    ['{"a":{"keySha256":["D"],"scopes":[],"names":["ci-*"]},"a":{"keySha256":["E"],"scopes":[]}}', 'caller 2'],
    [
      '{"b":{"keySha256":["E"],"scopes":[]},"a":{"keySha256":["D"],"scopes":[],"scopes":["images:delete"]}}',
      'caller 2',
    ],
  ])('may not repeat a name or a field, which would lose restrictions: %s', (json, position) => {
    const digests = json.replace('D', 'd'.repeat(64)).replace('E', 'e'.repeat(64));
    expect(parseCallers(digests).problems).toEqual([`${position}: a name or a field occurs twice`]);
  });

  it('gives each caller its name, scopes, image names and budget', () => {
    const json = caller({
      scopes: ['images:delete', 'images:read', 'deletions:read'],
      names: ['ci-*'],
      dailyDeletions: 50,
    });
    expect([...(parseConfig({ ...validEnv(), CALLERS: json }).callers ?? [])]).toEqual([
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

  const callerOf = (fields: object) => parseConfig({ ...validEnv(), CALLERS: caller(fields) }).callers?.get(digest);

  it('may have a digest in capital letters', () => {
    expect(callerOf({ keySha256: [digest.toUpperCase()] })?.id).toBe('ci-cleaner');
  });

  it('may hold a caller to at most 100 patterns of at most 128 characters', () => {
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
