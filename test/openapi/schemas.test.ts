/** The JSON Schemas: lenient in the document, strict in the tests. */
import { Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import { isRecord } from '../../src/worker/json.ts';
import { PROBLEMS } from '../../src/worker/problems/failure.ts';
import { instanceOf, problemBody } from '../../src/worker/problems/problem.ts';
import { DOCUMENT, problemFaults } from '../answers.ts';

const context = { origin: 'https://gateway.test', instance: '/images/m-custom01', requestId: 'r' };
const body = problemBody({ code: 'unauthenticated' }, context);

describe('the schemas of the document', () => {
  const schemas = DOCUMENT.components?.schemas ?? {};
  const problem = new Validator({ $ref: '#/components/schemas/Problem', components: { schemas } }, '2020-12');

  it('let answers grow: no object forbids additional members, and no sentence is fixed', () => {
    const members = (part: unknown): [string, unknown][] => {
      if (Array.isArray(part)) return part.flatMap(members);
      return isRecord(part) ? Object.entries(part).flatMap(([name, inner]) => [[name, inner], ...members(inner)]) : [];
    };
    const all = members(schemas);
    expect(all.filter(([name]) => name === 'const' || name === 'additionalProperties')).toEqual([]);
    expect(all.filter(([name]) => name === 'properties').length).toBeGreaterThan(10);
    expect(problem.validate({ ...body, title: 'In other words', more: 1 }).valid).toBe(true);
  });

  it.each(['code', 'title', 'status', 'outcome', 'retryable', 'requestId'])('refuse a problem without %s', (member) => {
    const rest = Object.fromEntries(Object.entries(body).filter(([name]) => name !== member));
    expect(problem.validate(rest).valid).toBe(false);
  });
});

describe('a problem in the tests', () => {
  it('may be any from the table', () => {
    expect(problemFaults(body)).toBe('');
  });

  it.each([
    ['a status that does not fit the code', { status: 403 }],
    ['a title that does not fit the code', { title: 'x' }],
    ['an outcome that the code cannot have', { outcome: 'unknown' }],
    ['retry advice that does not fit the code', { retryable: true }],
    ['an unknown code', { code: 'teapot' }],
    ['an additional member', { message: 'x' }],
    ["Baidu's message", { upstream: { status: 1, code: null, requestId: null, message: 'x' } }],
  ])('may not have %s', (_what, change) => {
    expect(problemFaults({ ...body, ...change })).not.toBe('');
  });

  it('never advises a retry for an unknown outcome, and then has the URL of the final outcome', () => {
    const facts = { imageId: 'm-custom01', call: 'deletion', upstream: undefined, retryAfterS: undefined } as const;
    for (const code of ['upstream_timeout', 'upstream_throttled', 'image_creating'] as const) {
      const deletion = 'https://gateway.test/deletions?caller=a&imageId=m-custom01&requestId=r';
      const problem = problemBody({ ...facts, code, outcome: 'unknown' }, context, deletion);
      expect(problem).toMatchObject({ retryable: false, deletion });
      expect(problemFaults(problem)).toBe('');
      expect(problemFaults({ ...problem, retryable: true })).not.toBe('');
      const [outcome] = PROBLEMS[code].outcomes.filter((each) => each !== 'unknown');
      expect(problemFaults({ ...problem, outcome, retryable: true })).toBe('');
      expect(problemFaults({ ...problem, outcome })).not.toBe('');
    }
  });

  it('has the instance / for a request for *, which is not a path', () => {
    const problem = problemBody({ code: 'route_not_found' }, { ...context, instance: instanceOf('*') });
    expect(problem.instance).toBe('/');
    expect(problemFaults(problem)).toBe('');
  });
});
