/** The table of codes, and everything that must say the same as it. */
import { describe, expect, it } from 'vitest';
import readme from '../../README.md?raw';
import { isProblemCode, PROBLEMS } from '../../src/problems/failure.ts';
import { createHarness } from '../harness.ts';

const codes = Object.keys(PROBLEMS).filter(isProblemCode);

describe('each code', () => {
  it.each(codes)('%s is explained where its type points to', async (code) => {
    const response = await createHarness().call('GET', `/problems/${code}`, {});
    const { status, outcomes, retryable, title, explanation } = PROBLEMS[code];
    expect([response.status, await response.json()]).toEqual([
      200,
      { code, status, outcomes, retryable, title, explanation },
    ]);
  });

  it.each(codes)('%s stands in the README with its status, outcomes and retry advice', (code) => {
    const { status, outcomes, retryable } = PROBLEMS[code];
    const row = `| \`${code}\` | ${status} | ${outcomes.join(', ')} | ${retryable ? 'yes' : 'no'} |`;
    expect(readme).toContain(row);
  });

  it('has no twin with its title', () => {
    expect(new Set(codes.map((code) => PROBLEMS[code].title)).size).toBe(codes.length);
  });
});
