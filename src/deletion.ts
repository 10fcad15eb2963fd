/**
 * One deletion, from a checked request to what is known of the image.
 *
 * Promises: the result is a success or a failure of the closed table, never an exception for anything Baidu does.
 * Never: knows HTTP beyond what a failure carries.
 */
import { type Bcc, type DeleteResult, deleteImage, type ImageId } from './bce/images.ts';
import type { Failure } from './problem.ts';

export interface DeletionRequest {
  readonly imageId: ImageId;
  /** An absent image is a success. */
  readonly allowMissing: boolean;
}

export type Deletion =
  | { readonly outcome: 'deleted' | 'already_absent'; readonly result: DeleteResult }
  | { readonly failure: Failure; readonly result: DeleteResult };

/** Deletes the image. Irreversible. @throws only on a bug */
export async function runDeletion(bcc: Bcc, { imageId, allowMissing }: DeletionRequest): Promise<Deletion> {
  const result = await deleteImage(bcc, imageId);
  if (result.code === 'deleted') return { outcome: 'deleted', result };
  if (result.code === 'image_not_found' && allowMissing) return { outcome: 'already_absent', result };
  const { code, outcome, answer } = result;
  const upstream = answer && { status: answer.status, code: answer.code ?? null, requestId: answer.requestId ?? null };
  return { failure: { code, imageId, outcome, upstream, retryAfterS: answer?.retryAfterS }, result };
}
