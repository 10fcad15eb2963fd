/** The findings of a check. */
import { expect, it } from 'vitest';
import { fault, isFaulty, note, reportOf, warning } from '../../src/tools/findings.ts';

it('findings are reported worst first, and only a fault makes them faulty', () => {
  const findings = [note('a'), warning('b'), fault('c'), note('d'), fault('e')];
  expect(reportOf(findings)).toBe('fault    c\nfault    e\nwarning  b\nnote     a\nnote     d\n');
  expect([isFaulty(findings), isFaulty([note('a'), warning('b')]), isFaulty([])]).toEqual([true, false, false]);
});
