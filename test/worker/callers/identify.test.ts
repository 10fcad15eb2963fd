/** How a key, a token or a service binding identifies the caller. */
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { keyDigest } from '../../../src/worker/callers/key.ts';
import { CALLERS, KEYS } from '../../fixtures.ts';
import { bearer, createHarness, historyPage, problemOf } from '../../harness.ts';
import { AUDIENCE, createPair, TestIssuer } from '../../issuer.ts';

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

  it('answers every near miss with the same 401', async () => {
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

  it('accepts a key of 512 characters, but none that is longer', async () => {
    const status = async (key: string) => {
      const CALLERS = JSON.stringify({ ci: { keySha256: [keyDigest(key)], scopes: ['images:delete'] } });
      return (await createHarness({ env: { CALLERS } }).call('DELETE', '/images/m-custom01', bearer(key))).status;
    };
    expect([await status('a'.repeat(512)), await status('a'.repeat(513))]).toEqual([200, 401]);
  });

  it('admits nobody if no key is configured', async () => {
    const harness = createHarness({ env: { CALLERS: '{}' } });
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(401);
    expect((await harness.call('DELETE', '/images/m-custom01', bearer(''))).status).toBe(401);
  });
});

const SCOPES = ['images:delete', 'images:read'];

describe('a token', () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await TestIssuer.create(inject('issuerUrl'));
  });
  const job = { job: { tokens: [{ issuer: 'local', claims: { sub: 'job-7' } }], scopes: SCOPES } };
  const env = (callers: object = {}, entry: object = {}) => ({
    CALLERS: JSON.stringify({ ...CALLERS, ...job, ...callers }),
    ISSUERS: JSON.stringify({ local: issuer.entry(entry) }),
  });

  it('admits its caller to everything that a key would, and the record and the ledger have its subject', async () => {
    const harness = createHarness({ env: env() });
    // This token is longer than any key may be.
    const token = await issuer.token({ pad: 'x'.repeat(512) });
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(token));
    expect(await response.json()).toMatchObject({ outcome: 'deleted', confirmed: true });
    expect(harness.lines[0]?.record).toMatchObject({
      'caller.id': 'job',
      'caller.proof': 'token',
      'caller.issuer': 'local',
      'caller.subject': 'job-7',
    });
    expect(harness.lines[0]?.record['caller.key.fingerprint']).toBeUndefined();
    expect(harness.lines[0]?.text).not.toContain(token.slice(-20));
    const page = await historyPage(harness, '/deletions', token);
    expect(page.body.deletions).toMatchObject([{ caller: 'job', subject: 'job-7', imageId: 'm-custom01' }]);
    expect((await harness.call('GET', '/images/m-custom02', bearer(token))).status).toBe(200);
  });

  it('changes nothing for keys: their rows have no subject, and their records have the fingerprint', async () => {
    const harness = createHarness({ env: env() });
    await harness.call('DELETE', '/images/m-custom01');
    expect(harness.lines[0]?.record).toMatchObject({ 'caller.proof': 'key', 'caller.key.fingerprint': 'bddc1d36' });
    expect((await historyPage(harness, '/deletions')).body.deletions).toMatchObject([{ subject: null }]);
    expect(await issuer.fetches()).toBe(1);
  });

  it('that is invalid gets the same 401 as a wrong key, and nothing is sent to Baidu', async () => {
    const answers = new Set<string>();
    const foreign = await createPair('key-1');
    const tokens = [
      'wrong-key',
      await issuer.token({ aud: 'others' }),
      await issuer.token({ exp: 1 }),
      await issuer.token({}, {}, foreign),
      await issuer.token({ sub: 'job-8' }),
      'a.b.c',
    ];
    for (const token of tokens) {
      const harness = createHarness({ env: env() });
      const headers = { ...bearer(token), 'X-Request-Id': 'same' };
      const response = await harness.call('DELETE', '/images/m-custom01', headers);
      answers.add(JSON.stringify([await problemOf(response), [...response.headers]]));
      expect(harness.requests).toHaveLength(0);
      expect(harness.lines).toHaveLength(1);
    }
    expect(answers.size).toBe(1);
    expect([...answers][0]).toContain('unauthenticated');
  });

  it('gets a 503 identity_unavailable while the keys of its issuer are unknown', async () => {
    const down = await TestIssuer.create(inject('issuerUrl'));
    await down.become('down');
    const harness = createHarness({
      env: { ...env(), ISSUERS: JSON.stringify({ local: down.entry() }) },
    });
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(await down.token()));
    const body = { code: 'identity_unavailable', status: 503, outcome: 'not_attempted', retryable: true };
    expect(await problemOf(response)).toMatchObject(body);
    expect(response.headers.get('retry-after')).toBe('5');
    expect(harness.requests).toHaveLength(0);
    const [failed, audit, ...more] = harness.lines;
    expect(failed?.record).toMatchObject({
      'event.name': 'issuer_failed',
      'issuer.name': 'local',
      reason: 'no_answer',
    });
    expect(audit?.record).toMatchObject({ 'error.type': 'identity_unavailable', decision: 'refused' });
    expect(more).toEqual([]);
    // A key does not depend on any issuer.
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(200);
  });

  it('gets a 403 without the scope and a 429 without a budget, like a key', async () => {
    const harness = createHarness({ env: env({ job: { ...job.job, scopes: ['images:read'], dailyDeletions: 0 } }) });
    const headers = bearer(await issuer.token());
    expect(await problemOf(await harness.call('DELETE', '/images/m-custom01', headers))).toMatchObject({
      code: 'permission_denied',
    });
    const limited = createHarness({ env: env({ job: { ...job.job, dailyDeletions: 0 } }) });
    expect(await problemOf(await limited.call('DELETE', '/images/m-custom01', headers))).toMatchObject({
      code: 'budget_exhausted',
    });
  });

  describe('whose issuer has its own header', () => {
    const name = 'Cf-Access-Jwt-Assertion';
    const viaHeader = () => createHarness({ env: env({}, { header: name }) });

    it('counts in that header without a scheme', async () => {
      const harness = viaHeader();
      const response = await harness.call('DELETE', '/images/m-custom01', { [name]: await issuer.token() });
      expect(response.status).toBe(200);
      expect(harness.lines[0]?.text).not.toContain((await issuer.token()).slice(0, 40));
    });

    it('does not count in Authorization, or after a scheme', async () => {
      const token = await issuer.token();
      expect((await viaHeader().call('DELETE', '/images/m-custom01', bearer(token))).status).toBe(401);
      const withScheme = await viaHeader().call('DELETE', '/images/m-custom01', { [name]: `Bearer ${token}` });
      expect(withScheme.status).toBe(401);
    });

    it('does not count together with Authorization, even if that has a valid key', async () => {
      const token = await issuer.token();
      for (const authorization of [`Bearer ${KEYS.cleaner}`, `Bearer ${token}`, 'x']) {
        const headers = { [name]: token, Authorization: authorization };
        expect((await viaHeader().call('DELETE', '/images/m-custom01', headers)).status).toBe(401);
      }
    });

    it('does not count if it is sent twice, or beside the header of another issuer', async () => {
      const token = await issuer.token();
      const twice: [string, string][] = [
        [name, token],
        [name, token],
      ];
      expect((await viaHeader().call('DELETE', '/images/m-custom01', twice)).status).toBe(401);
      const other = issuer.entry({ header: 'X-Other-Token', audience: 'other' });
      const ISSUERS = JSON.stringify({ local: issuer.entry({ header: name }), other });
      const harness = createHarness({ env: { ...env(), ISSUERS } });
      const both = { [name]: token, 'X-Other-Token': await issuer.token({ aud: 'other' }) };
      expect((await harness.call('DELETE', '/images/m-custom01', both)).status).toBe(401);
      expect((await harness.call('DELETE', '/images/m-custom01', { [name]: token })).status).toBe(200);
      const wrong = { 'X-Other-Token': token };
      expect((await harness.call('DELETE', '/images/m-custom02', wrong)).status).toBe(401);
    });

    it('is ignored if no issuer has that header, so a key beside it counts', async () => {
      const token = await issuer.token();
      const harness = createHarness({ env: env() });
      expect((await harness.call('DELETE', '/images/m-custom01', { [name]: token })).status).toBe(401);
      const both = { ...bearer(KEYS.cleaner), [name]: token };
      expect((await harness.call('DELETE', '/images/m-custom01', both)).status).toBe(200);
    });

    it('never becomes a request id, not even in part', async () => {
      const token = await issuer.token();
      for (const header of [name, 'Authorization']) {
        const harness = createHarness({ env: env({}, header === name ? { header: name } : {}) });
        const given = header === name ? token : `Bearer ${token}`;
        const headers = { [header]: given, 'X-Request-Id': token.slice(-60) };
        const response = await harness.call('GET', '/readyz', headers);
        expect(response.status).toBe(200);
        expect(response.headers.get('x-request-id')).not.toBe(token.slice(-60));
        expect(harness.lines[0]?.text).not.toContain(token.slice(-60));
      }
    });
  });

  it('may match one of two entries that have the same issuer but different audiences', async () => {
    const ISSUERS = JSON.stringify({
      other: issuer.entry({ audience: 'other', jwks: { keys: [(await createPair('key-1')).jwk] } }),
      local: issuer.entry({ jwks: { keys: [issuer.pair.jwk] } }),
    });
    const harness = createHarness({ env: { ...env(), ISSUERS } });
    const good = await issuer.token({ aud: [AUDIENCE] });
    expect((await harness.call('DELETE', '/images/m-custom01', bearer(good))).status).toBe(200);
    const other = await issuer.token({ aud: 'other' });
    expect((await harness.call('DELETE', '/images/m-custom02', bearer(other))).status).toBe(401);
  });
});

describe('a service binding', () => {
  const env = {
    CALLERS: JSON.stringify({ ...CALLERS, worker: { binding: true, scopes: SCOPES, dailyDeletions: 1 } }),
  };
  const bound = (props: unknown) => createHarness({ env, arrival: { by: 'binding', props } });

  it('admits the caller that its properties name, with its scopes and limits', async () => {
    const harness = bound({ caller: 'worker' });
    expect(await (await harness.call('DELETE', '/images/m-custom01', {})).json()).toMatchObject({ outcome: 'deleted' });
    expect(harness.lines[0]?.record).toMatchObject({ 'caller.id': 'worker', 'caller.proof': 'binding' });
    expect(await problemOf(await harness.call('DELETE', '/images/m-custom02', {}))).toMatchObject({
      code: 'budget_exhausted',
    });
    expect((await harness.call('GET', '/deletions', {})).status).toBe(200);
  });

  it.each<[string, unknown]>([
    ['none', {}],
    ['not an object', undefined],
    ['null', null],
    ['a list', ['worker']],
    ['an unknown name', { caller: 'nobody' }],
    ['a caller that has only a key', { caller: 'cleaner' }],
    ['a name that every object inherits', { caller: '__proto__' }],
    ['a list of names', { caller: ['worker'] }],
    ['another field', { name: 'worker' }],
  ])('whose properties are %s gets a 401, even with a valid key', async (_what, props) => {
    for (const headers of [{}, bearer(KEYS.both)]) {
      const harness = bound(props);
      const response = await harness.call('DELETE', '/images/m-custom01', headers);
      expect(await problemOf(response)).toMatchObject({ code: 'unauthenticated' });
      expect(harness.requests).toHaveLength(0);
    }
  });

  it('ignores Authorization, so its caller stays the same', async () => {
    const harness = bound({ caller: 'worker' });
    await harness.call('GET', '/images/m-custom01', bearer(KEYS.reader));
    expect(harness.lines[0]?.record).toMatchObject({ 'caller.id': 'worker' });
  });

  it('is the only way in for a caller without another credential', async () => {
    const harness = createHarness({ env });
    expect((await harness.call('DELETE', '/images/m-custom01', bearer('worker'))).status).toBe(401);
  });
});
