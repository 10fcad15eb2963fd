/**
 * The client's complete contract, as a caller would write it.
 *
 * It is compiled against the types that the package brings, on each platform. A missing type would silently be `any`,
 * which `same` rejects.
 */
import {
  type DeletionBody,
  type DeletionJson,
  ImageGateway,
  ImageGatewayError,
  LostAnswerError,
  NotSentError,
  type PreviewBody,
  type ProblemBody,
  type ProblemCode,
  ProblemError,
  type Readiness,
  type RowOutcome,
} from 'bcc-image-gateway-client';
import { FakeGateway } from 'bcc-image-gateway-client/testing';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(isSame: Same<A, B>): boolean => isSame;

export const clients = [
  new ImageGateway({ baseUrl: 'https://images.test', token: 'key', retries: 2, patienceMs: 60_000 }),
  new ImageGateway({ baseUrl: 'https://images.test', token: async () => 'key' }),
  new ImageGateway({ fetch: (input, init) => fetch(input, init) }),
  new ImageGateway({ fetch }),
];

export async function useAll(images: ImageGateway, signal: AbortSignal): Promise<string> {
  const deleted = await images.deleteImage('m-custom01', {
    allowMissing: true,
    expectName: 'ci-1',
    requestId: 'job-1',
    signal,
  });
  same<typeof deleted, DeletionBody>(true);
  same<typeof deleted.outcome, 'deleted' | 'already_absent'>(true);
  same<typeof deleted.confirmed, boolean>(true);
  same<typeof deleted.upstreamRequestId, string | null>(true);

  const preview = await images.previewImage('m-custom01', { signal });
  same<typeof preview, PreviewBody>(true);
  same<typeof preview.deletable, boolean | null>(true);
  same<(typeof preview.blockers)[number]['code'], ProblemCode>(true);

  const row = await images.deletion('job-1');
  same<typeof row, DeletionJson | null>(true);
  const filter = {
    imageId: 'm-custom01',
    outcome: 'unknown',
    since: new Date(),
    until: '2026-11-25T08:00:00Z',
  } as const;
  for await (const each of images.deletions({ ...filter, caller: 'ci-cleaner' })) {
    same<typeof each, DeletionJson>(true);
    same<typeof each.outcome, RowOutcome>(true);
  }

  const readiness = await images.readiness({ signal });
  same<typeof readiness, Readiness>(true);
  same<typeof readiness.keepsRequestId, boolean>(true);
  return deleted.requestId;
}

/** A test of a caller. */
export async function fake(): Promise<readonly DeletionJson[]> {
  const gateway = new FakeGateway();
  gateway
    .nextFails('upstream_timeout', { outcome: 'unknown', finally: 'deleted' })
    .nextSucceeds('already_absent')
    .nextIsLost();
  const images = new ImageGateway({ fetch: gateway.fetch });
  await images.deleteImage('m-custom01');
  // @ts-expect-error: the codes are a closed set
  gateway.nextFails('image_on_holiday');
  return gateway.rows;
}

/** What to do about a failure. */
export function advise(error: unknown): string {
  if (error instanceof ProblemError) {
    same<typeof error.code, ProblemCode | null>(true);
    same<typeof error.problem, ProblemBody | null>(true);
    same<typeof error.retryable, boolean>(true);
    switch (error.code) {
      case 'image_shared':
        return 'stop sharing it';
      // @ts-expect-error: the codes are a closed set
      case 'image_on_holiday':
        return 'never';
      default:
        return `${error.outcome} ${error.requestId}`;
    }
  }
  if (error instanceof LostAnswerError) {
    same<typeof error.outcome, 'unknown'>(true);
    return `ask for ${error.requestId}`;
  }
  if (error instanceof NotSentError) same<typeof error.outcome, 'not_attempted'>(true);
  return error instanceof ImageGatewayError ? error.outcome : 'a bug';
}

export const refused = (images: ImageGateway) => [
  // @ts-expect-error: an unknown option
  images.deleteImage('m-custom01', { dryRun: true }),
  // @ts-expect-error: a string in place of a boolean
  images.deleteImage('m-custom01', { allowMissing: 'true' }),
  // @ts-expect-error: an unknown outcome
  images.deletions({ outcome: 'gone' }),
];
