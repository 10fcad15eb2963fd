/** The table of codes, and the page for callers that must agree with it. */
import { describe, expect, it } from 'vitest';
import calling from '../../../src/docs/calling.md?raw';
import { isProblemCode, PROBLEMS } from '../../../src/worker/problems/failure.ts';
import { createHarness } from '../../harness.ts';

const codes = Object.keys(PROBLEMS).filter(isProblemCode);

describe('the code', () => {
  it.each(codes)('%s is explained at the URL of its type', async (code) => {
    const response = await createHarness().call('GET', `/problems/${code}`, {});
    const { status, outcomes, retryable, title, explanation } = PROBLEMS[code];
    expect([response.status, await response.json()]).toEqual([
      200,
      { code, status, outcomes, retryable, title, explanation },
    ]);
  });

  it.each(codes)('%s is in calling.md with its status, outcomes, retry advice and title', (code) => {
    const { status, outcomes, retryable, title } = PROBLEMS[code];
    const yes = outcomes.some((outcome) => outcome === 'unknown')
      ? 'yes, but never if the outcome is `unknown`'
      : 'yes';
    const advice = retryable ? yes : 'no';
    const row = `| \`${code}\` | ${status} | ${outcomes.join(', ')} | ${advice} | ${title} |`;
    expect(calling).toContain(row);
  });
});

describe('each code', () => {
  it('has a unique title that is not a sentence, and an explanation in complete sentences', () => {
    expect(new Set(codes.map((code) => PROBLEMS[code].title)).size).toBe(codes.length);
    for (const code of codes) {
      expect(PROBLEMS[code].title).toMatch(/^[A-Z].{10,}[^.]$/);
      expect(PROBLEMS[code].explanation).toMatch(/^[A-Z].{10,}\.$/);
    }
  });

  it('is ERROR if only the operator can fix it, WARN if it is temporary or a key was exposed, and INFO otherwise', () => {
    const severities = codes.map((code) => [code, PROBLEMS[code].severity]);
    expect(Object.fromEntries(severities.filter(([, severity]) => severity !== 'INFO'))).toEqual({
      upstream_rejected_credentials: 'ERROR',
      upstream_unexpected: 'ERROR',
      gateway_misconfigured: 'ERROR',
      ledger_unavailable: 'ERROR',
      rate_limiter_unavailable: 'ERROR',
      identity_unavailable: 'ERROR',
      internal_error: 'ERROR',
      insecure_transport: 'WARN',
      upstream_throttled: 'WARN',
      upstream_error: 'WARN',
      upstream_timeout: 'WARN',
    });
  });
});
