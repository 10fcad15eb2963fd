/**
 * Every interleaving of several deletions, through the real deletion, the real store and the real checks.
 *
 * The search keeps its own record of what Baidu did, and checks every invariant in each state. `interleavings-mutants.test.ts` shows
 * that each invariant can fail. `interleavings/search.ts` defines a state.
 */
import { describe, expect, it } from 'vitest';
import { loadCode } from './interleavings/code.ts';
import { INVARIANTS } from './interleavings/invariants.ts';
import { print, SCENARIOS, subjectOf } from './interleavings/scenarios.ts';
import { Search } from './interleavings/search.ts';

const TIMEOUT_MS = 170_000;

describe('several deletions', () => {
  it.each(SCENARIOS)(
    'keep every invariant: $title',
    async (scenario) => {
      const subject = await subjectOf(await loadCode(), scenario);
      const report = new Search(subject, scenario).run(INVARIANTS);
      print(scenario, report);
      expect([...report.violations.values()]).toEqual([]);
      expect(report.states).toBeGreaterThan(500);
    },
    TIMEOUT_MS,
  );
});
