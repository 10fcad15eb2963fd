/**
 * Shows that each invariant of `interleavings.test.ts` can fail. Each mutant breaks the Worker in one place, and the search must find
 * a violation of the invariant that the mutant is for. It prints the shortest path.
 */
import { describe, expect, it } from 'vitest';
import { loadMutant } from './interleavings/code.ts';
import { INVARIANTS } from './interleavings/invariants.ts';
import { MUTANTS } from './interleavings/mutants.ts';
import { print, SCENARIOS, SMALL, subjectOf } from './interleavings/scenarios.ts';
import { Search } from './interleavings/search.ts';

describe('the search', () => {
  it.each(MUTANTS.map((mutant) => [mutant.breaks, mutant.name, mutant] as const))(
    'finds a violation of %s if %s',
    async (_, name, mutant) => {
      const scenario = [SMALL, ...SCENARIOS].find(({ title }) => title === (mutant.scenario ?? SMALL.title));
      if (scenario === undefined) throw new Error(`There is no scenario "${mutant.scenario}".`);
      const subject = await subjectOf(await loadMutant(name, mutant), scenario);
      const report = new Search(subject, scenario).run([mutant.breaks], true);
      print({ ...scenario, title: `${name}, ${scenario.title}` }, { ...report, events: new Map() });
      expect([...report.violations.keys()]).toEqual([mutant.breaks]);
    },
  );

  it('has a mutant for each invariant', () => {
    expect(new Set(MUTANTS.map(({ breaks }) => breaks))).toEqual(new Set(INVARIANTS));
  });
});
