/** The JSON Schema of a problem. */
import { Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import { problemSchema } from '../../src/http/schemas.ts';
import { problemBody } from '../../src/problems/problem.ts';

const context = ['https://gateway.test', '/images/m-custom01', 'r'] as const;

describe('the problem schema', () => {
  const validator = new Validator(JSON.parse(JSON.stringify(problemSchema)), '2020-12');
  const body = problemBody({ code: 'unauthenticated' }, ...context);

  it('accepts a problem of the table', () => {
    expect(validator.validate(body).valid).toBe(true);
  });

  it.each([
    ['a status other than that of the code', { status: 403 }],
    ['a title other than that of the code', { title: 'x' }],
    ['an outcome that the code cannot have', { outcome: 'unknown' }],
    ['a retry advice other than that of the code', { retryable: true }],
    ['an unknown code', { code: 'teapot' }],
    ['an additional member', { message: 'x' }],
    ["Baidu's message", { upstream: { status: 1, code: null, requestId: null, message: 'x' } }],
  ])('refuses %s', (_what, change) => {
    expect(validator.validate({ ...body, ...change }).valid).toBe(false);
  });

  it.each(Object.keys(body))('refuses a problem without %s', (member) => {
    const rest = Object.fromEntries(Object.entries(body).filter(([name]) => name !== member));
    expect(validator.validate(rest).valid).toBe(false);
  });
});
