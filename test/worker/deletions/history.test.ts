/** The history of deletions, as callers see it. */
import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { checkOf, KEYS } from '../../fixtures.ts';
import {
  bearer,
  createHarness,
  freshLedgers,
  GATEWAY,
  type HistoryPage,
  historyPage,
  manyImages,
  problemOf,
  storeIn,
} from '../../harness.ts';

describe('the history', () => {
  it('shows what is known about each deletion', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', { ...bearer(KEYS.named), 'X-Request-Id': 'job-1' });
    await harness.call('DELETE', '/images/m-custom03', { ...bearer(KEYS.named), 'X-Request-Id': 'job-2' });
    const { body } = await historyPage(harness, '/deletions', KEYS.named);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(body.deletions).toEqual([
      {
        requestId: 'job-2',
        caller: 'named',
        subject: null,
        imageId: 'm-custom03',
        imageName: 'release-2026-11',
        reservedAt: time,
        settledAt: time,
        resolvedAt: null,
        outcome: 'not_attempted',
        confirmed: null,
        verified: null,
        code: 'permission_denied',
        attempts: 0,
        upstreamRequestId: expect.any(String),
        keyFingerprint: '9ae8a8b2',
      },
      expect.objectContaining({
        requestId: 'job-1',
        imageName: 'ci-build-1842',
        outcome: 'deleted',
        confirmed: true,
        verified: null,
        code: null,
        attempts: 1,
      }),
    ]);
  });

  it('lists each deletion once across its pages, newest first, even if more images are deleted meanwhile', async () => {
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

  it('has a next page only after a full one', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    await harness.call('DELETE', '/images/m-system01');
    expect((await historyPage(harness, '/deletions?limit=3')).next).toBeNull();
    const { next } = await historyPage(harness, '/deletions?limit=2');
    expect(await historyPage(harness, next ?? '')).toEqual({ body: { deletions: [] }, next: null });
  });

  it('is filtered by image, outcome and time, and limited in number', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    await harness.call('DELETE', '/images/m-system01');
    const ids = async (query: string) =>
      (await historyPage(harness, `/deletions?${query}`)).body.deletions.map(({ imageId }) => imageId);
    expect(await ids('imageId=m-custom01')).toEqual(['m-custom01']);
    expect(await ids('outcome=rejected')).toEqual(['m-system01']);
    expect(await ids('outcome=not_deleted')).toEqual([]);
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
    expect((await historyPage(harness, '/deletions?imageId=m-custom01', KEYS.both)).body.deletions).toEqual([]);
    expect((await harness.call('GET', '/deletions', {})).status).toBe(401);
  });

  it("has everyone's deletions for a caller with deletions:read, and shows who deleted an image", async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.cleaner));
    await harness.call('DELETE', '/images/m-custom02', bearer(KEYS.both));
    await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.both));
    const rows = async (query: string) =>
      (await historyPage(harness, `/deletions${query}`, KEYS.auditor)).body.deletions.map(
        ({ caller, imageId, outcome }) => `${caller} ${imageId} ${outcome}`,
      );
    expect(await rows('')).toEqual([
      'both m-custom01 already_absent',
      'both m-custom02 deleted',
      'cleaner m-custom01 deleted',
    ]);
    expect(await rows('?imageId=m-custom01&outcome=deleted')).toEqual(['cleaner m-custom01 deleted']);
    expect(await rows('?limit=1')).toHaveLength(1);
  });

  it('is filtered by request id, which callers may share', async () => {
    const harness = createHarness();
    const named = (key: string) => ({ ...bearer(key), 'X-Request-Id': 'nightly' });
    await harness.call('DELETE', '/images/m-custom01', named(KEYS.cleaner));
    await harness.call('DELETE', '/images/m-custom02', named(KEYS.both));
    await harness.call('DELETE', '/images/m-custom03', bearer(KEYS.cleaner));
    const images = async (key: string) =>
      (await historyPage(harness, '/deletions?requestId=nightly', key)).body.deletions.map(({ imageId }) => imageId);
    expect(await images(KEYS.auditor)).toEqual(['m-custom02', 'm-custom01']);
    expect(await images(KEYS.cleaner)).toEqual(['m-custom01']);
    expect((await historyPage(harness, '/deletions?requestId=other', KEYS.auditor)).body.deletions).toEqual([]);
  });

  it('has exactly the deletion that the problem of an unknown outcome links to', async () => {
    const harness = createHarness();
    const headers = { ...bearer(KEYS.cleaner), 'X-Request-Id': 'job.1' };
    await harness.call('DELETE', '/images/m-custom01', headers);
    harness.emulator.misbehave('hang', 'hang');
    const problem = await problemOf(await harness.call('DELETE', '/images/m-custom02', headers));
    expect(problem).toMatchObject({ outcome: 'unknown', retryable: false });
    const path = String(problem['deletion']).slice(GATEWAY.length);
    expect(path).toBe('/deletions?caller=cleaner&imageId=m-custom02&requestId=job.1');
    for (const key of [KEYS.cleaner, KEYS.auditor]) {
      const { body } = await historyPage(harness, path, key);
      expect(body.deletions).toMatchObject([{ imageId: 'm-custom02', outcome: 'unknown', confirmed: null }]);
    }
  });

  it('shows what a later check has found', async () => {
    const ledgers = freshLedgers();
    const harness = createHarness({ env: { LEDGER: ledgers } });
    harness.emulator.misbehave('hang_after', 'hang_after');
    await harness.call('DELETE', '/images/m-custom01');
    const nowMs = Date.now() + 45_000;
    await runInDurableObject(ledgers.getByName(), (_ledger, { storage }) => {
      storeIn(storage.sql).applyCheck('m-custom01', checkOf('absent', nowMs), nowMs);
    });
    const { body } = await historyPage(harness, '/deletions');
    const resolvedAt = new Date(nowMs).toISOString();
    expect(body.deletions).toMatchObject([
      { outcome: 'deleted', confirmed: false, resolvedAt, code: 'upstream_timeout' },
    ]);
    // Every caller learns when it was deleted. Only the caller that deleted it learns by which request.
    const again = await problemOf(await harness.call('DELETE', '/images/m-custom01'));
    expect(again['deletedBefore']).toEqual({ at: expect.any(String), requestId: body.deletions[0]?.requestId });
  });
});
