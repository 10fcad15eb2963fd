/** The OpenAPI document. */
import { describe, expect, inject, it } from 'vitest';
import { problemSchema } from '../../src/http/schemas.ts';
import { failure } from '../emulator/emulator.ts';
import { CALLERS, KEYS } from '../fixtures.ts';
import { bearer, createHarness, documentedCodes, type HarnessOptions, problemOf } from '../harness.ts';
import { AUDIENCE, part } from '../issuer.ts';

interface Scenario {
  options?: HarnessOptions;
  path?: string;
  headers?: Record<string, string>;
  /** Calls made before, to use something up. */
  before?: string[];
}

const ID = '/images/m-custom01';
const refusing = { limit: async () => ({ success: false }) };
const silent = { limit: () => Promise.reject(new Error('down')) };
const noLedger = {
  getByName() {
    throw new Error('down');
  },
};
const answers = (status: number, code: string, headers: Record<string, string> = {}) => ({
  fetch: async () => failure(status, code, 'In words.', 'b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50', headers),
});

/** An issuer that publishes no keys, so that nobody can tell whether a token of its is genuine. */
const ISSUERS = JSON.stringify({
  local: { issuer: 'nobody', audience: AUDIENCE, jwks: `${inject('issuerUrl')}/nobody/jwks` },
});
const NOW_S = Math.floor(Date.now() / 1000);
const CLAIMS = { iss: 'nobody', aud: AUDIENCE, iat: NOW_S, exp: NOW_S + 600 };
const TOKEN = [{ alg: 'ES256', kid: 'key-1' }, CLAIMS, 'x'].map(part).join('.');

/** A caller that may read metrics. */
const WITH_METRICS = JSON.stringify({ both: { ...CALLERS.both, scopes: ['metrics:read'] } });

/** How each call that needs a caller can fail before it is let through. */
const ADMISSION: Readonly<Record<string, Scenario>> = {
  invalid_request: { headers: { Host: 'a b' } },
  identity_unavailable: { options: { env: { ISSUERS } }, headers: bearer(TOKEN) },
  unauthenticated: { headers: { Authorization: 'Bearer nobody' } },
  rate_limited: { options: { env: { RATE_LIMITER_BURST: refusing } } },
  rate_limiter_unavailable: { options: { env: { RATE_LIMITER_BURST: silent } } },
  gateway_misconfigured: { options: { env: { BCE_ACCESS_KEY_ID: undefined } } },
};
/** How each call that reads from Baidu can fail. */
const UPSTREAM: Readonly<Record<string, Scenario>> = {
  invalid_image_id: { path: '/images/nonsense' },
  image_not_found: { path: '/images/m-absent01' },
  upstream_rejected_credentials: { options: answers(403, 'IamSignatureInvalid') },
  upstream_throttled: { options: answers(429, 'TooManyRequests') },
  upstream_unexpected: { options: answers(409, 'Image.IsOnHoliday') },
  upstream_error: { options: answers(500, 'InternalError') },
  upstream_timeout: { options: { fetch: () => new Promise(() => undefined), env: { UPSTREAM_DEADLINE_MS: '300' } } },
  internal_error: {
    options: {
      fetch: () => {
        throw new Error('a bug');
      },
    },
  },
};

const OPERATIONS: readonly [method: string, path: string, key: string, scenarios: Record<string, Scenario>][] = [
  [
    'DELETE',
    ID,
    KEYS.both,
    {
      ...ADMISSION,
      ...UPSTREAM,
      permission_denied: { headers: bearer(KEYS.reader) },
      image_protected: { options: { env: { PROTECTED_IMAGES: '["m-custom01"]' } } },
      precondition_failed: { path: `${ID}?expectName=another` },
      budget_exhausted: { options: { env: { DAILY_DELETIONS: '1' } }, before: ['/images/m-custom02'] },
      image_not_custom: { path: '/images/m-system01' },
      image_creating: { path: '/images/m-create01' },
      image_shared: { path: '/images/m-shared01' },
      deletions_disabled: { options: { env: { DELETIONS: 'disabled' } } },
      ledger_unavailable: { options: { env: { LEDGER: noLedger } } },
    },
  ],
  ['GET', ID, KEYS.both, { ...ADMISSION, ...UPSTREAM, permission_denied: { headers: bearer(KEYS.cleaner) } }],
  [
    'GET',
    '/deletions',
    KEYS.both,
    {
      ...ADMISSION,
      permission_denied: { path: '/deletions?caller=another' },
      ledger_unavailable: { options: { env: { LEDGER: noLedger } } },
      internal_error: {
        options: { env: { LEDGER: { getByName: () => ({ history: async () => [{ reservedAtMs: Number.NaN }] }) } } },
      },
    },
  ],
  [
    'GET',
    '/metrics',
    KEYS.both,
    {
      ...ADMISSION,
      permission_denied: { headers: bearer(KEYS.cleaner) },
      ledger_unavailable: { options: { env: { CALLERS: WITH_METRICS, LEDGER: noLedger } } },
    },
  ],
  ['GET', '/readyz', KEYS.both, ADMISSION],
  ['GET', '/healthz', '', { invalid_request: { headers: { Host: 'a b' } } }],
  ['GET', '/openapi.json', '', { invalid_request: { headers: { Host: 'a b' } } }],
  [
    'GET',
    '/problems/rate_limited',
    '',
    { invalid_request: { headers: { Host: 'a b' } }, route_not_found: { path: '/problems/nothing' } },
  ],
];

describe('the OpenAPI document', () => {
  it('has every route and the problem schema', async () => {
    const { app, call } = createHarness();
    const document: unknown = await (await call('GET', '/openapi.json', {})).json();
    expect(document).toMatchObject({
      openapi: '3.1.1',
      servers: [{ url: 'https://gateway.test' }],
      components: { schemas: { Problem: JSON.parse(JSON.stringify(problemSchema)) } },
    });
    const routes = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ path }) => path.replace(/:(\w+)/, '{$1}'));
    for (const route of routes) expect(document).toHaveProperty(['paths', route]);
  });

  // The harness checks the other direction: no answer of any test has a code that is not listed.
  it.each(OPERATIONS)('lists for %s %s no code that cannot be answered', async (method, path, key, scenarios) => {
    const answered: string[] = [];
    for (const [code, { options = {}, headers = {}, before = [], ...scenario }] of Object.entries(scenarios)) {
      const harness = createHarness(options);
      for (const earlier of before) await harness.call(method, earlier, bearer(key));
      const response = await harness.call(method, scenario.path ?? path, { ...bearer(key), ...headers });
      answered.push(String((await problemOf(response))['code']));
      expect(answered.at(-1), code).toBe(code);
    }
    // A bug can be anywhere, but nothing that these calls do can be made to throw.
    const unthrowable = answered.includes('internal_error') ? [] : ['internal_error'];
    expect([...answered, ...unthrowable].sort()).toEqual(documentedCodes(method, path)?.sort());
  });
});
