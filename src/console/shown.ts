/**
 * Formats values for display.
 *
 * Promises: every character of a text is visible, and none changes the direction of its surroundings; an invalid time is shown as is.
 * Never: uses `Intl`, which throws if the browser reports an invalid locale, such as `en-US@posix`.
 *
 * Source: UTS #36 §2.3 and §2.10 (bidirectional and default-ignorable characters).
 */

/** Control, format and unassigned characters, and spaces other than U+0020. */
const HIDDEN = /\p{C}|\p{Default_Ignorable_Code_Point}|\p{Zl}|\p{Zp}|(?! )\p{Zs}/gu;

/** The text with each hidden character as its code point, such as `\u{202E}`. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) => `\\u{${character.codePointAt(0)?.toString(16).toUpperCase()}}`);
}

/** A time at an offset from UTC, such as `2026-11-25 08:09:10`. */
export function timeAt(ms: number, offsetMinutes: number): string {
  return new Date(ms + offsetMinutes * 60_000).toISOString().slice(0, 19).replace('T', ' ');
}

/** A time in UTC and, if different, in the machine's time zone. `offsetMinutes` is east of UTC. */
export function timesOf(iso: string, offsetMinutes: (date: Date) => number): { utc: string; local: string | null } {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return { utc: visible(iso), local: null };
  const offset = offsetMinutes(date);
  return { utc: timeAt(date.getTime(), 0), local: offset === 0 ? null : timeAt(date.getTime(), offset) };
}

/** The value of a date-time field as UTC; `null` if it is invalid, `undefined` if it is blank. */
export function utcOf(field: string): string | null | undefined {
  if (field === '') return undefined;
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?$/.test(field) && !Number.isNaN(Date.parse(`${field}Z`))
    ? new Date(`${field}Z`).toISOString()
    : null;
}
