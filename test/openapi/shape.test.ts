/** One statement of a body: its JSON Schema, its guard, and what the compiler refuses. */
import { describe, expect, it } from 'vitest';
import {
  boolean,
  dateTime,
  described,
  integer,
  list,
  named,
  nullable,
  object,
  oneOf,
  openSet,
  optional,
  text,
} from '../../src/openapi/shape.ts';

interface Row {
  readonly name: string;
  readonly code: string | null;
  readonly count?: number;
}
const row = object<Row>({ name: text, code: nullable(text), count: optional(integer) });

describe('a shape', () => {
  it.each([
    ['text', text, ['', 'x'], [7, null, undefined, {}]],
    ['an integer', integer, [0, -7], [7.5, Number.NaN, '7', null]],
    ['a boolean', boolean, [true, false], [0, 'true', null]],
    ['a date-time', dateTime, ['2026-11-25T08:00:00.000Z'], ['yesterday', '', 7, null]],
    ['one of a closed set', oneOf(['a', 'b']), ['a', 'b'], ['c', 'toString', '', null, ['a']]],
    ['one of an open set', openSet(['a'], /^[a-z]$/), ['a', 'c'], ['A', 'ab', '', null]],
    ['null or text', nullable(text), [null, ''], [undefined, 7]],
    ['null or one of a closed set', nullable(oneOf(['a'])), [null, 'a'], [undefined, 'b']],
    ['a list', list(integer), [[], [1, 2]], [[1, 'x'], { length: 0 }, 'x', null]],
  ])('for %s accepts exactly that', (_what, { is }, taken, refused) => {
    for (const value of taken) expect(is(value), JSON.stringify(value)).toBe(true);
    for (const value of refused) expect(is(value), JSON.stringify(value)).toBe(false);
  });

  it('for an object checks each member and ignores others', () => {
    for (const value of [
      { name: 'x', code: null },
      { name: 'x', code: 'y', count: 1, color: 'red' },
    ]) {
      expect(row.is(value)).toBe(true);
    }
    for (const value of [{ name: 'x' }, { code: null }, { name: 'x', code: null, count: null }, [], 'x', null]) {
      expect(row.is(value)).toBe(false);
    }
  });

  it('is JSON Schema', () => {
    expect(row.schema).toEqual({
      type: 'object',
      required: ['name', 'code'],
      properties: { name: { type: 'string' }, code: { type: ['string', 'null'] }, count: { type: 'integer' } },
    });
    expect(list(nullable(oneOf(['a']))).schema).toEqual({
      type: 'array',
      items: { type: ['string', 'null'], enum: ['a', null] },
    });
    expect(described(text, 'What.', { minLength: 1 }).schema).toEqual({
      type: 'string',
      minLength: 1,
      description: 'What.',
    });
  });

  it('with a name becomes a reference, and keeps its guard', () => {
    const shape = named('Row', row);
    expect(list(shape).schema).toEqual({ type: 'array', items: { $ref: '#/components/schemas/Row' } });
    expect(shape.definition).toBe(row.schema);
    expect(list(shape).is([{ name: 'x', code: null }])).toBe(true);
    expect(list(shape).is([{ name: 'x' }])).toBe(false);
  });

  it('compiles only with exactly the members of its type', () => {
    // @ts-expect-error a missing member
    object<Row>({ name: text, code: nullable(text) });
    // @ts-expect-error an additional member
    object<Row>({ name: text, code: nullable(text), count: optional(integer), more: text });
    // @ts-expect-error null is missing
    object<Row>({ name: text, code: text, count: optional(integer) });
    // @ts-expect-error null is not in the type
    object<Row>({ name: nullable(text), code: nullable(text), count: optional(integer) });
    // @ts-expect-error an optional member is required
    object<Row>({ name: text, code: nullable(text), count: integer });
    // @ts-expect-error a value is missing
    object<{ readonly word: 'a' | 'b' }>({ word: oneOf(['a']) });
  });
});
