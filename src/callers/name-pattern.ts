/**
 * Patterns of image names, in which `*` stands for any characters or none.
 *
 * Promises: a pattern is matched exactly, case included, over the whole name, in time bounded by the lengths of both.
 */
export type NamePattern = string;

const MAX_CHARS = 128;
export const NAME_PATTERN_RULE = `name patterns of 1 to ${MAX_CHARS} characters, without space around them`;

export function isNamePattern(text: string): text is NamePattern {
  return text.length >= 1 && text.length <= MAX_CHARS && text.trim() === text;
}

/**
 * Whether `pattern` matches the whole of `name`. The parts between the stars are looked for from left to right, each at the
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
