/** A failure as the body of an answer. */
import { describe, expect, it } from 'vitest';
import { isImageId } from '../../../src/worker/image-id.ts';
import { type Failure, outcomeOf, PROBLEMS } from '../../../src/worker/problems/failure.ts';
import { problemBody } from '../../../src/worker/problems/problem.ts';
import { createHarness, problemOf } from '../../harness.ts';

const context = { origin: 'https://gateway.test', instance: '/images/m-custom01', requestId: 'r' };

const OPEN = { id: 'id-1', caller: 'cleaner', requestId: 'job-1' };

describe('the detail of a problem', () => {
  const imageId = 'm-custom01';
  if (!isImageId(imageId)) throw new Error('not an image id');
  const upstream = { imageId, call: 'deletion', upstream: undefined, retryAfterS: undefined } as const;
  it.each<[Failure, string]>([
    [{ code: 'internal_error', outcome: 'not_attempted' }, 'No deletion was sent to Baidu.'],
    [{ code: 'internal_error', outcome: 'unknown' }, 'It is not known yet whether the image was deleted.'],
  ])('claims no more than is known for %j', (failure, sentence) => {
    expect(problemBody(failure, context)).toMatchObject({ outcome: outcomeOf(failure), detail: sentence });
  });

  it('is one complete sentence, and a different one for each failure', () => {
    const failures: Failure[] = [
      { code: 'invalid_image_id', rule: 'x' },
      { code: 'unauthenticated' },
      { code: 'route_not_found' },
      { code: 'deletions_disabled' },
      { code: 'ledger_unavailable' },
      { code: 'rate_limiter_unavailable' },
      { code: 'invalid_request', fault: 'unknown_parameter' },
      { code: 'invalid_request', fault: 'repeated_parameter' },
      { code: 'invalid_request', fault: 'unexpected_body' },
      { code: 'invalid_request', fault: { parameter: 'limit', rule: 'a whole number' } },
      { code: 'permission_denied', missing: 'name' },
      { code: 'permission_denied', missing: 'no_browser' },
      { code: 'permission_denied', missing: 'images:delete' },
      { code: 'image_protected', imageId, by: 'id' },
      { code: 'image_protected', imageId, by: 'name' },
      { code: 'precondition_failed', imageId },
      { code: 'budget_exhausted', of: 'caller', budget: 7, retryAfterS: 1 },
      { code: 'budget_exhausted', of: 'account', budget: 7, retryAfterS: 1 },
      { code: 'deletion_in_progress', imageId: 'm-custom01', outcome: 'unknown', open: OPEN },
      { code: 'deletion_in_progress', imageId: 'm-custom01', outcome: 'not_attempted', open: OPEN },
      { code: 'method_not_allowed', allow: ['GET', 'HEAD'] },
      { code: 'rate_limited', requests: 20, periodS: 10, policy: '' },
      { code: 'rate_limited', requests: 60, periodS: 60, policy: '' },
      { code: 'gateway_misconfigured' },
      { ...upstream, code: 'image_not_found', outcome: 'already_absent', listed: true },
      { ...upstream, code: 'image_not_found', outcome: 'already_absent', listed: false },
      ...(
        [
          'image_not_custom',
          'image_creating',
          'image_shared',
          'upstream_rejected_credentials',
          'upstream_throttled',
        ] as const
      ).map((code) => ({ ...upstream, code, outcome: PROBLEMS[code].outcomes[0] })),
    ];
    const details = failures.map((failure) => problemBody(failure, context).detail);
    expect(new Set(details).size).toBe(failures.length);
    for (const sentence of details) expect(sentence).toMatch(/^(?!.*undefined)[^\s].*\.$/);
    expect(details).toContain('This path supports GET, HEAD.');
    expect(details.at(-1)).toContain('Retry-After');
  });
});

describe('the body of a problem', () => {
  it('has no member for what is not known', () => {
    const unknown = { upstream: undefined, retryAfterS: undefined, deletedBefore: undefined };
    const facts = { imageId: 'm-custom01', call: 'deletion', listed: true } as const;
    const failure: Failure = { ...unknown, ...facts, code: 'image_not_found', outcome: 'already_absent' };
    for (const member of ['upstream', 'deletedBefore', 'deletion', 'problems']) {
      expect(problemBody(failure, context)).not.toHaveProperty(member);
    }
  });
});

describe('the instance of a problem', () => {
  it('is the path, cut at 256 characters but never inside a percent-encoded byte', async () => {
    const harness = createHarness();
    for (const path of [`/${'a'.repeat(300)}`, `/${'a'.repeat(253)}%20b`, `/${'a'.repeat(254)}%20b`]) {
      const { instance } = await problemOf(await harness.call('GET', path));
      expect(instance).toMatch(/^\/a{253,255}$/);
    }
    expect((await problemOf(await harness.call('GET', '/a%20b%25')))['instance']).toBe('/a%20b%25');
  });
});
