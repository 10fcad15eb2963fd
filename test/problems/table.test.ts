/** The table of codes, and everything that must say the same as it. */
import { Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import readme from '../../README.md?raw';
import { RATE_LIMITS } from '../../src/callers/rate-limits.ts';
import { problemSchema } from '../../src/http/schemas.ts';
import { isImageId } from '../../src/image-id.ts';
import { type Failure, isProblemCode, outcomeOf, PROBLEMS } from '../../src/problems/failure.ts';
import { problemBody } from '../../src/problems/problem.ts';
import wranglerToml from '../../wrangler.toml?raw';
import { createHarness, problemOf } from '../harness.ts';

const codes = Object.keys(PROBLEMS).filter(isProblemCode);
const context = ['https://gateway.test', '/images/m-custom01', 'r'] as const;

describe('each code', () => {
  it.each(codes)('%s is explained where its type points to', async (code) => {
    const response = await createHarness().call('GET', `/problems/${code}`, {});
    const { status, outcomes, retryable, title, explanation } = PROBLEMS[code];
    expect([response.status, await response.json()]).toEqual([
      200,
      { code, status, outcomes, retryable, title, explanation },
    ]);
  });

  it.each(codes)('%s stands in the README with its status, outcomes and retry advice', (code) => {
    const { status, outcomes, retryable } = PROBLEMS[code];
    const row = `| \`${code}\` | ${status} | ${outcomes.join(', ')} | ${retryable ? 'yes' : 'no'} |`;
    expect(readme).toContain(row);
  });

  it('has no twin with its title', () => {
    expect(new Set(codes.map((code) => PROBLEMS[code].title)).size).toBe(codes.length);
  });
});

describe('the detail', () => {
  const imageId = 'm-custom01';
  if (!isImageId(imageId)) throw new Error('not an image id');
  const upstream = { imageId, upstream: undefined, retryAfterS: undefined };
  const never = 'No deletion of m-custom01 was sent, because what comes before it failed or took too long.';
  const unknown = 'Whether m-custom01 was deleted is not known.';
  const safe = `${unknown} It is safe to delete it again.`;
  it.each<[Failure, string]>([
    [{ ...upstream, code: 'upstream_unexpected', outcome: 'not_attempted' }, never],
    [{ ...upstream, code: 'upstream_unexpected', outcome: 'unknown' }, unknown],
    [
      { ...upstream, code: 'upstream_unexpected', outcome: 'rejected' },
      'Baidu refused to delete m-custom01 for a reason that is not documented.',
    ],
    [{ ...upstream, code: 'upstream_error', outcome: 'not_attempted' }, never],
    [{ ...upstream, code: 'upstream_error', outcome: 'unknown' }, safe],
    [{ ...upstream, code: 'upstream_timeout', outcome: 'not_attempted' }, never],
    [{ ...upstream, code: 'upstream_timeout', outcome: 'unknown' }, safe],
    [{ code: 'internal_error', outcome: 'not_attempted' }, 'No deletion was sent to Baidu.'],
    [{ code: 'internal_error', outcome: 'unknown' }, 'Whether the image was deleted is not known.'],
  ])('claims no more than is known: %j', (failure, sentence) => {
    expect(problemBody(failure, ...context)).toMatchObject({ outcome: outcomeOf(failure), detail: sentence });
  });

  it('is another for each code', () => {
    const failures: Failure[] = [
      { code: 'invalid_image_id', rule: 'x' },
      { code: 'unauthenticated' },
      { code: 'route_not_found' },
      { code: 'deletions_disabled' },
      { code: 'ledger_unavailable' },
      { code: 'rate_limiter_unavailable' },
      { code: 'invalid_request', fault: 'unknown_parameter' },
      { code: 'invalid_request', fault: 'repeated_parameter' },
      { code: 'invalid_request', fault: 'unexpected_body' },
      { code: 'invalid_request', fault: { parameter: 'limit', rule: 'a whole number' } },
      { code: 'permission_denied', missing: 'name' },
      { code: 'permission_denied', missing: 'images:delete' },
      { code: 'image_protected', imageId, by: 'id' },
      { code: 'image_protected', imageId, by: 'name' },
      { code: 'precondition_failed', imageId },
      { code: 'budget_exhausted', budget: 7, retryAfterS: 1 },
      { code: 'method_not_allowed', allow: ['GET', 'HEAD'] },
      { code: 'rate_limited', requests: 20, periodS: 10, policy: '' },
      { code: 'rate_limited', requests: 60, periodS: 60, policy: '' },
      { code: 'gateway_misconfigured' },
      ...(
        [
          'image_not_found',
          'image_not_custom',
          'image_creating',
          'image_shared',
          'upstream_rejected_credentials',
          'upstream_throttled',
        ] as const
      ).map((code) => ({ ...upstream, code, outcome: PROBLEMS[code].outcomes[0] })),
    ];
    const details = failures.map((failure) => problemBody(failure, ...context).detail);
    expect(new Set(details).size).toBe(failures.length);
    for (const sentence of details) expect(sentence).toMatch(/^(?!.*undefined)[^\s].*\.$/);
    expect(details).toContain('This path takes GET, HEAD.');
    expect(details.at(-1)).toContain('Retry-After');
  });
});

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

describe('the instance', () => {
  it('is the path, cut where it is long, and never in the middle of an escape', async () => {
    const harness = createHarness();
    for (const path of [`/${'a'.repeat(300)}`, `/${'a'.repeat(253)}%20b`, `/${'a'.repeat(254)}%20b`]) {
      const { instance } = await problemOf(await harness.call('GET', path));
      expect(instance).toMatch(/^\/a{253,255}$/);
    }
    expect((await problemOf(await harness.call('GET', '/a%20b%25')))['instance']).toBe('/a%20b%25');
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
  it.each(Object.values(RATE_LIMITS))('of $binding are those of wrangler.toml', ({ binding, requests, periodS }) => {
    const section = wranglerToml.split('[[ratelimits]]').find((text) => text.includes(`"${binding}"`));
    expect(section).toContain(`simple = { limit = ${requests}, period = ${periodS} }`);
  });
});
