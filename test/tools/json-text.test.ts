/** What a JSON text holds to the letter, and where it is broken. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { membersOf, placeOf } from '../../src/tools/json-text.ts';
import { parseJson } from '../../src/worker/json.ts';

describe('the members of a JSON text', () => {
  it('keep their order, their repetitions and the text of their values', () => {
    const text = '{ "b" : {"x":1,\n"x" : [ 2, {} ]} , "10":"a, \\"}","2": -1.5e+3 ,"b":null, "\\u0062": [] }\n';
    expect(membersOf(text)).toEqual({
      ok: true,
      value: [
        { name: 'b', json: '{"x":1,\n"x" : [ 2, {} ]}' },
        { name: '10', json: '"a, \\"}"' },
        { name: '2', json: '-1.5e+3' },
        { name: 'b', json: 'null' },
        { name: 'b', json: '[]' },
      ],
    });
    expect(membersOf('\t{\r\n}')).toEqual({ ok: true, value: [] });
  });

  it.each([
    ['{\n  "a": 1,\n}', 'is not JSON from line 3, column 1 on'],
    ['{"a": [1, 2,]}', 'is not JSON from line 1, column 13 on'],
    ['{"a": 1 "b": 2}', 'is not JSON from line 1, column 9 on'],
    ['{"a" 1}', 'is not JSON from line 1, column 6 on'],
    ['{"a": {]}', 'is not JSON from line 1, column 8 on'],
    ['{"a": [}', 'is not JSON from line 1, column 8 on'],
    ['{"a": bcg_x}', 'is not JSON from line 1, column 7 on'],
    ['{"a": "\\x"}', 'is not JSON from line 1, column 7 on'],
    ['{"a": "b\nc"}', 'is not JSON from line 1, column 7 on'],
    ['{"a": 01}', 'is not JSON from line 1, column 7 on'],
    ["{'a': 1}", 'is not JSON from line 1, column 2 on'],
    ['{\n<<<<<<< HEAD\n  "a": 1\n}', 'is not JSON from line 2, column 1 on'],
    ['{} {}', 'is not JSON from line 1, column 4 on'],
    ['\uFEFF{}', 'is not JSON from line 1, column 1 on'],
    ['{"a": 1', 'ends before its JSON does'],
    ['', 'ends before its JSON does'],
    ['["a"]', 'is not a JSON object'],
    ['"a"', 'is not a JSON object'],
    ['1', 'is not a JSON object'],
  ])('of %j are not there: it %s', (text, failure) => {
    expect(membersOf(text)).toEqual({ ok: false, failure });
  });

  it('are those that JSON.parse finds, and missing whenever it refuses', () => {
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
        const members = membersOf(text);
        const parsed = parseJson(text);
        const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
        expect(members.ok).toBe(isObject);
        if (!members.ok) {
          expect(members.failure === 'is not a JSON object').toBe(parsed !== undefined);
          return;
        }
        const found = new Map(members.value.map(({ name, json }) => [name, parseJson(json)]));
        expect(found).toEqual(new Map(Object.entries(parsed ?? {})));
      }),
      { numRuns: 2_000 },
    );
  });
});

it('tells a place by line and column, from 1', () => {
  expect([placeOf('', 0), placeOf('ab\ncd', 1), placeOf('ab\ncd', 3), placeOf('ab\ncd', 5)]).toEqual([
    'line 1, column 1',
    'line 1, column 2',
    'line 2, column 1',
    'line 2, column 3',
  ]);
});
