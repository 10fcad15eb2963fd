/**
 * Patterns of image names, in which `*` stands for any characters or none.
 *
 * Promises: a pattern is matched over the whole name, in time bounded by the lengths of both. What grants is matched exactly, and
 * what protects is matched whatever the case and the Unicode form, so that doubt protects.
 */
export type NamePattern = string;

const MAX_CHARS = 128;
/** Image names have letters of any script, digits, spaces and `-_/.`; a wildcard of another language would match nothing. */
const NAME_PATTERN = /^[\p{L}*][\p{L}\p{M}\p{N} *_/.-]*$/u;
export const NAME_PATTERN_RULE = `name patterns of 1 to ${MAX_CHARS} letters, digits, spaces, "-", "_", "/", "." and "*", the first a letter or "*"`;

export function isNamePattern(text: string): text is NamePattern {
  return text.length <= MAX_CHARS && text.trim() === text && NAME_PATTERN.test(text);
}

/** Whether a protection matches the whole of `name`, in any case and Unicode form. */
export function protects(pattern: NamePattern, name: string): boolean {
  return matches(folded(pattern), folded(name));
}

function folded(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

/**
 * Whether `pattern` matches the whole of `name`, letter by letter. The parts between the stars are looked for from left to right, each at the
 * first place. A later place never helps, so nothing is tried twice and no pattern can make it backtrack.
 */
export function matches(pattern: NamePattern, name: string): boolean {
  const [head = '', ...parts] = pattern.split('*');
  const tail = parts.pop();
  if (tail === undefined) return name === pattern;
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
