/** How outside data is taken apart before anything is known about it. */
import { describe, expect, it } from 'vitest';
import { isRecord, parseJson } from '../src/json.ts';

describe('a record', () => {
  it.each([{}, { a: 1 }, Object.create(null)])('may be %j', (value) => expect(isRecord(value)).toBe(true));

  const others = [null, undefined, '', 'text', 0, true, [], [{}]];
  it.each(others.map((value) => ({ value })))('is never $value', ({ value }) => expect(isRecord(value)).toBe(false));
});

describe('parseJson', () => {
  it('returns the value of a JSON text', () => {
    expect(parseJson('{"a":[1,null]}')).toEqual({ a: [1, null] });
    expect(parseJson('null')).toBeNull();
  });

  it.each(['', ' ', '{', "{'a':1}", 'undefined', '{}x'])('returns undefined for %j', (text) =>
    expect(parseJson(text)).toBeUndefined(),
  );
});
