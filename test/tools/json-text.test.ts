/** What a JSON text contains, and where it is invalid. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseObject, placeOf, recordOf } from '../../src/tools/json-text.ts';
import { isRecord, outlineOf, parseJson } from '../../src/worker/json.ts';

describe('a JSON object', () => {
  it('is read with either line ending', () => {
    expect(parseObject('{ "b": {"x": 1,\r\n"y" : [ 2, {} ]} , "a":"{, \\"}","c": -1.5e+3 }\r\n')).toEqual({
      ok: true,
      value: { b: { x: 1, y: [2, {}] }, a: '{, "}', c: -1500 },
    });
    expect(parseObject('\t{\r\n}')).toEqual({ ok: true, value: {} });
  });

  it('may have an ordinary member called __proto__', () => {
    const parsed = parseObject('{"__proto__": {"a": 1}}');
    expect(parsed.ok && Object.keys(parsed.value)).toEqual(['__proto__']);
  });

  it.each([
    ['{\n  "a": 1,\n}', 'is not valid JSON at line 3, column 1'],
    ['{"a": [1, 2,]}', 'is not valid JSON at line 1, column 13'],
    ['{"a": 1 "b": 2}', 'is not valid JSON at line 1, column 9'],
    ['{"a" 1}', 'is not valid JSON at line 1, column 6'],
    ['{"a": {]}', 'is not valid JSON at line 1, column 8'],
    ['{"a": [}', 'is not valid JSON at line 1, column 8'],
    ['{"a": bcg_x}', 'is not valid JSON at line 1, column 7'],
    ['{"a": "\\x"}', 'is not valid JSON at line 1, column 7'],
    ['{"a": "b\nc"}', 'is not valid JSON at line 1, column 7'],
    ['{"a": 01}', 'is not valid JSON at line 1, column 7'],
    ["{'a': 1}", 'is not valid JSON at line 1, column 2'],
    ['{\n<<<<<<< HEAD\n  "a": 1\n}', 'is not valid JSON at line 2, column 1'],
    ['{} {}', 'is not valid JSON at line 1, column 4'],
    ['{"a": 1', 'ends before its JSON is complete'],
    ['{"": 1, ', 'ends before its JSON is complete'],
    ['', 'ends before its JSON is complete'],
    ['["a"]', 'is not a JSON object'],
    ['"a"', 'is not a JSON object'],
    ['1', 'is not a JSON object'],
    ['{"a": 1, "a": 2}', 'has a duplicate name at line 1, column 10'],
    ['{"a": {"b": 1,\n "c": [{"d": 1, "\\u0064": 2}]}}', 'has a duplicate name at line 2, column 17'],
  ])('is not %j: it %s', (text, failure) => {
    expect(parseObject(text)).toEqual({ ok: false, failure });
  });

  it('is what JSON.parse returns, unless a name is repeated', () => {
    const value = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue({ maxDepth: 4 }));
    const json = fc
      .record({ value, space: fc.constantFrom(0, 1, '\t') })
      .map((it) => JSON.stringify(it.value, null, it.space));
    const cut = fc.record({
      json,
      at: fc.nat(60),
      put: fc.constantFrom('', '"', '{', '}', ']', ',', ':', '0', 'e', '\\', 'null', ' '),
    });
    const broken = cut.map(({ json, at, put }) => json.slice(0, at) + put + json.slice(at + 1));
    fc.assert(
      fc.property(fc.oneof(json, broken), (text) => {
        const found = parseObject(text);
        const parsed = parseJson(text);
        const isRepeated = parsed !== undefined && outlineOf(text).repeated.length > 0;
        expect(found.ok).toBe(isRecord(parsed) && !isRepeated);
        if (found.ok) expect(found.value).toEqual(parsed);
        else expect(found.failure === 'is not a JSON object').toBe(parsed !== undefined && !isRepeated);
      }),
      { numRuns: 2_000 },
    );
  });

  it('may have an error after a hundred thousand tokens', () => {
    const text = `{"a": [${'{"b": "c"}, '.repeat(20_000)}}`;
    expect(parseObject(text)).toEqual({ ok: false, failure: `is not valid JSON at line 1, column ${text.length}` });
  });
});

it('a place is a line and a column, counted from 1', () => {
  expect([placeOf('', 0), placeOf('ab\ncd', 1), placeOf('ab\ncd', 3), placeOf('ab\ncd', 5)]).toEqual([
    'line 1, column 1',
    'line 1, column 2',
    'line 2, column 1',
    'line 2, column 3',
  ]);
});

it('anything but an object counts as an empty one', () => {
  expect([recordOf({ a: 1 }), recordOf(null), recordOf([1]), recordOf('a')]).toEqual([{ a: 1 }, {}, {}, {}]);
});
