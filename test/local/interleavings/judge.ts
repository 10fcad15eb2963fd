/**
 * Holds what rows and answers say, and what is sent, against the record of what Baidu did.
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

/** What the judge knows of a scenario. */
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
 * What is false in the words with which a request ends. `answer`: Baidu's last one. `by`: who has deleted the image, or `null` if
 * it is there.
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
  // Nobody has seen the code, so what follows from the status is a guess, and says so by `confirmed: false`.
  const isGuess = answer === 'absent, unlisted';
  switch (outcome) {
    case 'deleted':
      if (!isOfFirst && confirmed === true)
        return answer === 'done' ? [] : ['says that Baidu deleted it, and Baidu did not say so'];
      if (!isOfFirst && !isSent) return ['says that it was deleted, and no deletion was sent'];
      // The outcome of the first request may be repeated: Baidu said so then.
      return by === null && !(isGuess && isOfFirst) ? ['says that it is gone, and it is there'] : [];
    case 'already_absent':
      if (confirmed === true && isGuess) return ['says that Baidu has no such image, by a code that nobody has seen'];
      if (by === null && !isGuess) return ['says that it was absent, and it is there'];
      if (by === 'this') return ['says that it was absent, and this very request deleted it'];
      return isSent && noticesRepeats ? ['says that it was absent, and it was there before'] : [];
    case 'rejected':
      return by === 'this' || mayActLate ? ['says that nothing was done, and something was or may be'] : [];
    case 'not_attempted':
      return isSent ? ['says that nothing was sent, and a deletion was'] : [];
    case 'unknown':
      return answer === 'done' ? ['says that it does not know, and Baidu has said so'] : [];
    default:
      return [`has the outcome ${outcome}`];
  }
}

/** What a refusal answers wrongly, and whether it had a reason. */
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

/** Whether a deletion may be sent now. */
export function wrongSend(
  { nowMs, ledger, slots }: State,
  index: number,
  { reservedAtMs }: Slot,
  setting: Setting,
): Problem[] {
  const { specs, rules, names } = setting;
  const wrong: string[] = [];
  if (nowMs - reservedAtMs >= rules.overMs) wrong.push('a DELETE is sent when its request is over');
  if (!ledger.rows.some(({ id }) => id === names[index])) wrong.push('a DELETE is sent that has no row');
  for (const [at, other] of slots.entries()) {
    if (at === index || specs[at]?.image !== specs[index]?.image || other.phase === 'idle') continue;
    const mayRun = other.attempt !== null || nowMs - other.reservedAtMs < rules.overMs;
    if (isAlive(other) && mayRun) wrong.push(`a DELETE is sent while ${names[at]} may run`);
    const row = ledger.rows.find(({ id }) => id === names[at]);
    const isUndecided = row?.outcome === 'unknown' && !other.isSeenAfter;
    if (isUndecided && reservedAtMs < row.reservedAtMs + lastMs(rules)) {
      wrong.push(`a DELETE is sent while the planned checks of ${names[at]} are not over and none has found the image`);
    }
  }
  return wrong.map((text) => ({ invariant: 'lock', text }));
}

/** What is false in the rows after an event, and whether a budget is passed. `check`: the one that the event has applied. */
export function wrongRows(before: State, after: State, check: EndedCheck | null, setting: Setting): Problem[] {
  const { names, images } = setting;
  const problems: Problem[] = [];
  for (const row of after.ledger.rows) {
    const index = names.indexOf(row.id);
    const slot = after.slots[index];
    if (slot === undefined) throw new Error(`The row ${row.id} is of no deletion.`);
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

/** An unknown outcome has become final without its own settlement. */
function wrongResolution(
  { outcome, confirmed }: Row,
  reservedAtMs: number,
  { isSeenAfter }: Slot,
  by: Gone,
  check: EndedCheck | null,
  rules: Rules,
): string[] {
  if (outcome === 'deleted') {
    if (confirmed !== false) return [`is confirmed ${confirmed}, and Baidu has confirmed nothing`];
    return by === null ? ['says that the image is gone, and it is there'] : [];
  }
  if (outcome !== 'not_deleted') return [`has become ${outcome} without its request`];
  if (!isSeenAfter) return ['says that the image is there, and nothing has found it after the request was over'];
  if (check === null) return [];
  const isLast = check.beganAtMs >= reservedAtMs + lastMs(rules);
  return check.seen === 'found' && isLast
    ? []
    : ['says that the image is there, and its last planned check has not said so'];
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
  if (check.isOtherAccount) return ['is verified by a check of another account'];
  if (check.beganAtMs < reservedAtMs + rules.overMs)
    return ['is verified by a check that began before its request was over'];
  if (verified === true) return by === null ? ['is verified, and the image is there'] : [];
  const isLast = check.beganAtMs >= reservedAtMs + lastMs(rules);
  return check.seen === 'found' && isLast ? [] : ['is disproved, and its last planned check has not found the image'];
}

/** What a row says of its deletion, which takes effect just now. What Baidu does after a check that has found the image is not seen. */
function wrongSince({ outcome }: Row, { isSeenAfter }: Slot): string[] {
  if (outcome === 'rejected' || outcome === 'not_attempted') return [`says ${outcome}, and its deletion takes effect`];
  if (outcome === 'already_absent') return ['says that the image was absent, and its deletion takes effect'];
  return outcome === 'not_deleted' && !isSeenAfter ? ['says not_deleted, and its deletion takes effect'] : [];
}

/** Counts the images that we have deleted, without those whose row says `not_deleted`: `wrongResolution` judges that. */
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
