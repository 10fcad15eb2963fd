/** What a caller is told about an image that Baidu does not have. */
import { describe, expect, it } from 'vitest';
import { KEYS } from '../fixtures.ts';
import { bearer, createHarness, historyPage, problemOf } from '../harness.ts';

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
        detail: `This caller deleted m-custom01 at ${at} by request job-1.`,
      });
    }
  });

  it('tells nothing about a deletion by another caller', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.both));
    const body = await problemOf(await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.cleaner)));
    expect(body['deletedBefore']).toBeUndefined();
  });
});
