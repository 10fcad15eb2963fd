/**
 * One check of an image for the ledger.
 *
 * Promises: sends Baidu one read, and reports no more than the response proves. Never: throws because of Baidu.
 */
import type { ImageCheck } from '../baidu/images.ts';
import { isImageId } from '../image-id.ts';
import type { Check } from '../ledger/schedule.ts';
import type { Runtime } from '../runtime.ts';
import type { Gateway } from './gateway.ts';
import { logUnlistedCode } from './upstream.ts';

/** Reads the image. A malformed id is a failed check; no release has ever stored one. */
export async function checkImage(
  { images, keyFingerprint }: Pick<Gateway, 'images' | 'keyFingerprint'>,
  imageId: string,
  runtime: Pick<Runtime, 'now' | 'log'>,
): Promise<Check> {
  const beganAtMs = runtime.now();
  const check: ImageCheck = isImageId(imageId) ? await images.check(imageId) : { seen: 'failed', unlistedCode: null };
  const unlistedCode = check.seen === 'failed' ? check.unlistedCode : null;
  logUnlistedCode(runtime, { imageId }, unlistedCode);
  return { finding: findingOf(check), unlistedAbsence: unlistedCode !== null, beganAtMs, keyFingerprint };
}

/** An image with an undocumented status may be about to disappear, so it proves nothing. */
function findingOf(check: ImageCheck): Check['finding'] {
  return check.seen === 'found' && !check.isDocumented ? 'failed' : check.seen;
}
