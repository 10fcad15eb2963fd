/** The examples of the OpenAPI document. */
import { describe, expect, it } from 'vitest';
import { EXAMPLES, FAILURES, problemExample } from '../../src/openapi/examples.ts';
import { outcomeOf, PROBLEM_CODES, PROBLEMS } from '../../src/worker/problems/failure.ts';
import { bodyFaults, DOCUMENT, problemFaults } from '../answers.ts';

const ORIGIN = 'https://gateway.test';

describe('the examples', () => {
  it('show every code with every possible outcome', () => {
    const shown = FAILURES.map((failure) => `${failure.code}.${outcomeOf(failure)}`);
    const possible = PROBLEM_CODES.flatMap((code) => PROBLEMS[code].outcomes.map((outcome) => `${code}.${outcome}`));
    expect(shown.sort()).toEqual(possible.sort());
    const [ofNone] = DOCUMENT.components?.schemas?.['Problem']?.examples ?? [];
    expect([...Object.keys(DOCUMENT.components?.examples ?? {}), `${ofNone.code}.${ofNone.outcome}`].sort()).toEqual(
      possible.sort(),
    );
  });

  it.each(FAILURES.map((failure) => problemExample(failure, ORIGIN)))('have a valid problem: %j', (problem) => {
    expect(problemFaults(problem)).toBe('');
    expect(problem.detail).not.toContain('undefined');
    expect(problem.deletion).toBe(
      problem.outcome === 'unknown'
        ? `${ORIGIN}/deletions?caller=ci-cleaner&imageId=m-nky7qeom&requestId=job-4711`
        : undefined,
    );
  });

  it.each(Object.entries(EXAMPLES))('have a valid body %s', (name, body) => {
    expect(bodyFaults(name, body)).toBe('');
  });
});
