/** Who may delete which image: protection, names, `expectName` and the kill switch. */
import { describe, expect, it } from 'vitest';
import { isCustom } from '../../../src/worker/deletions/policy.ts';
import { KEYS } from '../../fixtures.ts';
import { bearer, codesOf, createHarness, previewOf, problemOf } from '../../harness.ts';

describe('an image of the type', () => {
  it.each([
    ['Custom', true],
    ['BbcCustom', true],
    ['GpuBccCustom', true],
    ['System', false],
    ['CustomSystem', false],
    ['custom', false],
    ['Sharing', false],
  ])('%s is custom: %s', (type, expected) => expect(isCustom(type)).toBe(expected));
});

describe('a protected image', () => {
  it('is refused with any scope: by its id without a call to Baidu, by its name after one read', async () => {
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
});

describe('a protection by id', () => {
  it('ignores upper and lower case, for preview and deletion', async () => {
    for (const [configured, id] of [
      ['m-CUSTOM01', 'm-custom01'],
      ['m-custom01', 'm-CustoM01'],
    ]) {
      const harness = createHarness({ env: { PROTECTED_IMAGES: JSON.stringify([configured]) } });
      const refused = await problemOf(await harness.call('DELETE', `/images/${id}`));
      expect(refused).toMatchObject({ code: 'image_protected', detail: `${id} is protected by its id.` });
      expect(harness.requests).toHaveLength(0);
    }
    const harness = createHarness({ env: { PROTECTED_IMAGES: '["m-CUSTOM01"]' } });
    expect(codesOf(await previewOf(harness, 'm-custom01'))).toEqual(['image_protected']);
  });
});

describe('a caller with names', () => {
  it('may delete only images with a matching name', async () => {
    const harness = createHarness();
    expect((await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.named))).status).toBe(200);
    const refused = await harness.call('DELETE', '/images/m-custom03', bearer(KEYS.named));
    expect(await problemOf(refused)).toMatchObject({
      code: 'permission_denied',
      detail: 'This caller may not delete images with this name.',
    });
    expect(harness.emulator.images.has('m-custom03')).toBe(true);
  });
});

describe('a deletion', () => {
  it('reads no image if no rule needs its name', async () => {
    const harness = createHarness({ env: { PROTECTED_IMAGES: '["m-system01"]' } });
    await harness.call('DELETE', '/images/m-custom01');
    expect(harness.requests.map(({ method }) => method)).toEqual(['DELETE']);
  });
});

describe('expectName', () => {
  it('admits the deletion if the image has that name', async () => {
    const harness = createHarness();
    expect((await harness.call('DELETE', '/images/m-custom01?expectName=ci-build-1842')).status).toBe(200);
    expect(harness.requests.map(({ method }) => method)).toEqual(['GET', 'DELETE']);
  });

  it.each(['ci-build-1843', 'CI-BUILD-1842', 'ci-*', 'ci-build-1842%20'])(
    'refuses the deletion of ci-build-1842 with 412 if it is %s',
    async (name) => {
      const harness = createHarness();
      const response = await harness.call('DELETE', `/images/m-custom01?expectName=${name}`);
      expect(await problemOf(response)).toMatchObject({
        code: 'precondition_failed',
        status: 412,
        outcome: 'not_attempted',
      });
      expect(harness.emulator.images.has('m-custom01')).toBe(true);
    },
  );
});

describe('the kill switch', () => {
  it('stops deletions and nothing else', async () => {
    const harness = createHarness({ env: { DELETIONS: 'disabled' } });
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.both));
    expect(await problemOf(response)).toMatchObject({ code: 'deletions_disabled', status: 503, retryable: false });
    expect(harness.requests).toHaveLength(0);
    expect(codesOf(await previewOf(harness, 'm-custom01'))).toEqual(['deletions_disabled']);
    expect((await harness.call('GET', '/deletions', bearer(KEYS.both))).status).toBe(200);
  });
});
