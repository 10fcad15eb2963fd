/** The sentences about Baidu's failures, for each call and each outcome. */
import { describe, expect, it } from 'vitest';
import { detailOf, type Failure } from '../../../src/worker/problems/failure.ts';

describe('the detail of a failure at Baidu', () => {
  const facts = { imageId: 'm-custom01', upstream: undefined, retryAfterS: undefined } as const;
  const upstream = { ...facts, call: 'deletion' } as const;
  const preview = { ...upstream, call: 'preview' } as const;
  const probe = { ...upstream, call: 'probe' } as const;
  const never = 'No deletion of m-custom01 was sent.';
  const undescribed = 'Baidu did not describe m-custom01.';
  const unprobed = "It is not known whether Baidu accepts the gateway's credential.";
  const unknown = 'It is not known yet whether m-custom01 was deleted.';

  it.each<[Failure, string]>([
    [{ ...upstream, code: 'upstream_unexpected', outcome: 'not_attempted' }, never],
    [{ ...upstream, code: 'upstream_unexpected', outcome: 'unknown' }, unknown],
    [
      { ...upstream, code: 'upstream_unexpected', outcome: 'rejected' },
      'Baidu refused to delete m-custom01 for a reason that is not documented.',
    ],
    [{ ...upstream, code: 'upstream_error', outcome: 'not_attempted' }, never],
    [{ ...upstream, code: 'upstream_error', outcome: 'unknown' }, unknown],
    [{ ...upstream, code: 'upstream_timeout', outcome: 'not_attempted' }, never],
    [{ ...upstream, code: 'upstream_timeout', outcome: 'unknown' }, unknown],
    [{ ...preview, code: 'upstream_unexpected', outcome: 'not_attempted' }, undescribed],
    [{ ...preview, code: 'upstream_error', outcome: 'not_attempted' }, undescribed],
    [{ ...preview, code: 'upstream_timeout', outcome: 'not_attempted' }, undescribed],
    [{ ...probe, code: 'upstream_unexpected', outcome: 'not_attempted' }, unprobed],
    [{ ...probe, code: 'upstream_error', outcome: 'not_attempted' }, unprobed],
    [{ ...probe, code: 'upstream_timeout', outcome: 'not_attempted' }, unprobed],
    [{ ...upstream, code: 'image_shared', outcome: 'unknown' }, unknown],
    [{ ...upstream, code: 'image_creating', outcome: 'unknown' }, unknown],
    [{ ...upstream, code: 'image_not_custom', outcome: 'unknown' }, unknown],
    [{ ...upstream, code: 'upstream_throttled', outcome: 'unknown' }, unknown],
    [
      { ...upstream, code: 'upstream_throttled', outcome: 'not_attempted' },
      'Try again after the number of seconds in Retry-After.',
    ],
    [{ ...upstream, code: 'upstream_rejected_credentials', outcome: 'unknown' }, unknown],
    [
      { ...upstream, code: 'upstream_rejected_credentials', outcome: 'not_attempted' },
      'The fault lies with the gateway. It has been logged.',
    ],
    [
      { ...upstream, code: 'upstream_rejected_credentials', outcome: 'rejected' },
      'The fault lies with the gateway. It has been logged.',
    ],
    [
      {
        ...upstream,
        code: 'image_not_found',
        outcome: 'already_absent',
        listed: true,
        deletedBefore: { at: '2026-11-23T00:00:00.000Z', requestId: null },
      },
      'm-custom01 was deleted, or found gone, at 2026-11-23T00:00:00.000Z for another caller.',
    ],
    [
      { ...upstream, code: 'image_not_found', outcome: 'already_absent', listed: true },
      'Baidu has no image m-custom01 in this region.',
    ],
    [
      { ...upstream, code: 'image_not_found', outcome: 'already_absent', listed: false },
      'Baidu answered 404 for m-custom01, with a code that is not documented.',
    ],
  ])('says of %j: %s', (failure, sentence) => {
    expect(detailOf(failure)).toBe(sentence);
  });
});
