/** What one answer means by itself. What follows for a deletion is tested in `deletions/deletion.test.ts`. */
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../src/baidu/answer.ts';
import { isClockSkew, judge } from '../../src/baidu/verdict.ts';

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
const credentials = { code: 'upstream_rejected_credentials', outcome: 'rejected' };

describe('an answer without a code', () => {
  it.each([
    [200, accepted],
    [204, accepted],
    [299, accepted],
    [300, unknown],
    [399, unknown],
    [400, refused],
    [401, credentials],
    [403, credentials],
    [404, absent],
    [405, refused],
    [409, refused],
    [410, refused],
    [499, refused],
    [500, { code: 'upstream_error', outcome: 'unknown' }],
  ])('with the status %i means %j', (status, verdict) => expect(judge(answer(status))).toEqual(verdict));

  it.each([[[]], [['requestId']], ['requestId'], [null], [0]])(
    'with the status 404 and the body %j does not mean that the image is absent',
    (value) => {
      expect(judge(answer(404, { body: { kind: 'json', value } }))).toEqual(refused);
    },
  );

  it("with the status 200 means success only if its body is JSON and it carries Baidu's request id", () => {
    const json = { kind: 'json', value: {} } as const;
    expect(judge(answer(200, { body: json }))).toEqual(accepted);
    expect(judge(answer(200, { body: json, isFromBaidu: false }))).toEqual(unknown);
    expect(judge(answer(200, { body: { kind: 'garbled' } }))).toEqual(unknown);
  });

  it("with the status 404 and without Baidu's request id means nothing", () => {
    expect(judge(answer(404, { isFromBaidu: false }))).toEqual(unknown);
  });
});

describe('an answer with the code', () => {
  it.each([
    'NoSuchObject',
    'NoSuchImage',
    'ImageNotFound',
    'Image.NotFound',
    'Image.ImageNotFound',
    'Image.NotExist',
    'Image.ImageNotExists',
    'Image.NoSuchImage',
  ])('%s means that the image is absent, unless the status is 3xx', (code) => {
    expect(judge(answer(404, { code }))).toEqual(absent);
    expect(judge(answer(400, { code }))).toEqual(absent);
    expect(judge(answer(300, { code }))).toEqual(unknown);
  });

  it.each(['SnapshotImageNotFound', 'Image.ImageNotFoundHere', 'Image.NotExistsYet', 'ImageXNotFound', 'NotFound'])(
    '%s does not mean that the image is absent',
    (code) => expect(judge(answer(404, { code }))).toEqual(refused),
  );

  it.each(['AuthError', 'InvalidSecurityToken', 'iamSomethingNew', 'RequestExpired'])(
    '%s means that our credentials are refused',
    (code) => expect(judge(answer(403, { code }))).toEqual(credentials),
  );

  it.each(['DiamondQuota', 'RequestExpiredTwice', 'NotRequestExpired'])(
    '%s does not mean that our credentials are refused',
    (code) => expect(judge(answer(403, { code }))).toEqual(refused),
  );

  it("Http404 is a refusal even without Baidu's request id", () => {
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
