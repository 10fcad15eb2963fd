/** How outside data is parsed before anything is known about it. */
import { describe, expect, it } from 'vitest';
import { isRecord, isWholeNumber, outlineOf, parseJson, readText } from '../../src/worker/json.ts';

describe('a record', () => {
  it.each([{}, { a: 1 }, Object.create(null)])('may be %j', (value) => expect(isRecord(value)).toBe(true));

  const others = [null, undefined, '', 'text', 0, true, [], [{}]];
  it.each(others.map((value) => ({ value })))('is never $value', ({ value }) => expect(isRecord(value)).toBe(false));
});

describe('a whole number', () => {
  it.each([1, 2, 3])('may be %i in the range from 1 to 3', (value) => expect(isWholeNumber(value, 1, 3)).toBe(true));

  const others = [0, 4, 1.5, -1, Number.NaN, Number.POSITIVE_INFINITY, '2', true, null, [2], 2n];
  it.each(others.map((value) => ({ value })))('is never $value', ({ value }) =>
    expect(isWholeNumber(value, 1, 3)).toBe(false),
  );
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

describe('readText', () => {
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  /** A body of these parts, whose source fails if it is cancelled. */
  const bodyOf = (...parts: Uint8Array[]) =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const part = parts.shift();
        if (part === undefined) controller.close();
        else controller.enqueue(part);
      },
      cancel: () => Promise.reject(new Error('not cancelled')),
    });

  it('returns a text of the greatest length, even if a letter is split between two parts', async () => {
    expect(await readText(bodyOf(bytesOf('a\u{e9}').slice(0, 2), bytesOf('\u{e9}').slice(1)), 3)).toBe('a\u{e9}');
    expect(await readText(bodyOf(), 0)).toBe('');
  });

  it('returns null for a text that is longer or not UTF-8, even if the rest cannot be cancelled', async () => {
    expect(await readText(bodyOf(bytesOf('ab'), bytesOf('cd')), 3)).toBeNull();
    expect(await readText(bodyOf(new Uint8Array([0x7b, 0xff]), bytesOf('}')), 9)).toBeNull();
  });
});

describe('outlineOf', () => {
  it('gives the place of each member in the text, not where JSON.parse puts it', () => {
    const { positions } = outlineOf('{"b": {"x": 1}, "7": [], "a": 0}');
    expect([...positions]).toEqual([
      ['b', 1],
      ['7', 2],
      ['a', 3],
    ]);
  });

  it.each<[string, number[]]>([
    ['{}', []],
    ['{"a":{"x":1},"b":{"x":1}}', []],
    ['{"a":1,"a":2}', [2]],
    ['{"a":1,"b":2,"a":3,"a":4}', [3, 4]],
    ['{"a":1,"b":{"x":1,"x":2}}', [2]],
    ['{"a":[{"x":1},{"x":1,"x":2}]}', [1]],
    ['{"a":1,"\\u0061":2}', [2]],
    ['{"a" : 1, "a"\n: 2}', [2]],
    ['{"a":"a","b":"\\"a\\":"}', []],
    ['{"{":1,"}":{"[":1},"]":2}', []],
    ['[1,"a","a"]', []],
  ])('finds in %s the repeated members %j', (json, positions) => {
    expect(parseJson(json)).toBeDefined();
    expect(outlineOf(json).repeated).toEqual(positions);
  });
});
