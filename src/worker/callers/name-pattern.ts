/**
 * Patterns for image names, in which `*` matches any number of characters.
 *
 * Promises: a pattern must match the entire name; matching takes time bounded by both lengths. Patterns that grant match exactly.
 * Patterns that protect ignore case and Unicode form, so that doubt protects.
 *
 * Source: Unicode Standard Annex #15 (normalization forms), Unicode Standard §3.13 (caseless matching).
 */
export type NamePattern = string;
/** A pattern that protects: the folded texts between its stars. */
export type Protection = readonly string[];

const MAX_CHARS = 128;
/** Image names have letters of any script, digits, spaces and `-_/.`. A wildcard other than `*` would never match. */
const NAME_PATTERN = /^[\p{L}*][\p{L}\p{M}\p{N} *_/.-]*$/u;
export const NAME_PATTERN_RULE = `name patterns of 1 to ${MAX_CHARS} letters, digits, spaces, "-", "_", "/", "." and "*", starting with a letter or "*"`;

const ASCII = /^[ -~]*$/;
/** Also after other marks, such as a dot below. */
const DOT_ON_I = /(?<=i\p{M}*)\u0307/gu;

export function isNamePattern(text: string): text is NamePattern {
  return text.length <= MAX_CHARS && text.trim() === text && NAME_PATTERN.test(text);
}

export function protectionOf(pattern: NamePattern): Protection {
  return pattern.split('*').map(folded);
}

/** Whether a protection matches all of `name`, in any case and Unicode form. */
export function protects(protection: Protection, name: string): boolean {
  return matchesAll(protection, folded(name));
}

/** Whether `pattern` matches all of `name`, letter by letter. */
export function matches(pattern: NamePattern, name: string): boolean {
  return matchesAll(pattern.split('*'), name);
}

/**
 * Removes differences of case and Unicode form, and the dot of the Turkish i. `toLowerCase` on the entire text is not enough: it
 * lowers a capital sigma in two ways, depending on what follows. So ligatures are decomposed, then each code point is raised and
 * lowered by itself. That leaves a capital sharp s and the dot of a dotted capital I, which the last line removes.
 */
export function folded(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  const upper = Array.from(text.normalize('NFKC'), (char) => char.toUpperCase()).join('');
  const lower = Array.from(upper, (char) => char.toLowerCase()).join('');
  return lower.normalize('NFKD').replaceAll('ß', 'ss').replace(DOT_ON_I, '').normalize('NFKC');
}

/**
 * Whether the name starts with the first of `texts`, ends with the last, and has the others in between, in order. Each is searched for
 * from left to right. The first match is always as good as a later one, so there is no backtracking.
 */
function matchesAll(texts: readonly string[], name: string): boolean {
  const [head = '', ...parts] = texts;
  const tail = parts.pop();
  if (tail === undefined) return name === head;
  if (!name.startsWith(head) || !name.endsWith(tail) || name.length < head.length + tail.length) return false;
  const middle = name.slice(head.length, name.length - tail.length);
  let from = 0;
  for (const part of parts) {
    const at = middle.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return true;
}
