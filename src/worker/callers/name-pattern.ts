/**
 * Patterns of image names, in which `*` stands for any characters or none.
 *
 * Promises: a pattern is matched over the entire name, in time bounded by the lengths of both. What grants is matched exactly, and
 * what protects is matched whatever the case and the Unicode form, so that doubt protects.
 *
 * Source: Unicode Standard Annex #15 (normalization forms), Unicode Standard §3.13 (caseless matching).
 */
export type NamePattern = string;
/** A pattern that protects: the texts between its stars, folded. */
export type Protection = readonly string[];

const MAX_CHARS = 128;
/** Image names have letters of any script, digits, spaces and `-_/.`; a wildcard of another language would match nothing. */
const NAME_PATTERN = /^[\p{L}*][\p{L}\p{M}\p{N} *_/.-]*$/u;
export const NAME_PATTERN_RULE = `name patterns of 1 to ${MAX_CHARS} letters, digits, spaces, "-", "_", "/", "." and "*", the first a letter or "*"`;

const ASCII = /^[ -~]*$/;
/** Also behind other marks, such as a dot below. */
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
 * The text without its case, its Unicode form, and the dot that Turkish puts on an i. `toLowerCase` of the entire text would not do: it
 * writes a capital sigma in two ways, by what follows. So each code point goes to upper and to lower case by itself, once ligatures and
 * the like are taken apart. A capital sharp s stays one letter on the way up, and a dotted capital I leaves its dot on the way down.
 */
export function folded(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  const upper = Array.from(text.normalize('NFKC'), (char) => char.toUpperCase()).join('');
  const lower = Array.from(upper, (char) => char.toLowerCase()).join('');
  return lower.normalize('NFKD').replaceAll('ß', 'ss').replace(DOT_ON_I, '').normalize('NFKC');
}

/**
 * Whether the name begins with the first of `texts`, ends with the last, and has the others between in their order. Those are looked for
 * from left to right, each at the first place. A later place never helps, so nothing is tried twice.
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
