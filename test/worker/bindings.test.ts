/** How each kind of binding is read. The complete configuration is tested in `config.test.ts`. */
import { describe, expect, it } from 'vitest';
import type { UncheckedEnv } from '../../src/worker/bindings.ts';
import { parseConfig } from '../../src/worker/config.ts';
import { validEnv } from '../harness.ts';

const problemsOf = (env: UncheckedEnv) => parseConfig({ ...validEnv(), ...env }).problems;

describe('the configuration', () => {
  it.each([
    undefined,
    '',
    ' ',
    'TODO',
    'changeme',
    '0123456789abcde',
    '0123456789abcdef\n',
    '0123456 89abcdef',
    '\ufeff0123456789abcdef',
    '<the-access-key-id>',
    'changeme-changeme',
    'YOUR_ACCESS_KEY_ID',
    'your-secret-access-key',
    'xxxxxxxxxxxxxxxx',
    'placeholder-for-the-key',
    `$${'{BCE_ACCESS_KEY_ID}'}`,
    '{{bce_access_key}}',
    '$secret://vault/key',
    '"0123456789abcdef"',
    42,
  ])('refuses the secret %j', (value) => {
    for (const name of ['BCE_ACCESS_KEY_ID', 'BCE_SECRET_ACCESS_KEY'] as const) {
      expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name} `)]);
    }
    if (value !== undefined) expect(problemsOf({ BCE_SESSION_TOKEN: value })).toHaveLength(1);
  });

  it('says that a secret of less than 16 characters is too short, and accepts one of 16', () => {
    for (const name of ['BCE_ACCESS_KEY_ID', 'BCE_SECRET_ACCESS_KEY', 'BCE_SESSION_TOKEN'] as const) {
      expect(problemsOf({ [name]: '0123456789abcde' })).toEqual([`${name} is shorter than 16 characters`]);
      expect(problemsOf({ [name]: '0123456789abcdef' })).toEqual([]);
    }
  });

  it.each([
    'https://bcc.bj.baidubce.com',
    'https://bcc.gz.baidubce.com',
    'http://localhost:8788',
    'http://127.0.0.1:1',
    'http://[::1]:9',
  ])('accepts the endpoint %s', (value) => {
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

  it.each(['0', '49', '20001', '-1', '1e3', '1.5', '', 'soon', null])('refuses the timeout %j', (value) => {
    for (const name of ['UPSTREAM_ATTEMPT_TIMEOUT_MS', 'UPSTREAM_DEADLINE_MS']) {
      expect(problemsOf({ UPSTREAM_ATTEMPT_TIMEOUT_MS: '50', UPSTREAM_DEADLINE_MS: '20000', [name]: value })).toEqual([
        `${name} must be a whole number of milliseconds from 50 to 20000`,
      ]);
    }
  });

  it('refuses a DELETIONS that is neither enabled nor disabled', () => {
    for (const value of ['', 'off', 'Enabled', true]) {
      expect(problemsOf({ DELETIONS: value })).toEqual(['DELETIONS must be enabled or disabled']);
    }
    expect(parseConfig({ ...validEnv(), DELETIONS: 'disabled' }).config?.policy.deletionsEnabled).toBe(false);
  });

  it('requires PROTECTED_IMAGES and PROTECTED_NAMES, each as a list or as the JSON text of a list', () => {
    for (const name of ['PROTECTED_IMAGES', 'PROTECTED_NAMES']) {
      for (const value of [undefined, '', 'm-custom01', '{}', 'null']) {
        expect(problemsOf({ [name]: value })).toEqual([`${name} must be a list of at most 1000 entries, [] for none`]);
      }
      for (const value of ['[""]', '[" golden-*"]', '[1]', [null], [`m-${'x'.repeat(200)}`]]) {
        expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name} must be a list of `)]);
      }
    }
    expect(problemsOf({ PROTECTED_IMAGES: ['golden'] })).toHaveLength(1);
    const given = { PROTECTED_IMAGES: ['m-custom01'], PROTECTED_NAMES: '["golden-*"]' };
    expect(parseConfig({ ...validEnv(), ...given }).config?.policy).toMatchObject({
      protectedImages: new Set(['m-custom01']),
      protectedNames: [['golden-', '']],
    });
  });

  it('refuses a LEDGER that is not a Durable Object binding', () => {
    expect(problemsOf({ LEDGER: {} })).toEqual(['LEDGER is not a Durable Object binding']);
  });

  it('refuses a rate limiter that is absent or not a rate limit binding', () => {
    expect(problemsOf({ RATE_LIMITER_BURST: undefined, RATE_LIMITER_SUSTAINED: {} })).toHaveLength(2);
  });

  it.each([7, '7'])('reads the number %j', (value) => {
    expect(parseConfig({ ...validEnv(), DAILY_DELETIONS: value }).config?.dailyDeletions).toBe(7);
  });

  it('refuses a list of more than 1000 entries', () => {
    const ids = Array.from({ length: 1001 }, (_, n) => `m-image${n}`);
    expect(problemsOf({ PROTECTED_IMAGES: ids.slice(1) })).toEqual([]);
    expect(problemsOf({ PROTECTED_IMAGES: ids })).toEqual([
      'PROTECTED_IMAGES must be a list of at most 1000 entries, [] for none',
    ]);
  });
});
