/**
 * What must follow from every state if Baidu answers from now on and nothing else happens: no request continues, no message arrives,
 * no deletion takes effect. Only the alarm runs.
 */
import { HOUR_MS } from '../../../src/worker/time.ts';
import type { Problem } from './invariants.ts';
import type { Applied, Ledger, Ledgers } from './ledgers.ts';
import { lastMs, type Rules } from './state.ts';
import type { Row } from './words.ts';

export interface Future {
  readonly ledger: Ledger;
  readonly nowMs: number;
  readonly isThere: (image: string) => boolean;
}

/** The alarm's two sides. */
export interface Alarm {
  readonly check: (from: Ledger, nowMs: number, image: string, seen: 'found' | 'absent') => Applied<null>;
  readonly ledgers: Pick<Ledgers, 'ask'>;
}
type Ask = Ledgers['ask'];

/** More than two images with two rows each need. */
const MAX_CHECKS = 30;

export function wrongFuture({ ledger, nowMs, isThere }: Future, rules: Rules, alarm: Alarm): Problem[] {
  const ask: Ask = (from, key, question) => alarm.ledgers.ask(from, key, question);
  const problems: Problem[] = [...neverVerified(ledger, nowMs, rules), ...takenTooLong(ledger, nowMs, rules, ask)];
  let at = ledger;
  let timeMs = nowMs;
  for (let checks = 0; ; checks++) {
    const nextMs = ask(at, 'next check', (store) => store.nextCheckMs());
    if (nextMs === null) break;
    timeMs = Math.max(timeMs, nextMs);
    const image = ask(at, `due ${timeMs} `, (store) => store.dueImage([], timeMs));
    if (image === null || checks === MAX_CHECKS) {
      problems.push({
        invariant: 'final',
        text: image === null ? 'nothing is due when it should be' : 'the checks never end',
      });
      break;
    }
    const { ledger: next, problems: wrong } = alarm.check(at, timeMs, image, isThere(image) ? 'found' : 'absent');
    problems.push(...wrong, ...undecided(at, next, timeMs, image, isThere(image), rules));
    if (isThere(image) && next.rows.every((row) => row.imageId !== image || isOverAt(row, timeMs, rules))) {
      problems.push(...takenAt(next, timeMs, image, ask));
    }
    at = next;
  }
  const unknown = at.rows.filter(({ outcome }) => outcome === 'unknown');
  for (const { id } of unknown) problems.push({ invariant: 'final', text: `the row ${id} stays unknown` });
  const lateMs = Math.max(
    nowMs,
    ...ledger.rows.filter(isUnknown).map(({ reservedAtMs }) => reservedAtMs + lastMs(rules)),
  );
  if (timeMs > lateMs + HOUR_MS)
    problems.push({ invariant: 'final', text: `the last check comes ${timeMs - lateMs} ms late` });
  return [...problems, ...takenBy(at, timeMs, ask)];
}

/** What a check must decide when Baidu answers, and did not. */
function undecided(
  before: Ledger,
  after: Ledger,
  timeMs: number,
  image: string,
  isThere: boolean,
  rules: Rules,
): Problem[] {
  const problems: Problem[] = [];
  for (const was of before.rows.filter(({ imageId }) => imageId === image)) {
    const ageMs = timeMs - was.reservedAtMs;
    const decides = ageMs >= (isThere ? lastMs(rules) : rules.overMs);
    const is = after.rows.find(({ id }) => id === was.id);
    if (!decides || is === undefined) continue;
    if (is.outcome === 'unknown')
      problems.push({ invariant: 'final', text: `a check leaves the row ${was.id} unknown` });
    const isReadBack = was.outcome === 'deleted' && was.nextCheckAtMs !== null;
    if (isReadBack && is.verified !== !isThere) {
      problems.push({ invariant: 'verified', text: `a check leaves the row ${was.id} verified ${is.verified}` });
    }
  }
  return problems;
}

/** Rows that a request deleted and nobody will check, although their planned checks are not over. */
function neverVerified({ rows }: Ledger, nowMs: number, rules: Rules): Problem[] {
  const forgotten = rows.filter(
    ({ outcome, verified, resolvedAtMs, nextCheckAtMs, reservedAtMs }) =>
      outcome === 'deleted' &&
      verified === null &&
      resolvedAtMs === null &&
      (nextCheckAtMs === null
        ? nowMs - reservedAtMs < lastMs(rules)
        : nextCheckAtMs > Math.max(reservedAtMs + lastMs(rules), nowMs + HOUR_MS)),
  );
  return forgotten.map(({ id }) => ({
    invariant: 'verified',
    text: `the row ${id} is not checked at the planned times`,
  }));
}

/** An image must be free once the planned checks of all its rows are over, even if it could not be read. */
function takenTooLong(ledger: Ledger, nowMs: number, rules: Rules, ask: Ask): Problem[] {
  const unknown = ledger.rows.filter(isUnknown);
  return [...new Set(unknown.map(({ imageId }) => imageId))].flatMap((image) => {
    const newestMs = Math.max(
      ...unknown.filter(({ imageId }) => imageId === image).map(({ reservedAtMs }) => reservedAtMs),
    );
    return takenAt(ledger, Math.max(nowMs, newestMs + lastMs(rules)), image, ask);
  });
}

function takenBy(ledger: Ledger, timeMs: number, ask: Ask): Problem[] {
  return [...new Set(ledger.rows.map(({ imageId }) => imageId))].flatMap((image) =>
    takenAt(ledger, timeMs, image, ask),
  );
}

function takenAt(ledger: Ledger, timeMs: number, image: string, ask: Ask): Problem[] {
  const { open } = ask(ledger, `peek ${image} ${timeMs}`, (store) =>
    store.peek('caller', image, { caller: 1, account: 1 }, timeMs),
  );
  return open === null ? [] : [{ invariant: 'free', text: `${image} is still taken by ${open.id}` }];
}

/** Whether a check that finds the image at this time frees it from this row. */
function isOverAt({ outcome, reservedAtMs }: Row, timeMs: number, { overMs }: Rules): boolean {
  return outcome !== 'unknown' || reservedAtMs + overMs <= timeMs;
}

function isUnknown({ outcome }: Row): boolean {
  return outcome === 'unknown';
}
