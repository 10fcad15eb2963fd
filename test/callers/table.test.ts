import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { validEnv } from '../harness.ts';

const digest = 'ab'.repeat(32);
const caller = (fields: object) => JSON.stringify({ 'ci-cleaner': { keySha256: [digest], scopes: [], ...fields } });

describe('the configuration', () => {
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
  ])('refuses CALLERS %j', (value) => {
    const { callers, config, problems } = parseConfig({ ...validEnv(), CALLERS: value });
    expect([callers, config]).toEqual([null, null]);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(/^CALLERS /);
  });

  it('takes every field of a caller', () => {
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
});
