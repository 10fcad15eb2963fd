/** The table of codes, and everything that must say the same as it. */
import { Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import readme from '../README.md?raw';
import { LIMITS } from '../src/limits.ts';
import { isProblemCode, PROBLEMS, problemBody, rowOf } from '../src/problem.ts';
import { problemSchema } from '../src/problem-schema.ts';
import wranglerToml from '../wrangler.toml?raw';
import { createHarness, problemOf } from './harness.ts';

const codes = Object.keys(PROBLEMS).filter(isProblemCode);
const context = { origin: 'https://gateway.test', path: '/images/m-custom01', requestId: 'r' };

describe('each code', () => {
  it.each(codes)('%s is explained where its type points to', async (code) => {
    const response = await createHarness().call('GET', `/problems/${code}`, {});
    expect([response.status, await response.json()]).toEqual([200, { code, ...rowOf(code) }]);
  });

  it.each(codes)('%s stands in the README with its status, outcomes and retry advice', (code) => {
    const { status, outcomes, retryable } = rowOf(code);
    const row = `| \`${code}\` | ${status} | ${outcomes.join(', ')} | ${retryable ? 'yes' : 'no'} |`;
    expect(readme).toContain(row);
  });

  it('has no twin with its title', () => {
    expect(new Set(codes.map((code) => rowOf(code).title)).size).toBe(codes.length);
  });
});

describe('the schema', () => {
  const validator = new Validator(JSON.parse(JSON.stringify(problemSchema)), '2020-12');
  const body = problemBody({ code: 'unauthenticated' }, context);

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

describe('the instance', () => {
  it('is the path, cut where it is long, and never in the middle of an escape', async () => {
    const harness = createHarness();
    for (const path of [`/${'a'.repeat(300)}`, `/${'a'.repeat(253)}%20b`, `/${'a'.repeat(254)}%20b`]) {
      const { instance } = await problemOf(await harness.call('GET', path));
      expect(instance).toMatch(/^\/a{253,255}$/);
    }
  });
});

describe('the OpenAPI document', () => {
  it('has every route, every code and the schema', async () => {
    const response = await createHarness().call('GET', '/openapi.json', {});
    const document: unknown = await response.json();
    expect(document).toMatchObject({
      openapi: '3.1.1',
      servers: [{ url: 'https://gateway.test' }],
      components: { schemas: { Problem: JSON.parse(JSON.stringify(problemSchema)) } },
    });
    const { app } = createHarness();
    const routes = new Set(
      app.routes.filter(({ method }) => method !== 'ALL').map(({ path }) => path.replace(/:(\w+)/, '{$1}')),
    );
    expect(document).toHaveProperty('paths', expect.anything());
    const text = JSON.stringify(document);
    for (const route of routes) expect(text).toContain(`"${route}":`);
    for (const code of codes) expect(text).toContain(code);
  });
});

describe('the rate limits', () => {
  it.each(Object.values(LIMITS))('of $binding are those of wrangler.toml', ({ binding, limit, periodS }) => {
    const section = wranglerToml.split('[[ratelimits]]').find((text) => text.includes(`"${binding}"`));
    expect(section).toContain(`simple = { limit = ${limit}, period = ${periodS} }`);
  });
});
