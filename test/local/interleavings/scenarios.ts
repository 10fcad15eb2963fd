/**
 * What is searched, and how far.
 *
 * Bounds of every search: time stops only where something is due or may end, until an hour after the last planned check of the newest
 * row. A deletion begins no later than the last planned check of the oldest open row. A refusal brings a check forward only at the row's
 * planned times. A request hangs no longer than until its first planned check.
 */
import { findingsOf } from './checks.ts';
import type { Code } from './code.ts';
import type { Subject } from './events.ts';
import { RequestTables } from './requests.ts';
import type { Report } from './search.ts';
import type { Rules, Scenario, Spec } from './state.ts';

/** Two planned checks: if the first finds the image, that is free; the second decides. */
const RULES: Rules = { schedule: [45, 120], deadlineMs: 20_000, overMs: 23_000 };
/** The first planned check comes when the request is over. */
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
/** At most one loss for each deletion, and no rare events. */
const WITH_LOSSES = { ...COMPLETE, maxLosses: 1, maxFailedChecks: 1, isComplete: false };
const TWO_IMAGES = { ...COMPLETE, maxFailedChecks: 2 };
/** Events between two steps of a check, and from outside. */
const WITH_OTHERS = { hasSplitChecks: true, hasStrangers: true };

/** Enough for most mutants. */
export const SMALL: Scenario = { title: 'two with losses', specs: [FIRST, OTHERS], ...WITH_LOSSES };

export const SCENARIOS: readonly Scenario[] = [
  { title: 'one', specs: [FIRST], ...COMPLETE, ...WITH_OTHERS },
  { title: 'one that reads first', specs: [{ ...FIRST, reads: true }], ...COMPLETE, ...WITH_OTHERS },
  { title: 'two callers and an outsider', specs: [FIRST, OTHERS], ...COMPLETE, ...WITH_OTHERS },
  { title: 'the same request twice', specs: [FIRST, FIRST], ...COMPLETE },
  { title: 'two that read first', specs: [FIRST, OTHERS].map((spec) => ({ ...spec, reads: true })), ...COMPLETE },
  { title: 'two, with early checks', specs: [FIRST, OTHERS], ...WITH_LOSSES, rules: EARLY_RULES },
  { title: 'three with at most one loss each', specs: [FIRST, OTHERS, FIRST], ...WITH_LOSSES, maxFailedChecks: 0 },
  { title: 'two images of one caller', specs: [FIRST, OTHER_IMAGE], ...TWO_IMAGES, budgets: { caller: 1, account: 2 } },
  { title: 'two images of two callers', specs: [FIRST, { ...OTHER_IMAGE, caller: 'b' }], ...TWO_IMAGES },
];

/** Prepares the code for a search: its findings, and its tables of requests. */
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
