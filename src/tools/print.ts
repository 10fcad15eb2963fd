/**
 * How text is printed for a terminal, a shell and a pipe.
 *
 * Promises: output cannot control a terminal or reverse text, and any pipe passes it unchanged.
 */

/** The text without characters that control a terminal or cannot be seen. Line ends stay. */
export function printable(text: string): string {
  return text.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

/** JSON of ASCII alone: what a pipe does with other characters depends on the machine. PowerShell 5 makes `?` of them. */
export function asciiJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(/[\x7f-\uffff]/g, escaped);
}

function escaped(text: string): string {
  const units = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

/** A word as a POSIX shell takes it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** `1 row`, `2 rows`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** One line for each. */
export function bulleted(texts: readonly string[], beginning = ''): string {
  return texts.map((text) => `  - ${beginning}${text}\n`).join('');
}
