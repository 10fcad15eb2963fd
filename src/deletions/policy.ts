/**
 * Who may delete which image, beyond scopes: protection, names, the kill switch, and what an image's own state forbids.
 *
 * Promises: pure; deny beats allow; preview and deletion ask the same functions, so they cannot disagree. A pattern is
 * matched exactly, case-sensitively and over the whole name, in time bounded by the lengths of both, which are capped.
 * Never: reads anything, or guesses where it was not told.
 */
import type { Image, ImageId } from '../baidu/images.ts';
import type { Caller } from '../callers/table.ts';
import type { Failure } from '../problems/table.ts';

export interface Policy {
  readonly deletionsEnabled: boolean;
  readonly protectedImages: ReadonlySet<string>;
  /** Patterns in which `*` stands for any characters, or none. */
  readonly protectedNames: readonly string[];
}

/** What forbids the deletion without a look at the image. */
export function blockedBeforeRead(policy: Policy, imageId: ImageId): Failure[] {
  const blockers: Failure[] = [];
  if (!policy.deletionsEnabled) blockers.push({ code: 'deletions_disabled' });
  if (policy.protectedImages.has(imageId)) blockers.push({ code: 'image_protected', imageId, by: 'id' });
  return blockers;
}

/** Whether a rule asks for the image's name. Only then is it worth a call to Baidu. */
export function needsName(policy: Policy, caller: Caller, expectName: string | null): boolean {
  return policy.protectedNames.length > 0 || caller.names !== null || expectName !== null;
}

/** What forbids the deletion by the image's name. */
export function blockedByName(policy: Policy, caller: Caller, image: Image, expectName: string | null): Failure[] {
  const { id: imageId, name } = image;
  const blockers: Failure[] = [];
  if (policy.protectedNames.some((pattern) => matches(pattern, name))) {
    blockers.push({ code: 'image_protected', imageId, by: 'name' });
  }
  if (caller.names !== null && !caller.names.some((pattern) => matches(pattern, name))) {
    blockers.push({ code: 'permission_denied', missing: 'name' });
  }
  if (expectName !== null && expectName !== name) blockers.push({ code: 'precondition_failed', imageId });
  return blockers;
}

/** What Baidu would refuse by the image's state: for the preview alone, since at a deletion Baidu itself is asked. */
export function blockedByState(image: Image, sharedWith: number | null): Failure[] {
  const { id: imageId, type, status } = image;
  const refused = { imageId, outcome: 'not_attempted', upstream: undefined, retryAfterS: undefined } as const;
  const blockers: Failure[] = [];
  if (!isCustom(type)) blockers.push({ code: 'image_not_custom', ...refused });
  if (isCustom(type) && status === 'Creating') blockers.push({ code: 'image_creating', ...refused });
  if (sharedWith !== null && sharedWith > 0) blockers.push({ code: 'image_shared', ...refused });
  return blockers;
}

/** `Custom`, and its kin for other machines such as `BbcCustom`. */
export function isCustom(type: string): boolean {
  return type.endsWith('Custom');
}

/**
 * Whether `pattern` matches the whole of `name`. The parts between the stars are looked for from left to right, the first
 * place each: a later place never helps, so nothing is tried twice and no pattern can make it backtrack.
 */
export function matches(pattern: string, name: string): boolean {
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
