/**
 * Compares rows, answers and sent deletions with the record of what Baidu did.
 */
import type { Budgets, Refusal } from '../../../src/worker/ledger/rows.ts';
import type { ReadAnswer } from './answers.ts';
import type { Problem } from './invariants.ts';
import type { End, Words } from './requests.ts';
import type { CheckUnderWay, Gone, Rules, Slot, Spec, State } from './state.ts';
import { isAlive, lastMs } from './state.ts';
import type { Row } from './words.ts';

/** A check that has ended, and what Baidu answered. */
export interface EndedCheck extends CheckUnderWay {
  readonly seen: ReadAnswer;
}

/** What the judge needs to know about a scenario. */
export interface Setting {
  readonly specs: readonly Spec[];
  readonly budgets: Budgets;
  readonly rules: Rules;
  /** The ids of the deletions' rows. */
  readonly names: readonly string[];
  readonly images: readonly string[];
}

const falsehood = (text: string): Problem => ({ invariant: 'no-false-outcome', text });

/**
 * What is false in the outcome of a request. `answer`: Baidu's last one. `by`: who deleted the image, or `null` if it still exists.
 */
export function wrongEnd(
  { answer: words, isOfFirst, message }: End,
  answer: string | null,
  slot: Slot,
  by: Gone | 'this',
): Problem[] {
  const wrong = [
    ...wrongWords(words, answer, slot, by, isOfFirst).map((text) => `the answer ${text}`),
    ...(message === null
      ? []
      : wrongWords(message.settlement, answer, slot, by, false).map((text) => `the row ${text}`)),
  ];
  // The counter of unlisted absences follows the settlement.
  const isUncounted = answer === 'absent, unlisted' && message?.settlement.unlistedAbsence !== true;
  const uncounted: Problem = { invariant: 'counters', text: 'an absence under an unlisted code is not counted' };
  return [...wrong.map(falsehood), ...(isUncounted ? [uncounted] : [])];
}

function wrongWords(
  { outcome, confirmed }: Words,
  answer: string | null,
  { isSent, mayActLate, noticesRepeats }: Slot,
  by: Gone | 'this',
  isOfFirst: boolean,
): string[] {
  // The code is unlisted, so the outcome is a guess from the status and has `confirmed: false`.
  const isGuess = answer === 'absent, unlisted';
  switch (outcome) {
    case 'deleted':
      if (!isOfFirst && confirmed === true)
        return answer === 'done' ? [] : ['says that Baidu deleted it, but Baidu did not say so'];
      if (!isOfFirst && !isSent) return ['says that it was deleted, but no deletion was sent'];
      // It may repeat the outcome of the first request, which Baidu confirmed then.
      return by === null && !(isGuess && isOfFirst) ? ['says that it is gone, but it exists'] : [];
    case 'already_absent':
      if (confirmed === true && isGuess) return ['says that Baidu has no such image, because of an unlisted code'];
      if (by === null && !isGuess) return ['says that it was absent, but it exists'];
      if (by === 'this') return ['says that it was absent, but this request deleted it'];
      return isSent && noticesRepeats ? ['says that it was absent, but it existed before'] : [];
    case 'rejected':
      return by === 'this' || mayActLate ? ['says that nothing was done, but something was or may be'] : [];
    case 'not_attempted':
      return isSent ? ['says that nothing was sent, but a deletion was'] : [];
    case 'unknown':
      return answer === 'done' ? ['says that it does not know, but Baidu confirmed it'] : [];
    default:
      return [`has the outcome ${outcome}`];
  }
}

/** What is wrong in the answer to a refusal, and whether it had no reason. */
export function wrongRefusal(
  { ledger, slots, nowMs }: State,
  { open, of }: Refusal,
  spec: Spec,
  end: End,
  setting: Setting,
): Problem[] {
  const { rules, names, budgets } = setting;
  const problems: Problem[] = [];
  const isOwn = open?.caller === spec.caller && open.requestId === spec.requestId;
  if (end.answer.outcome !== (isOwn ? 'unknown' : 'not_attempted')) {
    problems.push(falsehood(`the answer to a refused request says ${end.answer.outcome}`));
  }
  if (open !== undefined) {
    const isTakenBy = ({ id, imageId, outcome, reservedAtMs }: Row) => {
      const isSeen = slots[names.indexOf(id)]?.isSeenAfter === true;
      const ageMs = nowMs - reservedAtMs;
      const mayRun = ageMs < rules.overMs;
      return imageId === spec.image && outcome === 'unknown' && (mayRun || (!isSeen && ageMs < lastMs(rules)));
    };
    if (!ledger.rows.some(isTakenBy))
      problems.push({ invariant: 'free', text: 'a deletion of a free image is refused' });
    return problems;
  }
  const counting = ledger.rows.filter(
    ({ outcome, caller }) =>
      (outcome === 'deleted' || outcome === 'unknown') && (of === 'account' || caller === spec.caller),
  );
  const images = new Set(counting.map(({ imageId }) => imageId));
  if (images.has(spec.image) || images.size < budgets[of]) {
    problems.push({ invariant: 'budget', text: `${images.size} images count for the ${of}, and one more is refused` });
  }
  return problems;
}

/** Why a deletion must not be sent now. */
export function wrongSend(
  { nowMs, ledger, slots }: State,
  index: number,
  { reservedAtMs }: Slot,
  setting: Setting,
): Problem[] {
  const { specs, rules, names } = setting;
  const wrong: string[] = [];
  if (nowMs - reservedAtMs >= rules.overMs) wrong.push('a DELETE is sent after its request is over');
  if (!ledger.rows.some(({ id }) => id === names[index])) wrong.push('a DELETE is sent without a row');
  for (const [at, other] of slots.entries()) {
    if (at === index || specs[at]?.image !== specs[index]?.image || other.phase === 'idle') continue;
    const mayRun = other.attempt !== null || nowMs - other.reservedAtMs < rules.overMs;
    if (isAlive(other) && mayRun) wrong.push(`a DELETE is sent while ${names[at]} may run`);
    const row = ledger.rows.find(({ id }) => id === names[at]);
    const isUndecided = row?.outcome === 'unknown' && !other.isSeenAfter;
    if (isUndecided && reservedAtMs < row.reservedAtMs + lastMs(rules)) {
      wrong.push(`a DELETE is sent before the planned checks of ${names[at]} are over, and none has found the image`);
    }
  }
  return wrong.map((text) => ({ invariant: 'lock', text }));
}

/** What is false in the rows after an event, and whether a budget is exceeded. `check`: the one that the event applied. */
export function wrongRows(before: State, after: State, check: EndedCheck | null, setting: Setting): Problem[] {
  const { names, images } = setting;
  const problems: Problem[] = [];
  for (const row of after.ledger.rows) {
    const index = names.indexOf(row.id);
    const slot = after.slots[index];
    if (slot === undefined) throw new Error(`The row ${row.id} belongs to no deletion.`);
    const image = images.indexOf(row.imageId);
    const by = after.gone[image] ?? null;
    const was = before.ledger.rows.find(({ id }) => id === row.id);
    const complaints = [
      ...(was?.outcome === 'unknown' && row.outcome !== 'unknown' && was.settledAtMs === row.settledAtMs
        ? wrongResolution(row, was.reservedAtMs, slot, by, check, setting.rules)
        : []),
      ...(was?.verified === null && row.verified !== null
        ? wrongVerification(row, was.reservedAtMs, by, check, setting.rules)
        : []),
      ...(by === index && before.gone[image] === null ? wrongSince(row, slot) : []),
    ];
    problems.push(...complaints.map((text) => falsehood(`the row ${row.id} ${text}`)));
  }
  for (const [image, by] of after.gone.entries()) {
    const isEntered = by === null || by < 0 || after.ledger.rows.some(({ id }) => id === names[by]);
    if (!isEntered) problems.push(falsehood(`${images[image]} was deleted by ${names[by]}, which has no row`));
  }
  return [...problems, ...passedBudgets(after, setting)];
}

/** For an unknown outcome that became final without its own settlement. */
function wrongResolution(
  { outcome, confirmed }: Row,
  reservedAtMs: number,
  { isSeenAfter }: Slot,
  by: Gone,
  check: EndedCheck | null,
  rules: Rules,
): string[] {
  if (outcome === 'deleted') {
    if (confirmed !== false) return [`is confirmed ${confirmed}, but Baidu confirmed nothing`];
    return by === null ? ['says that the image is gone, but it exists'] : [];
  }
  if (outcome !== 'not_deleted') return [`has become ${outcome} without its request`];
  if (!isSeenAfter) return ['says that the image exists, but no check found it after the request was over'];
  if (check === null) return [];
  const isLast = check.beganAtMs >= reservedAtMs + lastMs(rules);
  return check.seen === 'found' && isLast
    ? []
    : ['says that the image exists, but its last planned check did not find it'];
}

function wrongVerification(
  { verified, outcome }: Row,
  reservedAtMs: number,
  by: Gone,
  check: EndedCheck | null,
  rules: Rules,
): string[] {
  if (outcome !== 'deleted') return [`is ${outcome} and verified`];
  if (check === null) return ['is verified without a check'];
  if (check.isOtherAccount) return ['is verified by a check with another account'];
  if (check.beganAtMs < reservedAtMs + rules.overMs)
    return ['is verified by a check that began before its request was over'];
  if (verified === true) return by === null ? ['is verified, but the image exists'] : [];
  const isLast = check.beganAtMs >= reservedAtMs + lastMs(rules);
  return check.seen === 'found' && isLast ? [] : ['is disproved, but its last planned check did not find the image'];
}

/** What is false in the row of a deletion that takes effect just now. After a check has found the image, no row can show what Baidu does. */
function wrongSince({ outcome }: Row, { isSeenAfter }: Slot): string[] {
  if (outcome === 'rejected' || outcome === 'not_attempted') return [`says ${outcome}, but its deletion takes effect`];
  if (outcome === 'already_absent') return ['says that the image was absent, but its deletion takes effect'];
  return outcome === 'not_deleted' && !isSeenAfter ? ['says not_deleted, but its deletion takes effect'] : [];
}

/** Counts the images that we deleted, except those whose row says `not_deleted`, which `wrongResolution` judges. */
function passedBudgets({ gone, ledger }: State, { specs, budgets, names, images }: Setting): Problem[] {
  const deleters = gone.flatMap((by) => {
    const row = by === null || by < 0 ? undefined : ledger.rows.find(({ id }) => id === names[by]);
    const spec = by === null ? undefined : specs[by];
    return row === undefined || spec === undefined || row.outcome === 'not_deleted' ? [] : [spec.caller];
  });
  const problems: Problem[] = [];
  if (deleters.length > budgets.account) {
    problems.push({
      invariant: 'budget',
      text: `${deleters.length} of ${images.length} images are deleted, ${budgets.account} allowed`,
    });
  }
  for (const caller of new Set(deleters)) {
    const deleted = deleters.filter((each) => each === caller).length;
    if (deleted > budgets.caller) {
      problems.push({
        invariant: 'budget',
        text: `${deleted} images are deleted by ${caller}, ${budgets.caller} allowed`,
      });
    }
  }
  return problems;
}
