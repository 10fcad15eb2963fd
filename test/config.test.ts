/** The configuration as a whole. How each kind of binding is read is tested in `bindings.test.ts`. */
import { describe, expect, it } from 'vitest';
import type { UncheckedEnv } from '../src/bindings.ts';
import { parseConfig, retentionDays } from '../src/config.ts';
import { FAULTY_ENV, SECRET } from './fixtures.ts';
import { createHarness, problemOf, validEnv } from './harness.ts';

const problemsOf = (env: UncheckedEnv) => parseConfig({ ...validEnv(), ...env }).problems;

describe('the configuration', () => {
  it('has a default for every variable that may be absent', () => {
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

  it.each(['a/b', 'ключ', 'a'.repeat(129)])(
    'refuses the access key %s, because it would break the format of a signature',
    (value) => {
      expect(problemsOf({ BCE_ACCESS_KEY_ID: value })).toHaveLength(1);
    },
  );

  it('shortens the default attempt timeout to a deadline that is shorter', () => {
    const { config } = parseConfig({
      ...validEnv(),
      UPSTREAM_ATTEMPT_TIMEOUT_MS: undefined,
      UPSTREAM_DEADLINE_MS: '500',
    });
    expect(config).toMatchObject({ attemptTimeoutMs: 500, deadlineMs: 500 });
  });

  it('refuses an attempt timeout that is longer than the deadline', () => {
    expect(problemsOf({ UPSTREAM_ATTEMPT_TIMEOUT_MS: '300', UPSTREAM_DEADLINE_MS: '200' })).toHaveLength(1);
  });

  it('refuses a DAILY_DELETIONS and a LEDGER_RETENTION_DAYS out of bounds', () => {
    expect(problemsOf({ DAILY_DELETIONS: '10001' })).toEqual([
      'DAILY_DELETIONS must be a whole number from 0 to 10000',
    ]);
    expect(problemsOf({ LEDGER_RETENTION_DAYS: '0' })).toEqual([
      'LEDGER_RETENTION_DAYS must be a whole number of days from 1 to 3650',
    ]);
  });

  it('keeps ledger rows for the longest time if LEDGER_RETENTION_DAYS is malformed', () => {
    expect(retentionDays({ LEDGER_RETENTION_DAYS: 'x' })).toBe(3650);
    expect(retentionDays({ LEDGER_RETENTION_DAYS: '30' })).toBe(30);
    expect(retentionDays({})).toBe(400);
  });
});

describe('a configuration with faults', () => {
  it('reports all of its faults together to the operator, and none of its values to anybody', async () => {
    const harness = createHarness({
      env: { ...FAULTY_ENV, CALLERS: JSON.stringify({ [SECRET]: { [SECRET]: SECRET } }) },
    });
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
    expect(JSON.stringify(body) + harness.lines.map(({ text }) => text).join('')).not.toContain(SECRET);
    expect(harness.requests).toHaveLength(0);
  });
});
