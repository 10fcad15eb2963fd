/** Each answer by itself. What follows from it for a deletion is in `outcomes.test.ts`. */
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../src/baidu/answer.ts';
import { isClockSkew, judge } from '../../src/baidu/verdict.ts';

/** An answer of Baidu without a body. */
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

describe('the verdict on a status without a code', () => {
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
  ])('%i', (status, verdict) => expect(judge(answer(status))).toEqual(verdict));

  it.each([[[]], [['requestId']], ['requestId'], [null], [0]])('404 with %j does not mean the image', (value) => {
    expect(judge(answer(404, { body: { kind: 'json', value } }))).toEqual(refused);
  });

  it('200 with JSON of somebody else, or with what is no JSON, agrees to nothing', () => {
    const json = { kind: 'json', value: {} } as const;
    expect(judge(answer(200, { body: json }))).toEqual(accepted);
    expect(judge(answer(200, { body: json, isFromBaidu: false }))).toEqual(unknown);
    expect(judge(answer(200, { body: { kind: 'garbled' } }))).toEqual(unknown);
  });

  it('404 of somebody else means nothing', () => {
    expect(judge(answer(404, { isFromBaidu: false }))).toEqual(unknown);
  });
});

describe('the verdict on a code', () => {
  it.each([
    'NoSuchObject',
    'NoSuchImage',
    'ImageNotFound',
    'Image.NotFound',
    'Image.ImageNotFound',
    'Image.NotExist',
    'Image.ImageNotExists',
    'Image.NoSuchImage',
  ])('%s means the image', (code) => {
    expect(judge(answer(404, { code }))).toEqual(absent);
    expect(judge(answer(400, { code }))).toEqual(absent);
    expect(judge(answer(300, { code }))).toEqual(unknown);
  });

  it.each(['SnapshotImageNotFound', 'Image.ImageNotFoundHere', 'Image.NotExistsYet', 'ImageXNotFound', 'NotFound'])(
    '%s does not',
    (code) => expect(judge(answer(404, { code }))).toEqual(refused),
  );

  it.each(['AuthError', 'InvalidSecurityToken', 'iamSomethingNew', 'RequestExpired'])(
    '%s means our credential',
    (code) => expect(judge(answer(403, { code }))).toEqual(credentials),
  );

  it.each(['DiamondQuota', 'RequestExpiredTwice', 'NotRequestExpired'])('%s does not', (code) =>
    expect(judge(answer(403, { code }))).toEqual(refused),
  );

  it('is a refusal even where the request id got lost on the way', () => {
    expect(judge(answer(404, { code: 'Http404', isFromBaidu: false }))).toEqual(refused);
  });
});

describe('whether the clock is at fault', () => {
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
  ])('%j: %s', (change, skewed) => expect(isClockSkew(answer(403, change))).toBe(skewed));
});
