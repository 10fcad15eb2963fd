/** What a caller is told about an image that Baidu does not have. */
import { describe, expect, it } from 'vitest';
import { KEYS } from '../../fixtures.ts';
import { bearer, createHarness, historyPage, problemOf } from '../../harness.ts';

describe('image_not_found', () => {
  it('tells when and by which request this caller deleted the image: on deletion, with expectName, and on preview', async () => {
    const harness = createHarness();
    const headers = { ...bearer(KEYS.both), 'X-Request-Id': 'job-1' };
    // Slow enough that the deletion ends at another millisecond than it begins.
    harness.emulator.faults.push({ deletes: true, answer: 'normal', delayMs: 20 });
    await harness.call('DELETE', '/images/m-custom01', headers);
    const at = (await historyPage(harness, '/deletions', KEYS.both)).body.deletions[0]?.settledAt;
    expect(at).toMatch(/^20.*Z$/);
    for (const [method, path] of [
      ['DELETE', '/images/m-custom01'],
      ['DELETE', '/images/m-custom01?expectName=ci-build-1842'],
      ['GET', '/images/m-custom01'],
    ] as const) {
      const body = await problemOf(await harness.call(method, path, bearer(KEYS.both)));
      expect(body).toMatchObject({
        code: 'image_not_found',
        outcome: 'already_absent',
        deletedBefore: { requestId: 'job-1', at },
        detail: `This caller deleted m-custom01, or found it gone after trying to, at ${at} by request job-1.`,
      });
    }
  });

  it('tells when another caller deleted the image, but neither who nor by which request', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', { ...bearer(KEYS.both), 'X-Request-Id': 'job-1' });
    const at = (await historyPage(harness, '/deletions', KEYS.both)).body.deletions[0]?.settledAt;
    for (const [method, key] of [
      ['DELETE', KEYS.cleaner],
      ['GET', KEYS.reader],
    ] as const) {
      const body = await problemOf(await harness.call(method, '/images/m-custom01', bearer(key)));
      expect(body['deletedBefore']).toEqual({ at, requestId: null });
      expect(body['detail']).toBe(`m-custom01 was deleted, or found gone, at ${at} for another caller.`);
      expect(JSON.stringify(body)).not.toMatch(/both|job-1/);
    }
  });

  it('says nothing of an earlier deletion if there was none', async () => {
    const body = await problemOf(await createHarness().call('DELETE', '/images/m-absent01'));
    expect(body['deletedBefore']).toBeUndefined();
    expect(body['detail']).toBe('Baidu has no image m-absent01 in this region.');
  });
});

describe('another failure', () => {
  it('says nothing of an earlier deletion, because the image may be there', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    harness.emulator.misbehave('iam_signature_invalid');
    const body = await problemOf(await harness.call('DELETE', '/images/m-custom01'));
    expect(body).toMatchObject({ code: 'upstream_rejected_credentials' });
    expect(body).not.toHaveProperty('deletedBefore');
  });
});
