import { Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import { problemSchema } from '../../src/http/schemas.ts';
import { problemBody } from '../../src/problems/problem.ts';

const context = ['https://gateway.test', '/images/m-custom01', 'r'] as const;

describe('the schema', () => {
  const validator = new Validator(JSON.parse(JSON.stringify(problemSchema)), '2020-12');
  const body = problemBody({ code: 'unauthenticated' }, ...context);

  it('takes what the table says', () => {
    expect(validator.validate(body).valid).toBe(true);
  });

  it.each([
    ['another status', { status: 403 }],
    ['another title', { title: 'x' }],
    ['an outcome that cannot be', { outcome: 'unknown' }],
    ['another retry advice', { retryable: true }],
    ['a code of nobody', { code: 'teapot' }],
    ['a further member', { message: 'x' }],
    ['a part of Baidu that is not to be told', { upstream: { status: 1, code: null, requestId: null, message: 'x' } }],
  ])('refuses %s', (_what, change) => {
    expect(validator.validate({ ...body, ...change }).valid).toBe(false);
  });

  it.each(Object.keys(body))('refuses a body without %s', (member) => {
    const rest = Object.fromEntries(Object.entries(body).filter(([name]) => name !== member));
    expect(validator.validate(rest).valid).toBe(false);
  });
});
