/**
 * How values are shown.
 *
 * Promises: every character of a text can be seen, and none changes the direction of its surroundings; a time that is none is shown as
 * it is. Never: uses `Intl`, which throws where the browser names a locale that is none, such as `en-US@posix`.
 *
 * Source: UTS #36 §2.3 and §2.10 (bidirectional and default-ignorable characters).
 */

/** Control and format characters, what is not assigned, and blanks other than the space. */
const HIDDEN = /\p{C}|\p{Default_Ignorable_Code_Point}|\p{Zl}|\p{Zp}|(?! )\p{Zs}/gu;

/** The text with each hidden character as its number, such as `\u{202E}`. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) => `\\u{${character.codePointAt(0)?.toString(16).toUpperCase()}}`);
}

/** A time at an offset from UTC, such as `2026-11-25 08:09:10`. */
export function timeAt(ms: number, offsetMinutes: number): string {
  return new Date(ms + offsetMinutes * 60_000).toISOString().slice(0, 19).replace('T', ' ');
}

/** A time in UTC and, where that is another, by the clock of this machine. `offsetMinutes` is east of UTC. */
export function timesOf(iso: string, offsetMinutes: (date: Date) => number): { utc: string; local: string | null } {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return { utc: visible(iso), local: null };
  const offset = offsetMinutes(date);
  return { utc: timeAt(date.getTime(), 0), local: offset === 0 ? null : timeAt(date.getTime(), offset) };
}

/** What a field for date and time has, read as UTC; `null` if that is none, and `undefined` if the field is blank. */
export function utcOf(field: string): string | null | undefined {
  if (field === '') return undefined;
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?$/.test(field) && !Number.isNaN(Date.parse(`${field}Z`))
    ? new Date(`${field}Z`).toISOString()
    : null;
}
