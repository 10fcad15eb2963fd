/** What one answer means by itself. What follows for a deletion is tested in `deletions/deletion.test.ts`. */
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../../src/worker/baidu/answer.ts';
import { isClockSkew, judge } from '../../../src/worker/baidu/verdict.ts';

/** An answer without a body, in Baidu's name unless `change` says otherwise. */
const answer = (status: number, change: Partial<Answer> = {}): Answer => ({
  status,
  code: undefined,
  mentionsError: change.code !== undefined,
  isFromBaidu: true,
  message: undefined,
  requestId: undefined,
  date: null,
  retryAfterS: undefined,
  body: { kind: 'empty' },
  ...change,
});

const accepted = { code: 'accepted' };
const absent = { code: 'image_not_found', outcome: 'already_absent' };
const refused = { code: 'upstream_unexpected', outcome: 'rejected' };
const unknown = { code: 'upstream_unexpected', outcome: 'unknown' };
const passing = { code: 'upstream_error', outcome: 'unknown' };
const throttled = { code: 'upstream_throttled', outcome: 'rejected' };
const credentials = { code: 'upstream_rejected_credentials', outcome: 'rejected' };

describe('an answer without a code', () => {
  it.each([
    [200, accepted],
    [201, unknown],
    [202, unknown],
    [203, unknown],
    [204, accepted],
    [207, unknown],
    [299, unknown],
    [300, unknown],
    [399, unknown],
    [400, refused],
    [401, credentials],
    [403, credentials],
    [404, absent],
    [405, refused],
    [408, passing],
    [409, refused],
    [410, refused],
    [429, throttled],
    [499, refused],
    [500, passing],
    [599, passing],
  ])('with the status %i means %j', (status, verdict) => expect(judge(answer(status))).toEqual(verdict));

  it.each([
    [[]],
    [['requestId']],
    ['requestId'],
    [null],
    [0],
    [{ requestId: 'r', code: 7 }],
    [{ requestId: 'r', code: true }],
    [{ requestId: 'r', code: null }],
    [{ requestId: 'r', code: ['NoSuchObject'] }],
    [{ code: 'ROUTE_NOT_FOUND' }],
    [{ requestId: 'r', error: 'no route' }],
  ])('with the status 404 and the body %j does not mean that the image is absent', (value) => {
    expect(judge(answer(404, { body: { kind: 'json', value } }))).toEqual(refused);
  });

  it.each([[{}], [{ requestId: 'r' }], [{ requestId: 'r', message: 'Gone.' }], [{ code: 'AnythingElse' }]])(
    'with the status 404 and the body %j means that the image is absent',
    (value) => {
      expect(judge(answer(404, { body: { kind: 'json', value } }))).toEqual(absent);
    },
  );

  it.each([200, 204])(
    "with the status %i means success only if its body is JSON and it carries Baidu's request id",
    (status) => {
      const json = { kind: 'json', value: {} } as const;
      expect(judge(answer(status, { body: json }))).toEqual(accepted);
      expect(judge(answer(status, { body: json, isFromBaidu: false }))).toEqual(unknown);
      expect(judge(answer(status, { isFromBaidu: false }))).toEqual(unknown);
      expect(judge(answer(status, { mentionsError: true }))).toEqual(unknown);
      expect(judge(answer(status, { body: { kind: 'garbled' } }))).toEqual(unknown);
    },
  );

  it("with the status 404 and without Baidu's request id says only that nothing was done", () => {
    expect(judge(answer(404, { isFromBaidu: false }))).toEqual(refused);
  });
});

describe('an answer whose body breaks off or stalls', () => {
  it.each([400, 401, 403, 404, 405, 409, 410, 429, 499])(
    'with the status %i is a refusal all the same, and never means that the image is absent',
    (status) => {
      for (const kind of ['broken', 'stalled'] as const) {
        expect(judge(answer(status, { body: { kind } }))).toMatchObject({ outcome: 'rejected' });
      }
    },
  );

  it.each([200, 204])('with the status %i has an unknown effect, and its code says how it ended', (status) => {
    expect(judge(answer(status, { body: { kind: 'broken' } }))).toEqual(passing);
    expect(judge(answer(status, { body: { kind: 'stalled' } }))).toEqual({ ...passing, code: 'upstream_timeout' });
  });

  it.each([
    [300, unknown],
    [302, unknown],
    [399, unknown],
    [408, passing],
    [500, passing],
    [503, passing],
  ])('with the status %i means %j, as if it had no body', (status, verdict) => {
    for (const kind of ['broken', 'stalled'] as const) {
      expect(judge(answer(status, { body: { kind } }))).toEqual(verdict);
    }
  });
});

describe('an answer with the code', () => {
  it.each([
    'NoSuchObject',
    'Image.ImageNotFound',
    'SnapshotImageNotFound',
    'NotFound',
    'Http404',
    'AnythingElse',
    // Only the whole code speaks of a route.
    'ImageResourceNotFound',
    'ResourceNotFoundHere',
  ])('%s means that the image is absent if the status is 404, and not by itself', (code) => {
    expect(judge(answer(404, { code }))).toEqual(absent);
    expect(judge(answer(400, { code }))).toEqual(refused);
    expect(judge(answer(300, { code }))).toEqual(unknown);
    expect(judge(answer(500, { code }))).toEqual(passing);
  });

  it.each(['InvalidVersion', 'InvalidURI', 'ResourceNotFound'])(
    '%s speaks of the route and not of the image, in the header and in the body',
    (code) => {
      expect(judge(answer(404, { code }))).toEqual(refused);
      const body = { kind: 'json', value: { requestId: 'r', code, message: 'x' } } as const;
      expect(judge(answer(404, { code, body }))).toEqual(refused);
      expect(judge(answer(404, { code: 'NoSuchObject', body }))).toEqual(refused);
    },
  );

  it.each(['AuthError', 'InvalidSecurityToken', 'iamSomethingNew', 'RequestExpired'])(
    '%s means that our credentials are refused, whatever the status',
    (code) => {
      for (const status of [200, 302, 403, 404, 408, 502]) expect(judge(answer(status, { code }))).toEqual(credentials);
    },
  );

  it.each(['TooManyRequests', 'RequestThrottled', 'Image.RateLimitExceeded'])(
    '%s means that requests are limited, whatever the status',
    (code) => {
      for (const status of [200, 400, 404, 500, 503]) expect(judge(answer(status, { code }))).toEqual(throttled);
    },
  );

  it.each([
    ['Image.UnCustomImageCannotBeDeleted', 'image_not_custom'],
    ['Image.CreatingImageCannotBeDeleted', 'image_creating'],
    ['Image.ImageHasBeenSharedToOthers', 'image_shared'],
  ])('%s means %s, whatever the status', (code, expected) => {
    for (const status of [200, 403, 409, 502, 504]) {
      expect(judge(answer(status, { code }))).toEqual({ code: expected, outcome: 'rejected' });
    }
  });

  it.each(['DiamondQuota', 'RequestExpiredTwice', 'NotRequestExpired'])(
    '%s does not mean that our credentials are refused',
    (code) => expect(judge(answer(403, { code }))).toEqual(refused),
  );

  it("Http404 is a refusal, but not of an absent image, without Baidu's request id", () => {
    expect(judge(answer(404, { code: 'Http404', isFromBaidu: false }))).toEqual(refused);
  });
});

describe('a refusal', () => {
  it.each([
    [{ code: 'RequestExpired' }, true],
    [{ code: 'RequestTimeTooSkewed' }, true],
    [{ code: 'IamSignatureInvalid', message: 'timestamp' }, true],
    [{ code: 'InvalidRequest', message: 'time expired' }, true],
    [{ code: 'IamSignatureInvalid', message: 'no such key' }, false],
    [{ code: 'IamSignatureInvalid' }, false],
    [{ code: 'BadRequest', message: 'timestamp' }, false],
    [{ message: 'timestamp expired' }, false],
    [{}, false],
  ])('with %j blames our clock: %s', (change, skewed) => expect(isClockSkew(answer(403, change))).toBe(skewed));
});
