/**
 * Baidu's answers, one of each kind that the code must tell apart.
 *
 * Source: https://cloud.baidu.com/doc/BCC/s/Sjwvynt2u (DELETE), /ajwvynv78 (GET), /Ojwvyo6nc (errors).
 */
import { catalogue, imageModel } from '../../emulator/catalogue.ts';
import { failure } from '../../emulator/emulator.ts';

const UPSTREAM_ID = 'up-1';

/** Answers to a deletion. `lost`: the connection ends without one. */
export const DELETE_ANSWERS = {
  done: () => new Response(null, { status: 200, headers: { 'x-bce-request-id': UPSTREAM_ID } }),
  absent: () => failure(404, 'NoSuchObject', 'The specified object is not found.', UPSTREAM_ID),
  'absent, something else': () => failure(404, 'UserNotExist', 'The user does not exist.', UPSTREAM_ID),
  'absent, unlisted': () => failure(404, 'Image.IsOnHoliday', 'Come back later.', UPSTREAM_ID),
  refused: () => failure(409, 'Image.ImageHasBeenSharedToOthers', 'The image is shared.', UPSTREAM_ID),
  throttled: () => failure(429, 'TooManyRequests', 'Slow down.', UPSTREAM_ID, { 'retry-after': '1' }),
  error: () => failure(500, 'InternalError', 'Internal error.', UPSTREAM_ID),
  garbled: () => new Response('<html>', { status: 200, headers: { 'x-bce-request-id': UPSTREAM_ID } }),
  lost: null,
} as const satisfies Answers;
export type DeleteAnswer = keyof typeof DELETE_ANSWERS;

/** Answers to the read of an image. `undocumented`: the image's status is undocumented. */
export const READ_ANSWERS = {
  found: (id) => found(id, 'Available'),
  undocumented: (id) => found(id, 'Deleting'),
  absent: DELETE_ANSWERS.absent,
  'absent, something else': DELETE_ANSWERS['absent, something else'],
  'absent, unlisted': DELETE_ANSWERS['absent, unlisted'],
  error: DELETE_ANSWERS.error,
} as const satisfies Answers;
export type ReadAnswer = keyof typeof READ_ANSWERS;

type Answers = Readonly<Record<string, ((imageId: string) => Response) | null>>;

/** The name that every image has. */
export const IMAGE_NAME = 'ci-build-1842';

function found(id: string, status: string): Response {
  const [image] = catalogue();
  if (image === undefined) throw new Error('The catalogue is empty.');
  const body = { image: { ...imageModel(image), id, name: IMAGE_NAME, status } };
  return Response.json(body, { headers: { 'x-bce-request-id': UPSTREAM_ID } });
}
