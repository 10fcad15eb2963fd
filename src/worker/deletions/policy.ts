/**
 * Who may delete which image, beyond scopes: protection, names, the kill switch, and the state of the image.
 *
 * Promises: pure; deny beats allow; preview and deletion call the same functions, so they cannot disagree.
 */
import type { Image } from '../baidu/images.ts';
import type { Caller } from '../callers/caller.ts';
import { matches, type Protection, protects } from '../callers/name-pattern.ts';
import type { ImageId } from '../image-id.ts';
import type { Failure } from '../problems/failure.ts';

export interface Policy {
  readonly deletionsEnabled: boolean;
  /** Compared without case, because Baidu does not document how it compares ids. */
  readonly protectedImages: ReadonlySet<string>;
  readonly protectedNames: readonly Protection[];
}

/** What forbids the deletion before the image is read. */
export function blockedBeforeRead(policy: Policy, imageId: ImageId): Failure[] {
  const blockers: Failure[] = [];
  if (!policy.deletionsEnabled) blockers.push({ code: 'deletions_disabled' });
  if (isProtected(policy, imageId)) blockers.push({ code: 'image_protected', imageId, by: 'id' });
  return blockers;
}

function isProtected({ protectedImages }: Policy, imageId: ImageId): boolean {
  const id = imageId.toLowerCase();
  return [...protectedImages].some((each) => each.toLowerCase() === id);
}

/** Whether a rule needs the image's name, which costs a call to Baidu. */
export function needsName(policy: Policy, caller: Caller, expectName: string | null): boolean {
  return policy.protectedNames.length > 0 || caller.names !== null || expectName !== null;
}

/** What forbids the deletion by the image's name. */
export function blockedByName(policy: Policy, caller: Caller, image: Image, expectName: string | null): Failure[] {
  const { id: imageId, name } = image;
  const blockers: Failure[] = [];
  if (policy.protectedNames.some((protection) => protects(protection, name))) {
    blockers.push({ code: 'image_protected', imageId, by: 'name' });
  }
  if (caller.names !== null && !caller.names.some((pattern) => matches(pattern, name))) {
    blockers.push({ code: 'permission_denied', missing: 'name' });
  }
  if (expectName !== null && expectName !== name) blockers.push({ code: 'precondition_failed', imageId });
  return blockers;
}

/** What Baidu would refuse because of the image's state. Only the preview uses it; a deletion leaves it to Baidu. */
export function blockedByState(image: Image, sharedWith: number | null): Failure[] {
  const { id: imageId, type, status } = image;
  // The same codes as for Baidu's refusals, because their sentences say what to do.
  const refused = {
    imageId,
    call: 'deletion',
    outcome: 'rejected',
    upstream: undefined,
    retryAfterS: undefined,
  } as const;
  const blockers: Failure[] = [];
  if (!isCustom(type)) blockers.push({ code: 'image_not_custom', ...refused });
  if (isCustom(type) && status === 'Creating') blockers.push({ code: 'image_creating', ...refused });
  if (sharedWith !== null && sharedWith > 0) blockers.push({ code: 'image_shared', ...refused });
  return blockers;
}

/** `Custom`, or a variant for other machines such as `BbcCustom`. */
export function isCustom(type: string): boolean {
  return type.endsWith('Custom');
}
