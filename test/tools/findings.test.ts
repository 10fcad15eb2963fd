/** What a check has found. */
import { expect, it } from 'vitest';
import { fault, isFaulty, note, reportOf, warning } from '../../src/tools/findings.ts';

it('is reported with the worst first, and is faulty only with a fault', () => {
  const findings = [note('a'), warning('b'), fault('c'), note('d'), fault('e')];
  expect(reportOf(findings)).toBe('fault    c\nfault    e\nwarning  b\nnote     a\nnote     d\n');
  expect([isFaulty(findings), isFaulty([note('a'), warning('b')]), isFaulty([])]).toEqual([true, false, false]);
});
