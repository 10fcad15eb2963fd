/** What the preview promises, the deletion does. */
import { Validator } from '@cfworker/json-schema';
import { describe, expect, it } from 'vitest';
import { previewSchema } from '../../src/http/schemas.ts';
import { catalogue } from '../emulator/catalogue.ts';
import { KEYS } from '../fixtures.ts';
import { createHarness, type HarnessOptions, problemOf } from '../harness.ts';

const validator = new Validator(JSON.parse(JSON.stringify(previewSchema)), '2020-12');
const as = (key: string) => ({ Authorization: `Bearer ${key}` });
type Harness = ReturnType<typeof createHarness>;

interface Preview {
  deletable: boolean | null;
  sharedWith: number | null;
  blockers: { code: string; detail: string }[];
}

async function previewOf(harness: Harness, id: string, key = KEYS.both): Promise<Preview> {
  const response = await harness.call('GET', `/images/${id}`, as(key));
  const body: Preview = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(200);
  expect(validator.validate(body).errors).toEqual([]);
  expect(response.headers.get('cache-control')).toBe('no-store');
  return body;
}

const codes = ({ blockers }: Preview) => blockers.map(({ code }) => code);

describe('the preview', () => {
  it('says what the image is, whether it can be deleted, and what stands in the way', async () => {
    const harness = createHarness();
    expect(await previewOf(harness, 'm-custom01')).toEqual({
      id: 'm-custom01',
      name: 'ci-build-1842',
      type: 'Custom',
      status: 'Available',
      desc: '',
      osName: 'Ubuntu',
      osVersion: '22.04 LTS amd64 (64bit)',
      createTime: '2026-11-02T06:17:03Z',
      sharedWith: 0,
      deletable: true,
      blockers: [],
      requestId: expect.any(String),
      upstreamRequestId: expect.any(String),
    });
    expect(harness.requests.map(({ method, url }) => `${method} ${new URL(url).pathname}`)).toEqual([
      'GET /v2/image/m-custom01',
      'GET /v2/image/m-custom01/sharedUsers',
    ]);
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
    expect(harness.lines.map(({ record }) => record)).toEqual([
      expect.objectContaining({
        'http.request.method': 'GET',
        'image.id': 'm-custom01',
        decision: 'allowed',
        attempts: 2,
      }),
    ]);
  });

  it('names each blocker with a code of the table and a sentence', async () => {
    const blockersOf = async (id: string) => (await previewOf(createHarness(), id)).blockers;
    expect(await blockersOf('m-system01')).toEqual([
      { code: 'image_not_custom', detail: expect.stringContaining('m-system01') },
    ]);
    expect(await blockersOf('m-integr01')).toEqual([{ code: 'image_not_custom', detail: expect.any(String) }]);
    expect(await blockersOf('m-create01')).toEqual([{ code: 'image_creating', detail: expect.any(String) }]);
    expect(await blockersOf('m-shared01')).toEqual([{ code: 'image_shared', detail: expect.any(String) }]);
    expect(await blockersOf('m-failed01')).toEqual([]);
  });

  it('lists all of them together', async () => {
    const env = {
      DELETIONS: 'disabled',
      PROTECTED_IMAGES: '["m-shared01"]',
      PROTECTED_NAMES: '["golden-*"]',
      DAILY_DELETIONS: '0',
    };
    const harness = createHarness({ env });
    expect(codes(await previewOf(harness, 'm-shared01', KEYS.reader))).toEqual([
      'deletions_disabled',
      'image_protected',
      'permission_denied',
      'image_protected',
      'image_shared',
      'budget_exhausted',
    ]);
    expect(codes(await previewOf(harness, 'm-shared01', KEYS.named))).toContain('permission_denied');
  });

  it('says so where a read cannot tell whether the image is shared', async () => {
    const harness = createHarness();
    harness.emulator.faults.push({ deletes: true, answer: 'normal' });
    harness.emulator.misbehave('route_unknown');
    const preview = await previewOf(harness, 'm-custom01');
    expect([preview.sharedWith, preview.deletable, preview.blockers]).toEqual([null, null, []]);
  });

  it('is refused without the scope, and takes no parameter', async () => {
    const harness = createHarness();
    const refused = await harness.call('GET', '/images/m-custom01', as(KEYS.cleaner));
    expect(await problemOf(refused)).toMatchObject({
      code: 'permission_denied',
      detail: 'This needs the scope images:read.',
    });
    const strange = await harness.call('GET', '/images/m-custom01?allowMissing=true', as(KEYS.reader));
    expect(await problemOf(strange)).toMatchObject({ code: 'invalid_request' });
    const malformed = await harness.call('GET', '/images/i-custom01', as(KEYS.reader));
    expect(await problemOf(malformed)).toMatchObject({ code: 'invalid_image_id' });
    expect(harness.requests).toHaveLength(0);
  });

  it('counts in the rate limit', async () => {
    const counted: string[] = [];
    const limit = async ({ key }: { key: string }) => {
      counted.push(key);
      return { success: true };
    };
    await previewOf(createHarness({ env: { RATE_LIMITER_BURST: { limit } } }), 'm-custom01', KEYS.reader);
    expect(counted).toEqual(['reader']);
  });

  it.each([
    ['hang', 'upstream_timeout'],
    ['drop_before', 'upstream_error'],
    ['html_502', 'upstream_error'],
    ['half_json_500', 'upstream_error'],
    ['throttled', 'upstream_throttled'],
  ] as const)('that meets %s twice is %s, and attempted nothing', async (fault, code) => {
    const harness = createHarness();
    harness.emulator.misbehave(fault, fault);
    const response = await harness.call('GET', '/images/m-custom01', as(KEYS.reader));
    expect(await problemOf(response)).toMatchObject({ code, outcome: 'not_attempted' });
    expect(harness.emulator.calls.every(({ method, deleted }) => method === 'GET' && !deleted)).toBe(true);
  });

  const image = { id: 'm-custom01', name: 'x', type: 'Custom', status: 'Available' };
  it.each<[string, unknown]>([
    ['another image', { image: { ...image, id: 'm-other001' } }],
    ['an image without a name', { image: { ...image, name: undefined } }],
    ['an image without a type', { image: { ...image, type: undefined } }],
    ['an image without a status', { image: { ...image, status: undefined } }],
    ['a name that is no text', { image: { ...image, name: 7 } }],
    ['a name longer than Baidu allows', { image: { ...image, name: 'x'.repeat(257) } }],
    ['no image', {}],
    ['a list', []],
    ['text', 'image'],
  ])('that is answered with %s is upstream_unexpected', async (_what, body) => {
    const harness = createHarness({ fetch: async () => Response.json(body, { headers: { 'x-bce-request-id': 'r' } }) });
    const response = await harness.call('GET', '/images/m-custom01', as(KEYS.reader));
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_unexpected', outcome: 'not_attempted' });
  });

  it('names the ledger as a blocker where that does not answer', async () => {
    const broken = { getByName: () => ({ peek: () => Promise.reject(new Error('down')) }) };
    const preview = await previewOf(createHarness({ env: { LEDGER: broken } }), 'm-custom01');
    expect([codes(preview), preview.deletable]).toEqual([['ledger_unavailable'], false]);
  });
});

describe('state by state, what the preview promises', () => {
  const worlds: [string, NonNullable<HarnessOptions['env']>][] = [
    ['as it is', {}],
    ['with protected ids', { PROTECTED_IMAGES: '["m-custom01","m-system01"]' }],
    ['with protected names', { PROTECTED_NAMES: '["ci-*","golden-*"]' }],
    ['with all names protected', { PROTECTED_NAMES: '["*"]' }],
    ['with deletions disabled', { DELETIONS: 'disabled' }],
    ['with no budget', { DAILY_DELETIONS: '0' }],
  ];
  const callers = Object.entries(KEYS).filter(([name]) => name !== 'cleaner' && name !== 'auditor');
  const cases = worlds.flatMap(([world, env]) =>
    callers.flatMap(([caller, key]) =>
      [...catalogue().map(({ id }) => id), 'm-absent01'].map((id) => ({ world, env, caller, key, id })),
    ),
  );

  it.each(cases)('the deletion does: $world, $caller, $id', async ({ env, key, id, caller }) => {
    const harness = createHarness({ env });
    const reader = caller === 'reader';
    const response = await harness.call('GET', `/images/${id}`, as(key));
    const promised: string[] =
      response.status === 404 ? ['image_not_found'] : codes(await previewOf(createHarness({ env }), id, key));
    const deletion = await harness.call('DELETE', `/images/${id}`, as(key));
    if (promised.length === 0) {
      expect(deletion.status).toBe(200);
      return;
    }
    const { code } = await problemOf(deletion);
    // An absent image has no state to block it, but what is asked before Baidu is asked first.
    const before = ['permission_denied', 'deletions_disabled', 'image_protected', 'budget_exhausted'];
    expect(response.status === 404 ? [...promised, ...before] : promised).toContain(code);
    if (reader) expect(code).toBe('permission_denied');
  });
});

describe('protection and names', () => {
  it('beats every scope, by id without a call to Baidu, by name with one read and no deletion', async () => {
    const byId = createHarness({ env: { PROTECTED_IMAGES: '["m-custom01"]' } });
    const first = await byId.call('DELETE', '/images/m-custom01');
    expect(await problemOf(first)).toMatchObject({
      code: 'image_protected',
      detail: 'm-custom01 is protected by its id.',
    });
    expect(byId.requests).toHaveLength(0);

    const byName = createHarness({ env: { PROTECTED_NAMES: '["ci-build-1842"]' } });
    const second = await byName.call('DELETE', '/images/m-custom01');
    expect(await problemOf(second)).toMatchObject({
      code: 'image_protected',
      outcome: 'not_attempted',
      detail: 'm-custom01 is protected by its name.',
    });
    expect(byName.requests.map(({ method }) => method)).toEqual(['GET']);
    expect((await byName.call('DELETE', '/images/m-custom02')).status).toBe(200);
    expect(byName.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'DELETE']);
  });

  it('holds a caller to its names', async () => {
    const harness = createHarness();
    expect((await harness.call('DELETE', '/images/m-custom01', as(KEYS.named))).status).toBe(200);
    const refused = await harness.call('DELETE', '/images/m-custom03', as(KEYS.named));
    expect(await problemOf(refused)).toMatchObject({
      code: 'permission_denied',
      detail: 'The name of the image is not among those that this caller may delete.',
    });
    expect(harness.emulator.images.has('m-custom03')).toBe(true);
  });

  it('reads nothing where no rule asks for a name', async () => {
    const harness = createHarness({ env: { PROTECTED_IMAGES: '["m-system01"]' } });
    await harness.call('DELETE', '/images/m-custom01');
    expect(harness.requests.map(({ method }) => method)).toEqual(['DELETE']);
  });

  it.each([
    'hang',
    'drop_before',
    'html_502',
    'html_200',
    'half_json_200',
    'nothing_404',
    'iam_signature_invalid',
    'redirect',
  ] as const)('deletes nothing where the read meets with %s', async (fault) => {
    const harness = createHarness();
    harness.emulator.misbehave(fault, fault);
    const response = await harness.call('DELETE', '/images/m-custom01', as(KEYS.named));
    expect(await problemOf(response)).toMatchObject({ outcome: 'not_attempted' });
    expect(harness.requests.every(({ method }) => method === 'GET')).toBe(true);
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });

  it('does not begin a deletion that the read left no time for', async () => {
    const harness = createHarness({ env: { UPSTREAM_DEADLINE_MS: '320', UPSTREAM_ATTEMPT_TIMEOUT_MS: '310' } });
    harness.emulator.faults.push({ deletes: true, answer: 'normal', delayMs: 290 });
    const response = await harness.call('DELETE', '/images/m-custom01', as(KEYS.named));
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_timeout', outcome: 'not_attempted' });
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });
});

describe('expectName', () => {
  it('lets the deletion through where the image bears the name', async () => {
    const harness = createHarness();
    expect((await harness.call('DELETE', '/images/m-custom01?expectName=ci-build-1842')).status).toBe(200);
    expect(harness.requests.map(({ method }) => method)).toEqual(['GET', 'DELETE']);
  });

  it.each(['ci-build-1843', 'CI-BUILD-1842', 'ci-*', 'ci-build-1842%20'])('is 412 for %s', async (name) => {
    const harness = createHarness();
    const response = await harness.call('DELETE', `/images/m-custom01?expectName=${name}`);
    expect(await problemOf(response)).toMatchObject({
      code: 'precondition_failed',
      status: 412,
      outcome: 'not_attempted',
    });
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });

  it('is 404 for an absent image, or 200 where that will do', async () => {
    const harness = createHarness();
    const missing = await harness.call('DELETE', '/images/m-absent01?expectName=x');
    expect(await problemOf(missing)).toMatchObject({ code: 'image_not_found', outcome: 'already_absent' });
    const fine = await harness.call('DELETE', '/images/m-absent01?expectName=x&allowMissing=true');
    expect(await fine.json()).toMatchObject({ outcome: 'already_absent' });
  });

  it('is 400 where it is blank or longer than a name can be', async () => {
    for (const name of ['', 'x'.repeat(257)]) {
      const response = await createHarness().call('DELETE', `/images/m-custom01?expectName=${name}`);
      expect(await problemOf(response)).toMatchObject({ code: 'invalid_request' });
    }
  });
});

describe('the kill switch', () => {
  it('stops deletions and nothing else', async () => {
    const harness = createHarness({ env: { DELETIONS: 'disabled' } });
    const response = await harness.call('DELETE', '/images/m-custom01', as(KEYS.both));
    expect(await problemOf(response)).toMatchObject({ code: 'deletions_disabled', status: 503, retryable: false });
    expect(harness.requests).toHaveLength(0);
    expect(codes(await previewOf(harness, 'm-custom01'))).toEqual(['deletions_disabled']);
    expect((await harness.call('GET', '/deletions', as(KEYS.both))).status).toBe(200);
  });
});
