/**
 * Formats text for a terminal, a shell and a pipe.
 *
 * Promises: output cannot control a terminal or reverse text, and any pipe passes it unchanged.
 */

/** Escapes characters that control a terminal or are invisible, except line ends. */
export function printable(text: string): string {
  return text.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

/** JSON in ASCII only: how a pipe treats other characters depends on the machine. PowerShell 5 turns them into `?`. */
export function asciiJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(/[\x7f-\uffff]/g, escaped);
}

function escaped(text: string): string {
  const units = Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

/** A word quoted for a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** `1 row`, `2 rows`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** One line per text. */
export function bulleted(texts: readonly string[], beginning = ''): string {
  return texts.map((text) => `  - ${beginning}${text}\n`).join('');
}
