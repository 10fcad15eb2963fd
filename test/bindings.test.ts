import { describe, expect, it } from 'vitest';
import type { UncheckedEnv } from '../src/bindings.ts';
import { parseConfig } from '../src/config.ts';
import { validEnv } from './harness.ts';

const problemsOf = (env: UncheckedEnv) => parseConfig({ ...validEnv(), ...env }).problems;

describe('the configuration', () => {
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

  it('refuses a ledger that is none', () => {
    expect(problemsOf({ LEDGER: {} })).toEqual(['LEDGER is not a Durable Object binding']);
  });

  it('refuses a limiter that is none', () => {
    expect(problemsOf({ RATE_LIMITER_BURST: undefined, RATE_LIMITER_SUSTAINED: {} })).toHaveLength(2);
  });
});
