/** The cells of a table of deletions. Promises: every member of a row is in one of its cells or in its details. */
import type { DeletionJson } from '../client/index.ts';
import { swatch } from './chart.ts';
import { type Child, type Entry, element, foreign, listOf } from './dom.ts';
import { timeAt, timesOf } from './shown.ts';
import type { TextKey, Texts } from './texts.ts';

/** The members in a row's details: all that no other cell shows. */
const DETAILS = [
  'requestId',
  'upstreamRequestId',
  'settledAt',
  'resolvedAt',
  'confirmed',
  'verified',
  'attempts',
  'keyFingerprint',
] as const satisfies readonly (keyof DeletionJson)[];

const offsetOf = (date: Date) => -date.getTimezoneOffset();

/** Now, by the clock of this machine. */
export const timeNow = () => timeAt(Date.now(), offsetOf(new Date()));

/** The heading of times, which are shown twice if the machine's clock is not on UTC. */
export const timeHeading = (): TextKey => (offsetOf(new Date()) === 0 ? 'column_time' : 'column_time_local');

/** A time in UTC, and below it in the machine's time zone. */
export function timeCell(iso: string): HTMLElement {
  const { utc, local } = timesOf(iso, offsetOf);
  return withQuiet(element('time', { datetime: iso }, utc), local);
}

/** The image: a button if the caller can preview it. */
export function imageCell({ imageId, imageName }: DeletionJson, canPreview: boolean): HTMLElement {
  const id = foreign(imageId);
  return withQuiet(canPreview ? element('button', { type: 'button', value: imageId }, id) : id, imageName);
}

export function callerCell({ caller, subject }: DeletionJson): HTMLElement {
  return withQuiet(foreign(caller), subject);
}

export function outcomeCell({ outcome, confirmed, verified }: DeletionJson, texts: Texts): HTMLElement {
  const words = [
    ...(confirmed === null ? [] : [texts.say(confirmed ? 'confirmed_true' : 'confirmed_false')]),
    ...(verified === null ? [] : [texts.say(verified ? 'verified_true' : 'verified_false')]),
  ];
  const cell = withQuiet(element('span', {}, swatch(outcome), texts.outcome(outcome)), words.join('; '));
  if (verified === false) cell.classList.add('alarming');
  return cell;
}

/** The row's details, collapsed. */
export function detailsOf(row: DeletionJson, { say }: Texts): HTMLElement {
  const entries = DETAILS.map((name): Entry => {
    const value = row[name];
    // For attempts, `null` means not known; for the others, none.
    if (value === null) return [say(`member_${name}`), name === 'attempts' ? say('unknown_value') : '–'];
    if (typeof value === 'boolean') return [say(`member_${name}`), say(value ? 'yes' : 'no')];
    return [say(`member_${name}`), name.endsWith('At') ? timeCell(String(value)) : foreign(String(value))];
  });
  return element('details', {}, element('summary', {}, say('details')), element('dl', {}, ...listOf(entries)));
}

/** A value with a secondary line below it, if there is one. */
function withQuiet(value: Child, text: string | null): HTMLElement {
  const below = text === null || text === '' ? [] : [element('span', { class: 'quiet below' }, foreign(text))];
  return element('div', {}, value, ...below);
}
