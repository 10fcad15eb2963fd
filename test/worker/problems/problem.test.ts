/** A failure as the body of an answer. */
import { describe, expect, it } from 'vitest';
import { isImageId } from '../../../src/worker/image-id.ts';
import { type Failure, headersOf, outcomeOf, PROBLEMS } from '../../../src/worker/problems/failure.ts';
import { instanceOf, problemBody } from '../../../src/worker/problems/problem.ts';
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
    [
      { code: 'deletion_in_progress', imageId, outcome: 'unknown', open: OPEN },
      'This request to delete m-custom01 was sent before, and its outcome is not known yet.',
    ],
    [
      { code: 'deletion_in_progress', imageId, outcome: 'not_attempted', open: OPEN },
      'Another deletion of m-custom01 is in progress, so none was sent.',
    ],
    [
      { code: 'budget_exhausted', of: 'caller', budget: 7, retryAfterS: 1 },
      'This caller may delete 7 images in 24 hours.',
    ],
    [
      { code: 'budget_exhausted', of: 'account', budget: 7, retryAfterS: 1 },
      'All callers together may delete 7 images in 24 hours.',
    ],
    [{ code: 'permission_denied', missing: 'no_browser' }, 'A web page may not delete an image.'],
    [
      { code: 'insecure_transport', hasCredential: true },
      'Use https, and replace the credential: anyone on the network path could read it.',
    ],
  ])('claims no more than is known for %j', (failure, sentence) => {
    expect(problemBody(failure, context)).toMatchObject({ outcome: outcomeOf(failure), detail: sentence });
  });

  it('is one complete sentence, and a different one for each failure', () => {
    const failures: Failure[] = [
      { code: 'invalid_image_id', rule: 'x' },
      { code: 'unauthenticated' },
      { code: 'identity_unavailable' },
      { code: 'insecure_transport', hasCredential: true },
      { code: 'insecure_transport', hasCredential: false },
      { code: 'internal_error', outcome: 'unknown' },
      { code: 'internal_error', outcome: 'not_attempted' },
      { code: 'route_not_found' },
      { code: 'deletions_disabled' },
      { code: 'ledger_unavailable' },
      { code: 'rate_limiter_unavailable' },
      { code: 'invalid_request', fault: 'malformed_host' },
      { code: 'invalid_request', fault: 'holds_credential' },
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

describe('the headers', () => {
  const upstream = { imageId: 'm-custom01', call: 'deletion', upstream: undefined, outcome: 'unknown' } as const;
  const open = { code: 'deletion_in_progress', imageId: 'm-custom01', open: OPEN } as const;
  const budget = { code: 'budget_exhausted', of: 'caller', budget: 7 } as const;
  it.each<[Failure, Record<string, string>]>([
    [{ code: 'route_not_found' }, {}],
    [{ code: 'unauthenticated' }, { 'WWW-Authenticate': 'Bearer' }],
    [{ code: 'identity_unavailable' }, { 'Retry-After': '5' }],
    [{ code: 'method_not_allowed', allow: ['GET', 'HEAD'] }, { Allow: 'GET, HEAD' }],
    [
      { code: 'rate_limited', requests: 20, periodS: 10, policy: 'caller;q=20;w=10' },
      { 'Retry-After': '10', 'RateLimit-Policy': 'caller;q=20;w=10' },
    ],
    [{ ...budget, retryAfterS: 3_600 }, { 'Retry-After': '3600' }],
    [{ ...budget, retryAfterS: 0 }, { 'Retry-After': '1' }],
    [{ ...budget, retryAfterS: 86_401 }, { 'Retry-After': '86400' }],
    [{ ...open, outcome: 'not_attempted' }, { 'Retry-After': '5' }],
    [{ ...open, outcome: 'unknown' }, {}],
    [{ ...upstream, code: 'upstream_throttled', retryAfterS: 7 }, { 'Retry-After': '7' }],
    [{ ...upstream, code: 'upstream_throttled', retryAfterS: undefined }, { 'Retry-After': '10' }],
    [{ ...upstream, code: 'upstream_error', retryAfterS: 7 }, { 'Retry-After': '7' }],
    [{ ...upstream, code: 'upstream_error', retryAfterS: undefined }, {}],
  ])('of %j are %j', (failure, headers) => {
    expect(headersOf(failure)).toEqual(headers);
  });
});

describe('the body of a problem', () => {
  it('has the members of what is known, and its own page as its type', () => {
    const upstream = { status: 404, code: 'NoSuchObject', requestId: 'b-1' };
    const deletedBefore = { at: '2026-11-23T00:00:00.000Z', requestId: null };
    const known = { upstream, retryAfterS: undefined, deletedBefore };
    const facts = { imageId: 'm-custom01', call: 'deletion', listed: true } as const;
    const failure: Failure = { ...known, ...facts, code: 'image_not_found', outcome: 'already_absent' };
    const type = 'https://gateway.test/problems/image_not_found';
    expect(problemBody(failure, context, '/deletions')).toMatchObject({
      type,
      upstream,
      deletedBefore,
      deletion: '/deletions',
    });
    expect(problemBody({ code: 'gateway_misconfigured', problems: ['CALLERS is missing'] }, context).problems).toEqual([
      'CALLERS is missing',
    ]);
  });

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
    expect(instanceOf('*')).toBe('/');
  });
});
