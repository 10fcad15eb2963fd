/** What one answer means by itself. What follows for a deletion is tested in `deletions/deletion.test.ts`. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../../src/worker/baidu/answer.ts';
import { isClockSkew, judge, unlistedCode } from '../../../src/worker/baidu/verdict.ts';

/** An answer from Baidu without a body, except for what `change` sets. */
const answer = (status: number, change: Partial<Answer> = {}): Answer => ({
  status,
  codes: [],
  hasMalformedCode: false,
  mentionsError: change.codes !== undefined,
  isFromBaidu: true,
  message: undefined,
  requestId: undefined,
  date: null,
  retryAfterS: undefined,
  body: { kind: 'empty' },
  ...change,
});

const accepted = { code: 'accepted' };
const absent = { code: 'image_not_found', outcome: 'already_absent', listed: true };
const unlisted = { ...absent, listed: false };
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

  it.each([[[]], [['requestId']], ['requestId'], [null], [0], [{ requestId: 'r', error: 'no route' }]])(
    'with the status 404 and the body %j does not mean that the image is absent',
    (value) => expect(judge(answer(404, { body: { kind: 'json', value } }))).toEqual(refused),
  );

  it.each([[{}], [{ requestId: 'r' }], [{ requestId: 'r', message: 'Gone.' }]])(
    'with the status 404 and the body %j means that the image is absent',
    (value) => expect(judge(answer(404, { body: { kind: 'json', value } }))).toEqual(absent),
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

  it("with the status 404 and without Baidu's request id says only that nothing was deleted", () => {
    expect(judge(answer(404, { isFromBaidu: false }))).toEqual(refused);
  });
});

describe('an answer whose body breaks off or stalls', () => {
  it.each([400, 401, 403, 404, 405, 409, 410, 429, 499])(
    'with the status %i is still a refusal, and never means that the image is absent',
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

describe('a 404 with the code', () => {
  it.each([
    'NoSuchObject',
    'NoSuchImage',
    'NotFound',
    'Image.NotFound',
    'Image.ImageNotFound',
    'ImageNotFoundException',
    'ImageNotfound',
    'InvalidImageId.NotFound',
    'CustomImageNotExist',
    'ImageNotExists',
    'Image.DoesNotExist',
    'ImageNonExistentError',
    'IMAGE_NOT_FOUND',
    'IMAGEID_NOTEXIST',
    'image.not_found',
  ])('%s means that the image is absent', (code) => expect(judge(answer(404, { codes: [code] }))).toEqual(absent));

  it.each([
    'UserNotExist',
    'AccountNotFound',
    'RegionNotFound',
    'ZoneNotFound',
    'InstanceNotFound',
    'InvalidInstanceId.NotFound',
    'ApiNotFound',
    'UriNotFound',
    'VersionNotFound',
    'NoSuchKey',
    'NOSUCHUSER',
    'USER_NOT_EXIST',
    'SnapshotImageNotFound',
    'ImageUserNotFound',
    'NotFoundUser',
    // Documented, or seen for an unknown route.
    'InvalidVersion',
    'InvalidURI',
    'ResourceNotFound',
    'ResourceNotfound',
    'ResourceNotFoundException',
  ])('%s says nothing about the image', (code) => expect(judge(answer(404, { codes: [code] }))).toEqual(refused));

  it.each([
    'AnythingElse',
    'Http404',
    'Image.Vanished',
    'Image',
    'InvalidImageId',
    'IMAGE_GONE',
    'Image.InvalidVersion',
  ])('%s means that the image is absent, by the status alone', (code) =>
    expect(judge(answer(404, { codes: [code] }))).toEqual(unlisted),
  );

  it.each(['NoSuchObject', 'IMAGE_NOT_FOUND', 'RegionNotFound', 'InvalidVersion', 'AnythingElse'])(
    '%s means what the status says if that is not 404',
    (code) => {
      expect(judge(answer(400, { codes: [code] }))).toEqual(refused);
      expect(judge(answer(410, { codes: [code] }))).toEqual(refused);
      expect(judge(answer(300, { codes: [code] }))).toEqual(unknown);
      expect(judge(answer(200, { codes: [code] }))).toEqual(unknown);
      expect(judge(answer(500, { codes: [code] }))).toEqual(passing);
    },
  );

  it("NoSuchObject but without Baidu's request id is a refusal, not an absence", () =>
    expect(judge(answer(404, { codes: ['NoSuchObject'], isFromBaidu: false }))).toEqual(refused));

  it('in one place counts if the other has no code, but not if its code is malformed', () => {
    const body = { kind: 'json', value: { requestId: 'r', code: 'NoSuchObject', message: 'x' } } as const;
    expect(judge(answer(404, { codes: ['NoSuchObject'], body }))).toEqual(absent);
    expect(judge(answer(404, { codes: ['NoSuchObject'], body, hasMalformedCode: true }))).toEqual(refused);
    expect(judge(answer(404, { hasMalformedCode: true }))).toEqual(refused);
  });

  it.each([
    [['NoSuchObject', 'ImageNotFound'], absent],
    [['NoSuchObject', 'AnythingElse'], unlisted],
    [['AnythingElse', 'NoSuchObject'], unlisted],
    [['NoSuchObject', 'ResourceNotFound'], refused],
    [['UserNotExist', 'NoSuchObject'], refused],
    [['AnythingElse', 'UserNotExist'], refused],
    [['UserNotExist', 'AnythingElse'], refused],
    [['NoSuchObject', 'AccessDenied'], credentials],
    [['NoSuchObject', 'RateLimit'], throttled],
  ])('%j in header and body counts as the worse of the two: %j', (codes, verdict) =>
    expect(judge(answer(404, { codes }))).toEqual(verdict),
  );
});

describe('the unlisted code of an answer', () => {
  it.each([
    [404, ['AnythingElse'], 'AnythingElse'],
    [404, ['NoSuchObject', 'AnythingElse'], 'AnythingElse'],
    [404, ['NoSuchObject'], null],
    [404, [], null],
    [404, ['AnythingElse', 'UserNotExist'], null],
    [409, ['AnythingElse'], null],
  ])('with the status %i and the codes %j is %j', (status, codes, expected) =>
    expect(unlistedCode(answer(status, { codes }))).toBe(expected),
  );

  it('is null without an answer', () => expect(unlistedCode(undefined)).toBeNull());
});

const REFUSED_STATUSES = [400, 401, 403, 404, 409, 429, 499];
const OTHER_STATUSES = [200, 204, 302, 408, 500, 502, 503, 504];

describe('an answer with the code', () => {
  it.each([
    'AccessDenied',
    'InvalidAccessKeyId',
    'InvalidHTTPAuthHeader',
    'OptInRequired',
    'QualifyNotPass',
    'RequestExpired',
    'SignatureDoesNotMatch',
  ])('%s means that our credentials are refused, whatever the status, because it is documented', (code) => {
    for (const status of [...REFUSED_STATUSES, ...OTHER_STATUSES]) {
      expect(judge(answer(status, { codes: [code] }))).toEqual(credentials);
    }
  });

  it.each(['AuthError', 'InvalidSecurityToken', 'RequestTimeTooSkewed', 'IamSignatureInvalid', 'iamSomethingNew'])(
    '%s means that our credentials are refused if the status is a refusal, and otherwise nothing',
    (code) => {
      for (const status of REFUSED_STATUSES) expect(judge(answer(status, { codes: [code] }))).toEqual(credentials);
      for (const status of OTHER_STATUSES) expect(judge(answer(status, { codes: [code] })).outcome).toBe('unknown');
    },
  );

  it.each([
    'TooManyRequests',
    'RequestThrottled',
    'Image.RateLimitExceeded',
    'RateLimit',
    'BackendRequestLimitWaitTimeout',
  ])('%s means that requests are limited if the status is a refusal, and otherwise nothing', (code) => {
    for (const status of REFUSED_STATUSES.filter((each) => each !== 401)) {
      expect(judge(answer(status, { codes: [code] }))).toEqual(throttled);
    }
    for (const status of OTHER_STATUSES) expect(judge(answer(status, { codes: [code] })).outcome).toBe('unknown');
    expect(judge(answer(504, { codes: [code] }))).toEqual(passing);
  });

  it('InvalidRequest means that our credentials are refused if its message blames the time and the status is a refusal', () => {
    const late = { codes: ['InvalidRequest'], message: 'Fail to check timestamp: time expired' };
    expect(judge(answer(400, late))).toEqual(credentials);
    expect(judge(answer(504, late))).toEqual(passing);
    expect(judge(answer(400, { codes: ['InvalidRequest'], message: 'no' }))).toEqual(refused);
  });

  it.each([
    ['Image.UnCustomImageCannotBeDeleted', 'image_not_custom'],
    ['Image.CreatingImageCannotBeDeleted', 'image_creating'],
    ['Image.ImageHasBeenSharedToOthers', 'image_shared'],
  ])('%s means %s, whatever the status', (code, expected) => {
    for (const status of [200, 403, 408, 409, 502, 504]) {
      expect(judge(answer(status, { codes: [code] }))).toEqual({ code: expected, outcome: 'rejected' });
    }
  });

  it('AccessDenied proves nothing if it is not from Baidu, unless the status does', () => {
    const other = { codes: ['AccessDenied'], isFromBaidu: false };
    for (const status of OTHER_STATUSES) expect(judge(answer(status, other)).outcome).toBe('unknown');
    for (const status of REFUSED_STATUSES) expect(judge(answer(status, other)).outcome).toBe('rejected');
  });

  it('AccessDenied beside a code that means something else proves nothing, unless the status does', () => {
    for (const codes of [
      ['AccessDenied', 'InternalError'],
      ['InternalError', 'AccessDenied'],
    ]) {
      expect(judge(answer(500, { codes }))).toEqual(passing);
      expect(judge(answer(403, { codes }))).toEqual(credentials);
    }
    expect(judge(answer(500, { codes: ['AccessDenied'], hasMalformedCode: true }))).toEqual(passing);
    expect(judge(answer(500, { codes: ['AccessDenied', 'OptInRequired'] }))).toEqual(credentials);
  });

  it.each([
    'DiamondQuota',
    'RequestExpiredTwice',
    'NotRequestExpired',
    'NoAuthError',
    'AuthErrors',
    'NotIam',
    'constructor',
    'toString',
  ])('%s does not mean that our credentials are refused', (code) =>
    expect(judge(answer(403, { codes: [code] }))).toEqual(refused),
  );
});

describe('a refusal', () => {
  it.each([
    [{ codes: ['RequestExpired'] }, true],
    [{ codes: ['RequestTimeTooSkewed'] }, true],
    [{ codes: ['Other', 'RequestTimeTooSkewed'] }, true],
    [{ codes: ['IamSignatureInvalid'], message: 'timestamp' }, true],
    [{ codes: ['InvalidRequest'], message: 'time expired' }, true],
    [{ codes: ['IamSignatureInvalid'], message: 'no such key' }, false],
    [{ codes: ['IamSignatureInvalid'] }, false],
    [{ codes: ['BadRequest'], message: 'timestamp' }, false],
    [{ message: 'timestamp expired' }, false],
    [{}, false],
  ])('with %j blames our clock: %s', (change, skewed) => expect(isClockSkew(answer(403, change))).toBe(skewed));

  it('blames our clock under every status only with the documented code', () => {
    expect(isClockSkew(answer(504, { codes: ['RequestExpired'] }))).toBe(true);
    expect(isClockSkew(answer(504, { codes: ['RequestTimeTooSkewed'] }))).toBe(false);
    expect(isClockSkew(answer(504, { codes: ['IamSignatureInvalid'], message: 'timestamp' }))).toBe(false);
  });
});

/** The words of codes, stated again for this test: those that say an image is absent, and others. */
const ABSENCES = [
  ['No', 'Such'],
  ['Not', 'Found'],
  ['Not', 'Exist'],
  ['Not', 'Exists'],
  ['Does', 'Not', 'Exist'],
];
const LISTED = ['Image', 'Object', 'Id', 'Invalid', 'Custom', 'Exception', 'Error'];
const OTHERS = ['User', 'Account', 'Region', 'Api', 'Version', 'Resource', 'Key', 'Snapshot', 'Gone', 'Quota'];
const spellings: readonly ((words: readonly string[]) => string)[] = [
  (words) => words.join(''),
  (words) => words.join('.'),
  (words) => words.join('_').toUpperCase(),
  (words) => words.join('_').toLowerCase(),
];
const nouns = (words: readonly string[]) => fc.array(fc.constantFrom(...words), { maxLength: 3 });

describe('for any code', () => {
  const code = fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z]\w{0,39}(\.\w{1,40}){0,3}$/));
  const statuses = fc.oneof(fc.integer({ min: 200, max: 599 }), fc.constant(404));
  const outcomes = ['already_absent', 'rejected', 'unknown'];

  it('and any status the verdict is in the closed set, and a 404 with any other word is no listed absence', () => {
    const judged = fc.property(
      statuses,
      fc.array(code, { maxLength: 2 }),
      fc.boolean(),
      (status, codes, isFromBaidu) => {
        const verdict = judge(answer(status, { codes, isFromBaidu }));
        if (verdict.code === 'accepted') expect([200, 204]).toContain(status);
        else expect(outcomes).toContain(verdict.outcome);
        expect(verdict.outcome === 'already_absent').toBe(verdict.code === 'image_not_found');
        if (verdict.code !== 'image_not_found') return;
        expect([status, isFromBaidu]).toEqual([404, true]);
        const isListed = (each: string) =>
          /^(?:image|object|id|invalid|custom|exception|error|no|such|not|found|does|exists?|non|existent|[._])+$/i.test(
            each,
          );
        if (verdict.listed) expect(codes.filter((each) => !isListed(each))).toEqual([]);
      },
    );
    fc.assert(judged, { numRuns: 5_000 });
  });

  it('that says something is absent, the words around it decide, in any spelling', () => {
    const cases = fc.record({
      before: nouns([...LISTED, ...OTHERS]),
      absence: fc.constantFrom(...ABSENCES),
      after: nouns([...LISTED, ...OTHERS]),
      spell: fc.constantFrom(...spellings),
    });
    const seen = new Set<boolean>();
    const judged = fc.property(cases, ({ before, absence, after, spell }) => {
      const isOfImage = [...before, ...after].every((word) => LISTED.includes(word));
      seen.add(isOfImage);
      const verdict = judge(answer(404, { codes: [spell([...before, ...absence, ...after])] }));
      expect(verdict).toEqual(isOfImage ? absent : refused);
    });
    fc.assert(judged, { numRuns: 2_000 });
    expect(seen.size).toBe(2);
  });
});
