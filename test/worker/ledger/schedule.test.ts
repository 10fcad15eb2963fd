/** When an image is checked, and how long a request may run. What a check proves is tested with the rows, in store.test.ts. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/worker/config.ts';
import {
  firstCheckMs,
  lastCheckMs,
  REQUEST_OVER_MS,
  requestOverMs,
  stepAfter,
} from '../../../src/worker/ledger/schedule.ts';
import { checkOf, enteredRow } from '../../fixtures.ts';
import { validEnv } from '../../harness.ts';

describe('a request', () => {
  it('is over three seconds after the longest possible deadline', () => {
    const deadline = (ms: number) => parseConfig({ ...validEnv(), UPSTREAM_DEADLINE_MS: String(ms) }).problems;
    expect(deadline(REQUEST_OVER_MS - 3_000)).toEqual([]);
    expect(deadline(REQUEST_OVER_MS - 2_999)).not.toEqual([]);
  });

  it('is over earlier if the first check comes earlier', () => {
    expect(requestOverMs([45, 120])).toBe(23_000);
    expect(requestOverMs([23, 120])).toBe(23_000);
    expect(requestOverMs([22, 120])).toBe(22_000);
  });
});

describe('a schedule', () => {
  it('has a first and a last check', () => {
    expect([firstCheckMs([45, 120]), lastCheckMs([45, 120])]).toEqual([45_000, 120_000]);
    expect([firstCheckMs([45]), lastCheckMs([45])]).toEqual([45_000, 45_000]);
  });
});

describe('a check that began while the request could still run', () => {
  it.each<[string, number, unknown]>([
    ['says nothing about a row that was not due', 45_000, null],
    [
      'is repeated once the request is over if the row was due',
      10_000,
      { kind: 'open', nextCheckAtMs: 23_000, foundAtMs: null, isOverdue: false },
    ],
  ])('%s', (_what, nextCheckAtMs, expected) => {
    expect(stepAfter(checkOf('found', 22_999), enteredRow('r1', 0, nextCheckAtMs), [45, 120])).toEqual(expected);
  });
});

describe('the next check of a row after a check that began at 60 s', () => {
  it.each<[string, number | null, number]>([
    ['is the next planned one if the row was due', 60_000, 120_000],
    ['stays if the row was not due', 120_000, 120_000],
    ['is at least five seconds later if the row was not due', 60_001, 65_000],
    ['is five seconds later if none was planned', null, 65_000],
  ])('%s', (_what, nextCheckAtMs, expected) => {
    const step = stepAfter(checkOf('found', 60_000), enteredRow('r1', 0, nextCheckAtMs), [45, 120]);
    expect(step).toEqual({ kind: 'open', nextCheckAtMs: expected, foundAtMs: 60_000, isOverdue: false });
  });
});
