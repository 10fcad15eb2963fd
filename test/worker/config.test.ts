/** The complete configuration. How each kind of binding is read is tested in `bindings.test.ts`. */
import { describe, expect, it } from 'vitest';
import type { UncheckedEnv } from '../../src/worker/bindings.ts';
import { parseConfig, parseLedgerSettings } from '../../src/worker/config.ts';
import { FAULTY_ENV, SECRET } from '../fixtures.ts';
import { createHarness, problemOf, validEnv } from '../harness.ts';

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
      dailyDeletionsTotal: 500,
      policy: { deletionsEnabled: true, protectedImages: new Set(), protectedNames: [] },
    });
  });

  it.each(['abcdefgh/ijklmnop', 'ключключключключ', 'a'.repeat(129)])(
    'refuses the access key %s, because it would break the format of a signature',
    (value) => {
      expect(problemsOf({ BCE_ACCESS_KEY_ID: value })).toHaveLength(1);
    },
  );

  it('shortens the default attempt timeout to a shorter deadline', () => {
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

  it('refuses budgets and a retention out of bounds', () => {
    expect(problemsOf({ DAILY_DELETIONS: '10001' })).toEqual([
      'DAILY_DELETIONS must be a whole number from 0 to 10000',
    ]);
    expect(problemsOf({ DAILY_DELETIONS_TOTAL: '100001' })).toEqual([
      'DAILY_DELETIONS_TOTAL must be a whole number from 0 to 100000',
    ]);
    for (const value of ['1', '3651']) {
      expect(problemsOf({ LEDGER_RETENTION_DAYS: value })).toEqual([
        'LEDGER_RETENTION_DAYS must be a whole number of days from 2 to 3650',
      ]);
    }
  });

  it('names the running version, if the platform provides it', () => {
    const version = { id: 'd5c1b2a3', tag: '', timestamp: '2026-11-24T00:00:00Z' };
    expect(parseConfig({ ...validEnv(), VERSION: version }).version).toBe('d5c1b2a3');
    expect(parseConfig({ VERSION: version }).version).toBe('d5c1b2a3');
    for (const VERSION of [
      undefined,
      'd5c1b2a3',
      { id: 7 },
      { id: '' },
      { id: 'd5\n' },
      { id: 'x'.repeat(65) },
      null,
    ]) {
      expect(parseConfig({ ...validEnv(), VERSION }).version).toBeNull();
    }
  });

  const rule = 'must be a list of 1 to 20 whole seconds, strictly growing, greater than 8 and at most 86400';
  const looks = (count: number) => Array.from({ length: count }, (_, n) => 10 + n);

  it.each(['[9]', '[45, 120, 900, 3600]', '[9, 10, 86400]', [9, 60], looks(20)])(
    'accepts the RESOLVE_UNKNOWN_AFTER_S %j under a deadline of 5 s',
    (value) => {
      expect(problemsOf({ RESOLVE_UNKNOWN_AFTER_S: value })).toEqual([]);
    },
  );

  it.each([
    '',
    'soon',
    '45',
    '{}',
    'null',
    '[]',
    '[8]',
    '[9, 9]',
    '[10, 9]',
    '[9, 60, 59]',
    '[9, 86401]',
    '[9.5]',
    '["9"]',
    '[9, "60"]',
    '[9, null]',
    looks(21),
    9,
    null,
  ])('refuses the RESOLVE_UNKNOWN_AFTER_S %j under a deadline of 5 s', (value) => {
    expect(problemsOf({ RESOLVE_UNKNOWN_AFTER_S: value })).toEqual([`RESOLVE_UNKNOWN_AFTER_S ${rule}`]);
  });
});

describe('the settings of the ledger', () => {
  const resolveAfterS = [45, 120, 900, 3600];

  it('have defaults', () => expect(parseLedgerSettings({})).toEqual({ retentionDays: 400, resolveAfterS }));

  it('are what the variables say', () => {
    const env = { LEDGER_RETENTION_DAYS: '30', RESOLVE_UNKNOWN_AFTER_S: '[5, 6]', UPSTREAM_DEADLINE_MS: '1000' };
    expect(parseLedgerSettings(env)).toEqual({ retentionDays: 30, resolveAfterS: [5, 6] });
  });

  it.each([
    { LEDGER_RETENTION_DAYS: 'x' },
    { RESOLVE_UNKNOWN_AFTER_S: '[1]' },
    { UPSTREAM_DEADLINE_MS: 'x' },
    { LEDGER_RETENTION_DAYS: '2', RESOLVE_UNKNOWN_AFTER_S: '[5, 6]' },
  ])('keep rows for the longest time and check images at the default times if malformed, as in %j', (env) => {
    expect(parseLedgerSettings(env)).toEqual({ retentionDays: 3650, resolveAfterS });
  });
});

describe('a configuration with faults', () => {
  it('reports all of its faults together to the operator, and shows its values to nobody', async () => {
    const harness = createHarness({
      env: { ...FAULTY_ENV, CALLERS: JSON.stringify({ [SECRET]: { [SECRET]: SECRET } }) },
    });
    expect(harness.lines).toHaveLength(1);
    expect(harness.lines[0]).toMatchObject({ severity: 'ERROR', record: { 'event.name': 'misconfigured' } });
    expect(harness.lines[0]?.record['problems']).toEqual([
      expect.stringMatching(/^CALLERS caller 1: has an unknown field/),
      expect.stringMatching(/^CALLERS caller 1: has no credential: keySha256/),
      expect.stringMatching(/^CALLERS caller 1: scopes/),
      expect.stringMatching(/^BCE_ACCESS_KEY_ID /),
      expect.stringMatching(/^BCE_SECRET_ACCESS_KEY contains white space/),
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
