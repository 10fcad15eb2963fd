/** The history of deletions, as callers see it. */
import { describe, expect, it } from 'vitest';
import { KEYS } from '../fixtures.ts';
import { bearer, createHarness, type HistoryPage, historyPage, manyImages, problemOf } from '../harness.ts';

describe('the history', () => {
  it('tells what is known about each deletion', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', { ...bearer(KEYS.named), 'X-Request-Id': 'job-1' });
    await harness.call('DELETE', '/images/m-custom03', { ...bearer(KEYS.named), 'X-Request-Id': 'job-2' });
    const { body } = await historyPage(harness, '/deletions', KEYS.named);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(body.deletions).toEqual([
      {
        requestId: 'job-2',
        caller: 'named',
        imageId: 'm-custom03',
        imageName: 'release-2026-11',
        reservedAt: time,
        settledAt: time,
        outcome: 'not_attempted',
        code: 'permission_denied',
        attempts: 0,
        upstreamRequestId: expect.any(String),
        keyFingerprint: '9ae8a8b2',
      },
      expect.objectContaining({
        requestId: 'job-1',
        imageName: 'ci-build-1842',
        outcome: 'deleted',
        code: null,
        attempts: 1,
      }),
    ]);
  });

  it('lists each deletion once over its pages, newest first, even if more images are deleted meanwhile', async () => {
    const harness = createHarness();
    const ids = manyImages(harness, 8);
    for (const id of ids.slice(0, 7)) await harness.call('DELETE', `/images/${id}`);
    const seen: string[] = [];
    let path: string | null = '/deletions?limit=3&outcome=deleted';
    while (path !== null) {
      const { body, next }: { body: HistoryPage; next: string | null } = await historyPage(harness, path);
      seen.push(...body.deletions.map(({ imageId }) => imageId));
      await harness.call('DELETE', `/images/${ids[7]}?allowMissing=true`);
      path = next;
    }
    expect(seen).toEqual(ids.slice(0, 7).reverse());
  });

  it('is filtered by image, outcome and time, and limited in number', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    await harness.call('DELETE', '/images/m-system01');
    const ids = async (query: string) =>
      (await historyPage(harness, `/deletions?${query}`)).body.deletions.map(({ imageId }) => imageId);
    expect(await ids('imageId=m-custom01')).toEqual(['m-custom01']);
    expect(await ids('outcome=rejected')).toEqual(['m-system01']);
    expect(await ids('since=2020-01-01T00:00:00Z')).toHaveLength(2);
    expect(await ids('since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00%2B08:00')).toEqual([]);
    expect(await ids('limit=1')).toEqual(['m-system01']);
  });

  it("is the caller's own; another caller's needs the scope deletions:read", async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    expect((await historyPage(harness, '/deletions', KEYS.both)).body.deletions).toEqual([]);
    expect((await historyPage(harness, '/deletions?caller=cleaner', KEYS.cleaner)).body.deletions).toHaveLength(1);
    const refused = await harness.call('GET', '/deletions?caller=cleaner', bearer(KEYS.both));
    expect(await problemOf(refused)).toMatchObject({
      code: 'permission_denied',
      detail: 'This needs the scope deletions:read.',
    });
    const { body } = await historyPage(harness, '/deletions?caller=cleaner', KEYS.auditor);
    expect(body.deletions).toMatchObject([{ caller: 'cleaner', imageId: 'm-custom01' }]);
    expect((await historyPage(harness, '/deletions?caller=nobody', KEYS.auditor)).body.deletions).toEqual([]);
    expect((await harness.call('GET', '/deletions', {})).status).toBe(401);
  });
});
