/** From the `Authorization` header to the caller. */
import { describe, expect, it } from 'vitest';
import { CALLERS, KEYS } from '../fixtures.ts';
import { bearer, createHarness, problemOf } from '../harness.ts';

describe('authentication', () => {
  const key = KEYS.cleaner;
  const near: [string, [string, string][]][] = [
    ['no header', []],
    ['an empty header', [['Authorization', '']]],
    ['the scheme alone', [['Authorization', 'Bearer']]],
    ['the key alone', [['Authorization', key]]],
    ['the scheme Basic', [['Authorization', `Basic ${key}`]]],
    ['the scheme Bearer with a colon', [['Authorization', `Bearer: ${key}`]]],
    ['one character less', [['Authorization', `Bearer ${key.slice(0, -1)}`]]],
    ['one character more', [['Authorization', `Bearer ${key}A`]]],
    ['one character changed', [['Authorization', `Bearer ${key.slice(0, -1)}x`]]],
    ['another case', [['Authorization', `Bearer ${key.toLowerCase()}`]]],
    ['the digest instead of the key', [['Authorization', `Bearer ${CALLERS.cleaner.keySha256[0]}`]]],
    ['the key and something after it', [['Authorization', `Bearer ${key} x`]]],
    ['a tab for the space', [['Authorization', `Bearer\t${key}`]]],
    [
      'the right key twice',
      [
        ['Authorization', `Bearer ${key}`],
        ['Authorization', `Bearer ${key}`],
      ],
    ],
    [
      'a wrong key and the right one',
      [
        ['Authorization', 'Bearer wrong'],
        ['Authorization', `Bearer ${key}`],
      ],
    ],
    ['two keys in one header', [['Authorization', `Bearer ${key}, Bearer ${key}`]]],
    ['the key in another header', [['X-Api-Key', key]]],
    ['the key in a cookie', [['Cookie', `Authorization=Bearer ${key}`]]],
    ['a key of ten thousand characters', [['Authorization', `Bearer ${'a'.repeat(10_000)}`]]],
  ];

  it('answers every near miss with one and the same 401', async () => {
    const answers = new Set<string>();
    for (const [what, headers] of near) {
      const harness = createHarness();
      const response = await harness.call('DELETE', '/images/m-custom01', [...headers, ['X-Request-Id', 'same']]);
      expect(response.status, what).toBe(401);
      expect(harness.requests, what).toHaveLength(0);
      expect(harness.lines[0]?.record, what).toMatchObject({ 'error.type': 'unauthenticated', decision: 'refused' });
      expect(harness.lines[0]?.text, what).not.toContain(key.slice(4, 20));
      answers.add(JSON.stringify([await problemOf(response), [...response.headers]]));
    }
    expect(answers.size).toBe(1);
    expect([...answers][0]).toContain('["www-authenticate","Bearer"]');
  });

  it.each(['Bearer', 'bearer', 'BEARER'])('accepts the scheme written as %s', async (scheme) => {
    const response = await createHarness().call('DELETE', '/images/m-custom01', { Authorization: `${scheme} ${key}` });
    expect(response.status).toBe(200);
  });

  it('accepts the old and the new key during a rotation, and only the new key afterwards', async () => {
    const digest = async (text: string) =>
      [...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))]
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join('');
    const callers = async (...keys: string[]) => ({
      CALLERS: JSON.stringify({ ci: { keySha256: await Promise.all(keys.map(digest)), scopes: ['images:delete'] } }),
    });
    const status = async (env: { CALLERS: string }, used: string) =>
      (await createHarness({ env }).call('DELETE', '/images/m-custom01', bearer(used))).status;

    expect(await status(await callers('old'), 'old')).toBe(200);
    expect(await status(await callers('old'), 'new')).toBe(401);
    expect(await status(await callers('old', 'new'), 'old')).toBe(200);
    expect(await status(await callers('old', 'new'), 'new')).toBe(200);
    expect(await status(await callers('new'), 'new')).toBe(200);
    expect(await status(await callers('new'), 'old')).toBe(401);
  });

  it('admits nobody if no key is configured', async () => {
    const harness = createHarness({ env: { CALLERS: '{}' } });
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(401);
    expect((await harness.call('DELETE', '/images/m-custom01', bearer(''))).status).toBe(401);
  });
});
