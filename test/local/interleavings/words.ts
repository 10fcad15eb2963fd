/**
 * What a row says, read without the product's code, and what a call may change in it.
 *
 * An unknown outcome becomes final once. Then only these change: `confirmed` from `false` to `true`, if a late settlement brings Baidu's
 * own word for the same outcome, and `verified` from `null`, once. What the request reports is written once, by its settlement.
 */
import type { LedgerEvent } from '../../../src/worker/ledger/store.ts';
import type { Words } from './requests.ts';

/** A row. Times are milliseconds since the epoch. */
export interface Row extends Words {
  readonly id: string;
  readonly caller: string;
  readonly requestId: string;
  readonly imageId: string;
  readonly verified: boolean | null;
  readonly reservedAtMs: number;
  readonly settledAtMs: number | null;
  readonly resolvedAtMs: number | null;
  readonly nextCheckAtMs: number | null;
  readonly checkedAtMs: number | null;
  readonly foundAtMs: number | null;
  /** What the request reported, as one string. */
  readonly report: string;
}

const OUTCOMES = ['deleted', 'already_absent', 'rejected', 'not_attempted', 'not_deleted', 'unknown'] as const;
const REPORTED = ['settled_at', 'code', 'attempts', 'upstream_request_id', 'image_name'];

export function rowOf(columns: Readonly<Record<string, string | number | null>>): Row {
  const text = (name: string) => String(columns[name]);
  const number = (name: string) => (typeof columns[name] === 'number' ? columns[name] : null);
  const boolean = (name: string) => (columns[name] === null ? null : columns[name] === 1);
  const outcome = OUTCOMES.find((each) => each === columns['outcome']);
  if (outcome === undefined) throw new Error(`A row has the outcome ${columns['outcome']}.`);
  return {
    id: text('id'),
    caller: text('caller'),
    requestId: text('request_id'),
    imageId: text('image_id'),
    outcome,
    confirmed: boolean('confirmed'),
    verified: boolean('verified'),
    reservedAtMs: Number(columns['reserved_at']),
    settledAtMs: number('settled_at'),
    resolvedAtMs: number('resolved_at'),
    nextCheckAtMs: number('next_check_at'),
    checkedAtMs: number('looked_at'),
    foundAtMs: number('found_at'),
    report: JSON.stringify(REPORTED.map((name) => columns[name])),
  };
}

/** The counters implied by the rows, as `name|caller|label`. */
export function countersOf(rows: readonly Row[]): Map<string, number> {
  const counters = new Map<string, number>();
  const add = (name: string) => counters.set(name, (counters.get(name) ?? 0) + 1);
  for (const { caller, outcome, verified, resolvedAtMs, nextCheckAtMs } of rows) {
    if (outcome !== 'unknown') add(`deletions|${caller}|${outcome}`);
    if (resolvedAtMs !== null) add(`resolutions||${outcome}`);
    if (verified === false) add('disproved||');
    const isReadBack = outcome === 'deleted' && resolvedAtMs === null;
    if (isReadBack && verified === null && nextCheckAtMs === null) add('unverified||');
  }
  return counters;
}

/** What a call wrongly changed, and log lines that are missing or too many. */
export function wrongChanges(
  before: readonly Row[],
  after: readonly Row[],
  settles: { readonly id: string; readonly words: Words } | undefined,
  events: readonly LedgerEvent[],
): string[] {
  const wrong: string[] = [];
  const named = (name: LedgerEvent['name'], id: string) =>
    events.filter((event) => event.name === name && event.row.id === id).length;
  for (const was of before) {
    const is = after.find(({ id }) => id === was.id);
    if (is === undefined) {
      wrong.push(`the row ${was.id} is gone`);
      continue;
    }
    const words = settles?.id === was.id && was.settledAtMs === null ? settles.words : null;
    const complaints = [
      ...wrongWords(was, is, words),
      ...wrongLines(was, is, words, (name) => named(name, was.id)),
    ].map((complaint) => `the row ${was.id} ${complaint}`);
    wrong.push(...complaints);
  }
  return wrong;
}

/** @param words the settlement's, if this call settles the row */
function wrongWords(was: Row, is: Row, words: Words | null): string[] {
  const wrong: string[] = [];
  const isFinalNow = was.outcome === 'unknown' && is.outcome !== 'unknown';
  const isResolvedNow = isFinalNow && words === null;
  if (was.outcome !== 'unknown' && is.outcome !== was.outcome) wrong.push(`was ${was.outcome}, is ${is.outcome}`);
  const isConfirmedNow =
    was.confirmed === false && words !== null && words.outcome === was.outcome && words.confirmed === true;
  const expected = isConfirmedNow ? true : was.confirmed;
  if (!isFinalNow && is.confirmed !== expected) wrong.push(`was confirmed ${was.confirmed}, is ${is.confirmed}`);
  if (was.outcome === 'unknown' && words !== null && !isSame(is, words)) {
    wrong.push(`was settled as ${words.outcome}, ${words.confirmed}, but says ${is.outcome}, ${is.confirmed}`);
  }
  const isVerifiedNow = was.verified === null && is.outcome === 'deleted' && words === null && !isFinalNow;
  if (is.verified !== was.verified && !isVerifiedNow) wrong.push(`was verified ${was.verified}, is ${is.verified}`);
  if (is.report !== was.report && words === null) wrong.push(`had the report ${was.report}, has ${is.report}`);
  if (words !== null && is.settledAtMs === null) wrong.push('is settled, but has no time for it');
  if ((is.resolvedAtMs !== was.resolvedAtMs) !== isResolvedNow) {
    wrong.push(`was resolved at ${was.resolvedAtMs}, is at ${is.resolvedAtMs}`);
  }
  if (is.reservedAtMs !== was.reservedAtMs || is.caller !== was.caller || is.imageId !== was.imageId) {
    wrong.push('has changed its caller, image or time');
  }
  return wrong;
}

function wrongLines(was: Row, is: Row, words: Words | null, lines: (name: LedgerEvent['name']) => number): string[] {
  const wrong: string[] = [];
  const expect = (name: LedgerEvent['name'], should: boolean) => {
    if (lines(name) !== Number(should)) wrong.push(`has ${lines(name)} lines ${name}`);
  };
  expect('resolved', was.resolvedAtMs === null && is.resolvedAtMs !== null);
  expect('disproved', was.verified === null && is.verified === false);
  const isContradicted =
    words !== null && was.outcome !== 'unknown' && words.outcome !== 'unknown' && isGone(words) !== isGone(was);
  expect('contradicted', isContradicted);
  return wrong;
}

function isSame(is: Words, words: Words): boolean {
  return is.outcome === words.outcome && is.confirmed === words.confirmed;
}

function isGone({ outcome }: Words): boolean {
  return outcome === 'deleted' || outcome === 'already_absent';
}
