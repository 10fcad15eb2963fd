import { describe, expect, it } from 'vitest';
import { LostAnswerError, NotSentError } from '../../src/client/index.ts';
import { FakeGateway } from '../../src/client/testing.ts';
import { isEnded, noticeOf, signsOut } from '../../src/console/notices.ts';
import { Texts } from '../../src/console/texts.ts';
import { thrownBy } from '../client/line.ts';

const [english, chinese] = [new Texts('en'), new Texts('zh')];
const problem = (...order: Parameters<FakeGateway['nextFails']>) =>
  thrownBy(
    new FakeGateway()
      .nextFails(...order)
      .client()
      .previewImage('m-custom01'),
  );

describe('the message', () => {
  it("for a problem is the gateway's, with its title in the reader's language", async () => {
    const error = await problem('rate_limited', { retryAfterS: 10 });
    expect(noticeOf(error, english)).toMatchObject({
      title: 'Too many requests',
      detail: expect.stringContaining('Retry-After'),
      wait: 'Try again in 10 s.',
      requestId: expect.any(String),
    });
    expect(noticeOf(error, chinese)).toMatchObject({ title: '请求过于频繁', wait: '请在 10 秒后重试。' });
    expect(noticeOf(await problem('image_shared'), english).wait).toBeUndefined();
  });

  it.each([
    [null, 'The gateway does not respond'],
    [0, 'Your sign-in has ended'],
    [502, 'The response is not from the gateway'],
  ])('of a lost answer with status %j is %s', (status, title) => {
    expect(noticeOf(new LostAnswerError('job-1', status), english).title).toBe(title);
  });

  it('for any other error has its name, and never its text', () => {
    for (const thrown of [new TypeError('bcg_secret'), 'bcg_secret', null]) {
      const { title, detail } = noticeOf(thrown, english);
      expect(title).toBe('This part could not be shown');
      expect(detail).toMatch(/^It failed with (?:TypeError|string|object)\.$/);
    }
  });
});

describe('a call', () => {
  it('counts as ended with its caller only if that is why it failed', () => {
    const given = AbortSignal.abort();
    expect(isEnded(new NotSentError('x'), given)).toBe(true);
    expect(isEnded(new LostAnswerError('job-1', null), given)).toBe(true);
    expect(isEnded(new TypeError('x'), given)).toBe(false);
    expect(isEnded(new NotSentError('x'), new AbortController().signal)).toBe(false);
  });

  it('signs out only if the gateway does not know the caller', async () => {
    expect(signsOut(await problem('unauthenticated'))).toBe(true);
    expect(signsOut(await problem('permission_denied'))).toBe(false);
    expect(signsOut(new LostAnswerError('job-1', 401))).toBe(false);
  });
});
