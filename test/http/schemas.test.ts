/** The JSON Schema of a problem. */
import { Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import { problemSchema } from '../../src/http/schemas.ts';
import { PROBLEMS } from '../../src/problems/failure.ts';
import { problemBody } from '../../src/problems/problem.ts';

const context = { origin: 'https://gateway.test', path: '/images/m-custom01', requestId: 'r' };

describe('the problem schema', () => {
  const validator = new Validator(JSON.parse(JSON.stringify(problemSchema)), '2020-12');
  const body = problemBody({ code: 'unauthenticated' }, context);

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

  it('lets no problem with an unknown outcome advise to try again, and has a place for where the fate is told', () => {
    const facts = { imageId: 'm-custom01', upstream: undefined, retryAfterS: undefined } as const;
    for (const code of ['upstream_timeout', 'upstream_throttled', 'image_creating'] as const) {
      const deletion = 'https://gateway.test/deletions?caller=a&imageId=m-custom01&requestId=r';
      const problem = problemBody({ ...facts, code, outcome: 'unknown' }, { ...context, deletion });
      expect(problem).toMatchObject({ retryable: false, deletion });
      expect(validator.validate(problem).valid).toBe(true);
      expect(validator.validate({ ...problem, retryable: true }).valid).toBe(false);
      const [outcome] = PROBLEMS[code].outcomes.filter((each) => each !== 'unknown');
      expect(validator.validate({ ...problem, outcome, retryable: true }).valid).toBe(true);
      expect(validator.validate({ ...problem, outcome }).valid).toBe(false);
    }
  });

  it('accepts the problem of a request for *, which is no path', () => {
    const problem = problemBody({ code: 'route_not_found' }, { ...context, path: '*' });
    expect(problem.instance).toBe('/');
    expect(validator.validate(problem).valid).toBe(true);
  });

  it.each(Object.keys(body))('refuses a problem without %s', (member) => {
    const rest = Object.fromEntries(Object.entries(body).filter(([name]) => name !== member));
    expect(validator.validate(rest).valid).toBe(false);
  });
});
