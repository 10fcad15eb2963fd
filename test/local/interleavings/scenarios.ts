/**
 * What the searches go through, and how far.
 *
 * Bounds of all: time stands still only where something falls due or may end, until an hour after the last planned check of the newest
 * row. A deletion begins no later than the last planned check of the oldest row that is still open. A refusal brings a check forward
 * only at the row's own times. A request that stands still does so until its first planned check at most.
 */
import { findingsOf } from './checks.ts';
import type { Code } from './code.ts';
import type { Subject } from './events.ts';
import { RequestTables } from './requests.ts';
import type { Report } from './search.ts';
import type { Rules, Scenario, Spec } from './state.ts';

/** Two planned checks: one at which an image that is found becomes free, and one that decides. */
const RULES: Rules = { schedule: [45, 120], deadlineMs: 20_000, overMs: 23_000 };
/** The first check ends the request. */
const EARLY_RULES: Rules = { schedule: [9, 30], deadlineMs: 5_000, overMs: 9_000 };

const FIRST: Spec = { caller: 'a', requestId: 'r-1', image: 'm-custom01', reads: false };
const OTHERS: Spec = { ...FIRST, caller: 'b' };
const OTHER_IMAGE: Spec = { ...FIRST, requestId: 'r-2', image: 'm-custom02' };

const COMPLETE = {
  rules: RULES,
  budgets: { caller: 1, account: 1 },
  maxLosses: Number.POSITIVE_INFINITY,
  maxFailedChecks: Number.POSITIVE_INFINITY,
  isComplete: true,
  hasSplitChecks: false,
  hasStrangers: false,
};
/** No more than one loss of each deletion, and nothing that is rare. */
const WITH_LOSSES = { ...COMPLETE, maxLosses: 1, maxFailedChecks: 1, isComplete: false };
const TWO_IMAGES = { ...COMPLETE, maxFailedChecks: 2 };
/** What can come between two steps of a check, and from outside. */
const WITH_OTHERS = { hasSplitChecks: true, hasStrangers: true };

/** What most of the breaks need. */
export const SMALL: Scenario = { title: 'two with losses', specs: [FIRST, OTHERS], ...WITH_LOSSES };

export const SCENARIOS: readonly Scenario[] = [
  { title: 'one', specs: [FIRST], ...COMPLETE, ...WITH_OTHERS },
  { title: 'one that reads', specs: [{ ...FIRST, reads: true }], ...COMPLETE, ...WITH_OTHERS },
  { title: 'two of two callers, and somebody else', specs: [FIRST, OTHERS], ...COMPLETE, ...WITH_OTHERS },
  { title: 'the same request twice', specs: [FIRST, FIRST], ...COMPLETE },
  { title: 'two that read', specs: [FIRST, OTHERS].map((spec) => ({ ...spec, reads: true })), ...COMPLETE },
  { title: 'two, with checks that begin early', specs: [FIRST, OTHERS], ...WITH_LOSSES, rules: EARLY_RULES },
  { title: 'three with at most one loss each', specs: [FIRST, OTHERS, FIRST], ...WITH_LOSSES, maxFailedChecks: 0 },
  { title: 'two images of one caller', specs: [FIRST, OTHER_IMAGE], ...TWO_IMAGES, budgets: { caller: 1, account: 2 } },
  { title: 'two images of two callers', specs: [FIRST, { ...OTHER_IMAGE, caller: 'b' }], ...TWO_IMAGES },
];

/** Runs the code once for each thing that it can meet. */
export async function subjectOf(code: Code, { rules }: Scenario): Promise<Subject> {
  const tables = new RequestTables(code, rules.deadlineMs);
  return {
    code,
    findings: await findingsOf(code),
    requests: { plain: await tables.build(false), reading: await tables.build(true) },
  };
}

export function print({ title }: Scenario, { states, ledgers, events, violations }: Report): void {
  const counts = [...events].sort(([a], [b]) => a.localeCompare(b)).map(([event, count]) => `  ${count} ${event}`);
  process.stdout.write(`${title}: ${states} states, ${ledgers} ledgers\n${counts.join('\n')}\n`);
  for (const { invariant, text, path } of violations.values()) {
    process.stdout.write(`  ${invariant}: ${text}\n${path.map((step) => `    ${step}`).join('\n')}\n`);
  }
}
