/** The preview, and whether a deletion then does what the preview promises. */
import { describe, expect, it } from 'vitest';
import { catalogue } from '../../emulator/catalogue.ts';
import { KEYS } from '../../fixtures.ts';
import { bearer, codesOf, createHarness, type HarnessOptions, previewOf, problemOf } from '../../harness.ts';

describe('the preview', () => {
  it('describes the image, says whether it can be deleted, and deletes nothing', async () => {
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

  it('names each blocker with its code and a sentence', async () => {
    const blockersOf = async (id: string) => (await previewOf(createHarness(), id)).blockers;
    expect(await blockersOf('m-system01')).toEqual([
      {
        code: 'image_not_custom',
        detail: 'm-system01 is a system or service-integration image, which cannot be deleted.',
      },
    ]);
    expect(await blockersOf('m-integr01')).toEqual([{ code: 'image_not_custom', detail: expect.any(String) }]);
    expect(await blockersOf('m-create01')).toEqual([
      { code: 'image_creating', detail: 'Wait until m-create01 is available, then delete it again.' },
    ]);
    expect(await blockersOf('m-shared01')).toEqual([
      { code: 'image_shared', detail: 'Stop sharing m-shared01, then delete it again.' },
    ]);
    expect(await blockersOf('m-failed01')).toEqual([]);
    expect((await previewOf(createHarness(), 'm-custom01', KEYS.reader)).blockers).toEqual([
      { code: 'permission_denied', detail: 'This needs the scope images:delete.' },
    ]);
  });

  it('lists all blockers together', async () => {
    const env = {
      DELETIONS: 'disabled',
      PROTECTED_IMAGES: '["m-shared01"]',
      PROTECTED_NAMES: '["golden-*"]',
      DAILY_DELETIONS: '0',
    };
    const harness = createHarness({ env });
    expect(codesOf(await previewOf(harness, 'm-shared01', KEYS.reader))).toEqual([
      'deletions_disabled',
      'image_protected',
      'permission_denied',
      'image_protected',
      'image_shared',
      'budget_exhausted',
    ]);
    expect(codesOf(await previewOf(harness, 'm-shared01', KEYS.named))).toContain('permission_denied');
  });

  it('has null if it cannot read whether the image is shared', async () => {
    const harness = createHarness();
    harness.emulator.faults.push({ deletes: true, answer: 'normal' });
    harness.emulator.misbehave('route_unknown');
    const preview = await previewOf(harness, 'm-custom01');
    expect([preview.sharedWith, preview.deletable, preview.blockers]).toEqual([null, null, []]);
  });

  it('is refused without the scope images:read, with a parameter, and for a malformed id', async () => {
    const harness = createHarness();
    const refused = await harness.call('GET', '/images/m-custom01', bearer(KEYS.cleaner));
    expect(await problemOf(refused)).toMatchObject({
      code: 'permission_denied',
      detail: 'This needs the scope images:read.',
    });
    const strange = await harness.call('GET', '/images/m-custom01?allowMissing=true', bearer(KEYS.reader));
    expect(await problemOf(strange)).toMatchObject({ code: 'invalid_request' });
    const malformed = await harness.call('GET', '/images/i-custom01', bearer(KEYS.reader));
    expect(await problemOf(malformed)).toMatchObject({ code: 'invalid_image_id' });
    expect(harness.requests).toHaveLength(0);
  });

  it.each([
    ['hang', 'upstream_timeout'],
    ['drop_before', 'upstream_error'],
    ['html_502', 'upstream_error'],
    ['half_json_500', 'upstream_error'],
    ['throttled', 'upstream_throttled'],
  ] as const)('that meets %s twice fails with %s and deletes nothing', async (fault, code) => {
    const harness = createHarness();
    harness.emulator.misbehave(fault, fault);
    const response = await harness.call('GET', '/images/m-custom01', bearer(KEYS.reader));
    expect(await problemOf(response)).toMatchObject({ code, outcome: 'not_attempted' });
    expect(harness.emulator.calls.every(({ method, deleted }) => method === 'GET' && !deleted)).toBe(true);
  });

  it('names the ledger as a blocker if the ledger does not answer', async () => {
    const broken = { getByName: () => ({ peek: () => Promise.reject(new Error('down')) }) };
    const preview = await previewOf(createHarness({ env: { LEDGER: broken } }), 'm-custom01');
    expect([codesOf(preview), preview.deletable]).toEqual([['ledger_unavailable'], false]);
  });

  it("fails with Baidu's reason if the ledger does not answer either", async () => {
    const broken = { getByName: () => ({ peek: () => Promise.reject(new Error('down')) }) };
    const harness = createHarness({ env: { LEDGER: broken } });
    const problem = await problemOf(await harness.call('GET', '/images/m-absent01', bearer(KEYS.reader)));
    expect(problem).toMatchObject({ code: 'image_not_found', outcome: 'already_absent' });
    expect(problem).not.toHaveProperty('deletedBefore');
  });
});

describe('a deletion', () => {
  const worlds: [string, NonNullable<HarnessOptions['env']>][] = [
    ['no rule', {}],
    ['protected ids', { PROTECTED_IMAGES: '["m-custom01","m-system01"]' }],
    ['protected names', { PROTECTED_NAMES: '["ci-*","golden-*"]' }],
    ['all names protected', { PROTECTED_NAMES: '["*"]' }],
    ['deletions disabled', { DELETIONS: 'disabled' }],
    ['no budget', { DAILY_DELETIONS: '0' }],
  ];
  const callers = Object.entries(KEYS).filter(([name]) => name !== 'cleaner' && name !== 'auditor');
  const cases = worlds.flatMap(([world, env]) =>
    callers.flatMap(([caller, key]) =>
      [...catalogue().map(({ id }) => id), 'm-absent01'].map((id) => ({ world, env, caller, key, id })),
    ),
  );

  it.each(cases)(
    'does what the preview promises: $world, caller $caller, image $id',
    async ({ env, key, id, caller }) => {
      const harness = createHarness({ env });
      const reader = caller === 'reader';
      const response = await harness.call('GET', `/images/${id}`, bearer(key));
      const promised: string[] =
        response.status === 404 ? ['image_not_found'] : codesOf(await previewOf(createHarness({ env }), id, key));
      const deletion = await harness.call('DELETE', `/images/${id}`, bearer(key));
      if (promised.length === 0) {
        expect(deletion.status).toBe(200);
        return;
      }
      const { code } = await problemOf(deletion);
      // The preview of an absent image names no blockers, but a deletion meets these before it asks Baidu.
      const before = ['permission_denied', 'deletions_disabled', 'image_protected', 'budget_exhausted'];
      expect(response.status === 404 ? [...promised, ...before] : promised).toContain(code);
      if (reader) expect(code).toBe('permission_denied');
    },
  );
});

describe('an image that is deleted between the two reads of its preview', () => {
  it('is absent', async () => {
    const harness = createHarness();
    const { emulator } = harness;
    const between = createHarness({
      fetch: async (request) => {
        if (request.url.endsWith('/sharedUsers')) emulator.images.delete('m-custom01');
        return emulator.fetch(request);
      },
    });
    const response = await between.call('GET', '/images/m-custom01', bearer(KEYS.both));
    expect(await problemOf(response)).toMatchObject({ code: 'image_not_found', outcome: 'already_absent' });
    expect(between.lines[0]?.record).toMatchObject({ decision: 'allowed', 'error.type': 'image_not_found' });
  });
});
