import { describe, expect, it } from 'vitest';
import { getWith, nextQuery, objectIn } from '../../src/console/api.ts';

/** Asks with a `fetch` that remembers its calls and gives this answer. */
function asking(answer: () => Response, credential: string | null = null) {
  const calls: { url: unknown; init: RequestInit }[] = [];
  const get = getWith(credential, async (url, init = {}) => {
    calls.push({ url, init });
    return answer();
  });
  return { get, calls };
}

describe('getWith', () => {
  it('sends GET to a path, with the credential if there is one, and follows no redirect', async () => {
    const { get, calls } = asking(() => new Response('{}'), 'key');
    await get('/deletions', 'limit=1');
    await get('/readyz');
    const init = { headers: { Authorization: 'Bearer key' }, redirect: 'manual' };
    expect(calls.map(({ url }) => url)).toEqual(['/deletions?limit=1', '/readyz']);
    for (const call of calls) {
      expect(call.init).toMatchObject(init);
      expect(call.init.method).toBeUndefined();
    }
    const without = asking(() => new Response('{}'));
    await without.get('/readyz');
    expect(without.calls[0]?.init.headers).toEqual({});
  });

  it('returns the text and the query of the next page', async () => {
    const headers = { Link: '<https://gateway.test/deletions?limit=1&cursor=MTox>; rel="next"' };
    const { get } = asking(() => new Response('{"a":1}', { headers }));
    expect(await get('/deletions')).toEqual({
      ok: true,
      value: { text: '{"a":1}', next: 'limit=1&cursor=MTox' },
    });
  });

  it('returns what a problem says', async () => {
    const said = { title: 'Not now', detail: 'Wait.', problems: ['CALLERS is missing'] };
    const { get } = asking(() => Response.json(said, { status: 503 }));
    expect(await get('/readyz')).toEqual({ ok: false, failure: { status: 503, ...said } });
  });

  it.each(['<html>', '{"title":1}', '[]', ''])(
    'of a failure that is no problem, %j, tells the status',
    async (text) => {
      const { get } = asking(() => new Response(text, { status: 522 }));
      expect(await get('/readyz')).toMatchObject({
        failure: { status: 522, title: 'The answer was 522', problems: [] },
      });
    },
  );

  it('tells that no answer came', async () => {
    const { get } = asking(() => {
      throw new TypeError('Failed to fetch');
    });
    expect(await get('/readyz')).toMatchObject({ failure: { status: 0, title: 'The gateway does not answer' } });
  });

  it('takes a redirect, whose answer a browser hides, for the end of a sign-in', async () => {
    const hidden = Object.defineProperties(new Response(''), { status: { value: 0 }, ok: { value: false } });
    const { get } = asking(() => hidden);
    expect(await get('/readyz')).toMatchObject({ failure: { status: 0, title: 'The sign-in has ended' } });
  });
});

describe('nextQuery', () => {
  it.each([
    ['</deletions?a=1>; rel="next"', 'a=1'],
    ['<https://elsewhere.test/steal?a=1>; rel="next"', 'a=1'],
    ['<https://gateway.test/deletions>; rel="next"', null],
    ['<https://gateway.test/deletions?>; rel="next"', null],
    ['<https://gateway.test/deletions?a=1>; rel="prev"', null],
    ['', null],
    [null, null],
  ])('of %j is %j', (link, query) => {
    expect(nextQuery(link)).toBe(query);
  });
});

describe('objectIn', () => {
  it('is the object, or one without members', () => {
    expect([objectIn('{"a":1}'), objectIn('[1]'), objectIn('x')]).toEqual([{ a: 1 }, {}, {}]);
  });
});
