/** The OpenAPI document. */
import { describe, expect, inject, it } from 'vitest';
import { isRecord } from '../../src/worker/json.ts';
import { DOCUMENT, documentedFailures } from '../answers.ts';
import { failure } from '../emulator/emulator.ts';
import { CALLERS, KEYS } from '../fixtures.ts';
import { bearer, createHarness, GATEWAY, type HarnessOptions, problemOf } from '../harness.ts';
import { AUDIENCE, part } from '../issuer.ts';

interface Scenario {
  options?: HarnessOptions;
  path?: string;
  headers?: Record<string, string>;
  /** Earlier calls, which use something up. */
  before?: string[];
  /** The caller's request id, the same in each of these calls. */
  requestId?: string;
}

const ID = '/images/m-custom01';
const refusing = { limit: async () => ({ success: false }) };
const silent = { limit: () => Promise.reject(new Error('down')) };
const noLedger = {
  getByName() {
    throw new Error('down');
  },
};
/** Baidu gives these answers in order, and then repeats the last. */
const answers = (...inTurn: readonly (readonly [status: number, code: string])[]) => {
  let calls = 0;
  return {
    fetch: async () => {
      const [status, code] = inTurn[Math.min(calls++, inTurn.length - 1)] ?? [500, ''];
      return failure(status, code, 'In words.', 'b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50');
    },
  };
};
const silence = { fetch: () => new Promise<never>(() => undefined), env: { UPSTREAM_DEADLINE_MS: '300' } };
const bug = {
  fetch: () => {
    throw new Error('a bug');
  },
};

/** An issuer that publishes no keys, so that its tokens cannot be checked. */
const ISSUERS = JSON.stringify({
  local: { issuer: 'nobody', audience: AUDIENCE, jwks: `${inject('issuerUrl')}/nobody/jwks` },
});
const NOW_S = Math.floor(Date.now() / 1000);
const CLAIMS = { iss: 'nobody', aud: AUDIENCE, iat: NOW_S, exp: NOW_S + 600 };
const TOKEN = [{ alg: 'ES256', kid: 'key-1' }, CLAIMS, 'x'].map(part).join('.');

/** A caller that may read metrics. */
const WITH_METRICS = JSON.stringify({ both: { ...CALLERS.both, scopes: ['metrics:read'] } });

/** Failures of every call but one over plain http. */
const PLAIN: Readonly<Record<string, Scenario>> = {
  'insecure_transport.not_attempted': { options: { origin: 'http://gateway.test' }, headers: bearer(KEYS.reader) },
};

/** Failures of every call that needs a caller, before it is admitted. */
const ADMISSION: Readonly<Record<string, Scenario>> = {
  ...PLAIN,
  'invalid_request.not_attempted': { headers: { Host: 'a b' } },
  'identity_unavailable.not_attempted': { options: { env: { ISSUERS } }, headers: bearer(TOKEN) },
  'unauthenticated.not_attempted': { headers: { Authorization: 'Bearer nobody' } },
  'rate_limited.not_attempted': { options: { env: { RATE_LIMITER_BURST: refusing } } },
  'rate_limiter_unavailable.not_attempted': { options: { env: { RATE_LIMITER_BURST: silent } } },
  'gateway_misconfigured.not_attempted': { options: { env: { BCE_ACCESS_KEY_ID: undefined } } },
};

const LOST = [500, 'InternalError'] as const;
/** Answers that mean that the deletion was not done, by the gateway's code. */
const REFUSALS = {
  upstream_rejected_credentials: [403, 'IamSignatureInvalid'],
  upstream_throttled: [429, 'TooManyRequests'],
  upstream_unexpected: [409, 'Image.IsOnHoliday'],
} as const;
const OF_THE_IMAGE = {
  image_not_custom: [400, 'Image.UnCustomImageCannotBeDeleted'],
  image_creating: [400, 'Image.CreatingImageCannotBeDeleted'],
  image_shared: [409, 'Image.ImageHasBeenSharedToOthers'],
} as const;

/** Failures of every call that reads from Baidu. `path` makes it read. */
const reading = (path: string): Record<string, Scenario> => ({
  ...Object.fromEntries(
    Object.entries(REFUSALS).map(([code, answer]) => [`${code}.not_attempted`, { path, options: answers(answer) }]),
  ),
  'upstream_error.not_attempted': { path, options: answers(LOST) },
  'upstream_timeout.not_attempted': { path, options: silence },
  'internal_error.not_attempted': { path, options: bug },
});

/** Failures of every call on an image. `path` makes it read from Baidu. */
const onImage = (path: string): Record<string, Scenario> => ({
  'invalid_image_id.not_attempted': { path: '/images/nonsense' },
  'image_not_found.already_absent': { path: path.replace('m-custom01', 'm-absent01') },
  ...reading(path),
});

/** Failures of a deletion that was sent. After an attempt with an unknown effect, a refusal proves nothing. */
const DELETING: Readonly<Record<string, Scenario>> = {
  ...Object.fromEntries(
    Object.entries({ ...REFUSALS, ...OF_THE_IMAGE }).flatMap(([code, answer]) => [
      [`${code}.rejected`, { options: answers(answer) }],
      [`${code}.unknown`, { options: answers(LOST, answer) }],
    ]),
  ),
  'upstream_error.unknown': { options: answers(LOST) },
  'upstream_timeout.unknown': { options: silence },
  'internal_error.unknown': { options: bug },
};

/** Failures of a page. */
const PAGE: Readonly<Record<string, Scenario>> = {
  ...PLAIN,
  'invalid_request.not_attempted': { headers: { Host: 'a b' } },
  'route_not_found.not_attempted': { options: { env: { ASSETS: undefined } } },
  'internal_error.not_attempted': {
    options: { env: { ASSETS: { fetch: async () => new Response(null, { status: 500 }) } } },
  },
};

const OPERATIONS: readonly [method: string, path: string, key: string, scenarios: Record<string, Scenario>][] = [
  [
    'DELETE',
    ID,
    KEYS.both,
    {
      ...ADMISSION,
      ...onImage(`${ID}?expectName=ci-build-1842`),
      ...DELETING,
      'permission_denied.not_attempted': { headers: bearer(KEYS.reader) },
      'image_protected.not_attempted': { options: { env: { PROTECTED_IMAGES: '["m-custom01"]' } } },
      'precondition_failed.not_attempted': { path: `${ID}?expectName=another` },
      'budget_exhausted.not_attempted': { options: { env: { DAILY_DELETIONS: '1' } }, before: ['/images/m-custom02'] },
      'deletion_in_progress.not_attempted': { options: answers(LOST), before: [ID] },
      'deletion_in_progress.unknown': { options: answers(LOST), before: [ID], requestId: 'job-1' },
      'deletions_disabled.not_attempted': { options: { env: { DELETIONS: 'disabled' } } },
      'ledger_unavailable.not_attempted': { options: { env: { LEDGER: noLedger } } },
    },
  ],
  [
    'GET',
    ID,
    KEYS.both,
    { ...ADMISSION, ...onImage(ID), 'permission_denied.not_attempted': { headers: bearer(KEYS.cleaner) } },
  ],
  [
    'GET',
    '/deletions',
    KEYS.both,
    {
      ...ADMISSION,
      'permission_denied.not_attempted': { path: '/deletions?caller=another' },
      'ledger_unavailable.not_attempted': { options: { env: { LEDGER: noLedger } } },
      'internal_error.not_attempted': {
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
      'permission_denied.not_attempted': { headers: bearer(KEYS.cleaner) },
      'ledger_unavailable.not_attempted': { options: { env: { CALLERS: WITH_METRICS, LEDGER: noLedger } } },
    },
  ],
  ['GET', '/readyz', KEYS.both, { ...ADMISSION, ...reading('/readyz?upstream=true') }],
  ['GET', '/healthz', '', { 'invalid_request.not_attempted': { headers: { Host: 'a b' } } }],
  ['GET', '/openapi.json', '', PAGE],
  ['GET', '/docs', '', PAGE],
  ['GET', '/console', '', PAGE],
  ['GET', '/assets/docs.js', '', PAGE],
  [
    'GET',
    '/problems/rate_limited',
    '',
    {
      ...PLAIN,
      'invalid_request.not_attempted': { headers: { Host: 'a b' } },
      'route_not_found.not_attempted': { path: '/problems/nothing' },
    },
  ],
];

/** An operation may have two dozen scenarios, each with its own gateway. */
const SCENARIOS_TIMEOUT_MS = 60_000;

describe('the OpenAPI document', () => {
  it('is the response to GET /openapi.json, with the gateway as its server', async () => {
    const document: unknown = await (await createHarness().call('GET', '/openapi.json', {})).json();
    expect(document).toEqual(DOCUMENT);
    expect(DOCUMENT.servers).toEqual([{ url: GATEWAY }]);
  });

  it('has exactly the routes of the app', () => {
    const routes = createHarness()
      .app.routes.filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/, '{$1}')}`);
    const operations = Object.entries(DOCUMENT.paths ?? {}).flatMap(([path, methods]) =>
      Object.keys(methods ?? {}).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(operations.sort()).toEqual(routes.sort());
  });

  it('says for every fingerprint whose key it is from', () => {
    const fingerprints = Object.values(DOCUMENT.components?.schemas ?? {}).flatMap(({ properties = {} }) =>
      Object.entries(properties).filter(([name]) => /fingerprint/i.test(name)),
    );
    expect(fingerprints.map(([name]) => name)).toEqual(['keyFingerprint', 'keyFingerprint']);
    for (const [, schema] of fingerprints)
      expect(schema).toMatchObject({ description: expect.stringMatching(/Baidu key.*[Nn]ot of the caller's/) });
  });

  it('keeps its operation ids, from which clients are generated', () => {
    const ids = Object.values(DOCUMENT.paths ?? {}).flatMap((methods) =>
      Object.values(methods ?? {}).map((operation) => isRecord(operation) && operation['operationId']),
    );
    expect(ids.sort()).toEqual(
      [
        'previewImage',
        'deleteImage',
        'listDeletions',
        'metrics',
        'healthz',
        'readyz',
        'openapi',
        'docs',
        'console',
        'pageFile',
        'explainProblem',
      ].sort(),
    );
  });

  // `answers.ts` checks the other direction: every failure in any test is listed.
  it.each(OPERATIONS)(
    'lists for %s %s only failures that can occur',
    async (method, path, key, scenarios) => {
      const answered: string[] = [];
      for (const [name, { options = {}, before = [], requestId, ...scenario }] of Object.entries(scenarios)) {
        const harness = createHarness(options);
        const headers = { ...bearer(key), ...(requestId && { 'X-Request-Id': requestId }) };
        for (const earlier of before) await harness.call(method, earlier, headers);
        const response = await harness.call(method, scenario.path ?? path, { ...headers, ...scenario.headers });
        const { code, outcome } = await problemOf(response);
        answered.push(`${code}.${outcome}`);
        expect(answered.at(-1), name).toBe(name);
      }
      // A bug can be anywhere, but nothing in these calls can be made to throw.
      const bugs = answered.some((name) => name.startsWith('internal_error')) ? [] : ['internal_error.not_attempted'];
      expect([...answered, ...bugs].sort()).toEqual(documentedFailures(method, path)?.sort());
    },
    SCENARIOS_TIMEOUT_MS,
  );
});
