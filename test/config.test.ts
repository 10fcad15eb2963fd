import { describe, expect, it } from 'vitest';
import type { UncheckedEnv } from '../src/bindings.ts';
import { parseConfig, retentionDays } from '../src/config.ts';
import { KEYS } from './fixtures.ts';
import { createHarness, problemOf, validEnv } from './harness.ts';

const problemsOf = (env: UncheckedEnv) => parseConfig({ ...validEnv(), ...env }).problems;
const digest = 'ab'.repeat(32);
const caller = (fields: object) => JSON.stringify({ 'ci-cleaner': { keySha256: [digest], scopes: [], ...fields } });

describe('the configuration', () => {
  it('has defaults for what is not secret', () => {
    const { config } = parseConfig({
      ...validEnv(),
      BCC_ENDPOINT: undefined,
      UPSTREAM_ATTEMPT_TIMEOUT_MS: undefined,
      UPSTREAM_DEADLINE_MS: undefined,
    });
    expect(config).toMatchObject({
      endpoint: 'https://bcc.bj.baidubce.com',
      attemptTimeoutMs: 8000,
      deadlineMs: 20000,
      dailyDeletions: 50,
      policy: { deletionsEnabled: true, protectedImages: new Set(), protectedNames: [] },
    });
  });

  it.each([
    undefined,
    '',
    ' ',
    'abc\n',
    'ab c',
    '\ufeffabc',
    '<access-key>',
    'changeme',
    'YOUR_ACCESS_KEY',
    'your-secret',
    'xxxxxxxx',
    'TODO',
    'placeholder',
    `$${'{BCE_KEY}'}`,
    '{{ key }}',
    '$secret://vault/key',
    '"quoted"',
    42,
  ])('refuses the secret %j', (value) => {
    for (const name of ['BCE_ACCESS_KEY_ID', 'BCE_SECRET_ACCESS_KEY'] as const) {
      expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name} `)]);
    }
    if (value !== undefined) expect(problemsOf({ BCE_SESSION_TOKEN: value })).toHaveLength(1);
  });

  it.each(['a/b', 'ключ', 'a'.repeat(129)])('refuses the access key %s, which would not fit a signature', (value) => {
    expect(problemsOf({ BCE_ACCESS_KEY_ID: value })).toHaveLength(1);
  });

  it.each([
    'https://bcc.bj.baidubce.com',
    'https://bcc.gz.baidubce.com',
    'http://localhost:8788',
    'http://127.0.0.1:1',
    'http://[::1]:9',
  ])('takes the endpoint %s', (value) => {
    expect(parseConfig({ ...validEnv(), BCC_ENDPOINT: value }).config?.endpoint).toBe(value);
  });

  it.each([
    '',
    'bcc.bj.baidubce.com',
    'http://bcc.bj.baidubce.com',
    'https://bcc.bj.baidubce.com/',
    'https://bcc.bj.baidubce.com/v2',
    'https://bcc.bj.baidubce.com:8443',
    'https://bcc.bj.baidubce.com?x',
    'https://user@bcc.bj.baidubce.com',
    'https://baidubce.com',
    'https://evilbaidubce.com',
    'https://bcc.bj.baidubce.com.evil.test',
    'https://BCC.bj.baidubce.com',
    'https://localhost',
    'http://localhost.evil.test',
    'http://10.0.0.1',
    'http://127.0.0.1.evil.test',
    'file:///etc/passwd',
    7,
  ])('refuses the endpoint %s', (value) => {
    expect(problemsOf({ BCC_ENDPOINT: value })).toEqual([expect.stringMatching(/^BCC_ENDPOINT must be an origin/)]);
  });

  it.each(['0', '49', '20001', '-1', '1e3', '1.5', '', 'soon', null])('refuses the time %j', (value) => {
    for (const name of ['UPSTREAM_ATTEMPT_TIMEOUT_MS', 'UPSTREAM_DEADLINE_MS']) {
      expect(problemsOf({ UPSTREAM_ATTEMPT_TIMEOUT_MS: '50', UPSTREAM_DEADLINE_MS: '20000', [name]: value })).toEqual([
        `${name} must be a whole number of milliseconds from 50 to 20000`,
      ]);
    }
  });

  it('shortens the attempt that nobody set to the deadline that somebody did', () => {
    const { config } = parseConfig({
      ...validEnv(),
      UPSTREAM_ATTEMPT_TIMEOUT_MS: undefined,
      UPSTREAM_DEADLINE_MS: '500',
    });
    expect(config).toMatchObject({ attemptTimeoutMs: 500, deadlineMs: 500 });
  });

  it('refuses an attempt that outlasts the deadline', () => {
    expect(problemsOf({ UPSTREAM_ATTEMPT_TIMEOUT_MS: '300', UPSTREAM_DEADLINE_MS: '200' })).toHaveLength(1);
  });

  it('refuses a kill switch that is neither on nor off', () => {
    for (const value of ['', 'off', 'Enabled', true]) {
      expect(problemsOf({ DELETIONS: value })).toEqual(['DELETIONS must be enabled or disabled']);
    }
    expect(parseConfig({ ...validEnv(), DELETIONS: 'disabled' }).config?.policy.deletionsEnabled).toBe(false);
  });

  it('insists on both lists of what is protected, as JSON or as a list', () => {
    for (const name of ['PROTECTED_IMAGES', 'PROTECTED_NAMES']) {
      for (const value of [undefined, '', 'm-custom01', '{}', 'null']) {
        expect(problemsOf({ [name]: value })).toEqual([
          `${name} must be a list of at most 1000, [] if nothing is meant`,
        ]);
      }
      for (const value of ['[""]', '[" golden-*"]', '[1]', [null], [`m-${'x'.repeat(200)}`]]) {
        expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name} must be a list of `)]);
      }
    }
    expect(problemsOf({ PROTECTED_IMAGES: ['golden'] })).toHaveLength(1);
    const given = { PROTECTED_IMAGES: ['m-custom01'], PROTECTED_NAMES: '["golden-*"]' };
    expect(parseConfig({ ...validEnv(), ...given }).config?.policy).toMatchObject({
      protectedImages: new Set(['m-custom01']),
      protectedNames: ['golden-*'],
    });
  });

  it('refuses a budget or a retention out of bounds', () => {
    expect(problemsOf({ DAILY_DELETIONS: '10001' })).toEqual([
      'DAILY_DELETIONS must be a whole number from 0 to 10000',
    ]);
    expect(problemsOf({ LEDGER_RETENTION_DAYS: '0' })).toEqual([
      'LEDGER_RETENTION_DAYS must be a whole number of days from 1 to 3650',
    ]);
  });

  it('keeps rows as long as it can where the retention is malformed', () => {
    expect(retentionDays({ LEDGER_RETENTION_DAYS: 'x' })).toBe(3650);
    expect(retentionDays({ LEDGER_RETENTION_DAYS: '30' })).toBe(30);
    expect(retentionDays({})).toBe(400);
  });

  it('refuses a ledger that is none', () => {
    expect(problemsOf({ LEDGER: {} })).toEqual(['LEDGER is not a Durable Object binding']);
  });

  it('refuses a limiter that is none', () => {
    expect(problemsOf({ RATE_LIMITER_BURST: undefined, RATE_LIMITER_SUSTAINED: {} })).toHaveLength(2);
  });

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

describe('a configuration with faults', () => {
  const secret = 'Sk7rQ2bX9pLm4VtY8cNz1HwKd6JfGu3A';
  const env = {
    BCE_ACCESS_KEY_ID: `${secret}/`,
    BCE_SECRET_ACCESS_KEY: `${secret}\n`,
    BCC_ENDPOINT: `https://${secret}.test`,
    UPSTREAM_DEADLINE_MS: secret,
  };

  it('reports all of them together to the operator, and no value', async () => {
    const harness = createHarness({ env: { ...env, CALLERS: JSON.stringify({ [secret]: { [secret]: secret } }) } });
    expect(harness.lines).toHaveLength(1);
    expect(harness.lines[0]).toMatchObject({ severity: 'ERROR', record: { 'event.name': 'misconfigured' } });
    expect(harness.lines[0]?.record['problems']).toEqual([
      expect.stringMatching(/^CALLERS caller 1: has a field/),
      expect.stringMatching(/^CALLERS caller 1: scopes/),
      expect.stringMatching(/^CALLERS caller 1: keySha256/),
      expect.stringMatching(/^BCE_ACCESS_KEY_ID /),
      expect.stringMatching(/^BCE_SECRET_ACCESS_KEY has white space/),
      expect.stringMatching(/^BCC_ENDPOINT /),
      expect.stringMatching(/^UPSTREAM_DEADLINE_MS /),
    ]);
    const response = await harness.call('DELETE', '/images/m-custom01');
    const body = await problemOf(response);
    expect(body).toMatchObject({ code: 'gateway_misconfigured', status: 503, outcome: 'not_attempted' });
    expect(body['problems']).toBeUndefined();
    expect(JSON.stringify(body) + harness.lines.map(({ text }) => text).join('')).not.toContain(secret);
    expect(harness.requests).toHaveLength(0);
  });

  it('is told to a known caller by readyz, and to nobody else', async () => {
    const harness = createHarness({ env });
    const known = await problemOf(await harness.call('GET', '/readyz'));
    expect(known).toMatchObject({ code: 'gateway_misconfigured' });
    expect(known['problems']).toHaveLength(4);
    expect(JSON.stringify(known)).not.toContain(secret);
    expect((await harness.call('GET', '/readyz', {})).status).toBe(401);
    expect((await harness.call('DELETE', '/images/m-custom01', {})).status).toBe(401);
  });

  it('does not keep a whole one from being ready', async () => {
    const response = await createHarness().call('GET', '/readyz', { Authorization: `Bearer ${KEYS.reader}` });
    expect([response.status, await response.json()]).toEqual([200, { status: 'ready' }]);
  });
});
