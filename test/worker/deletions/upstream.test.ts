/** The response about an image that Baidu does not have. */
import { describe, expect, it } from 'vitest';
import { FAULTS } from '../../emulator/emulator.ts';
import { KEYS } from '../../fixtures.ts';
import { bearer, createHarness, historyPage, problemOf, recordsOf } from '../../harness.ts';

describe('image_not_found', () => {
  it('says when and by which request this caller deleted the image, on deletion, with expectName, and on preview', async () => {
    const harness = createHarness();
    const headers = { ...bearer(KEYS.both), 'X-Request-Id': 'job-1' };
    // Slow enough for the deletion to begin and end in different milliseconds.
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

  it('says when another caller deleted the image, but not who, or by which request', async () => {
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

  it('mentions no earlier deletion if there was none', async () => {
    const body = await problemOf(await createHarness().call('DELETE', '/images/m-absent01'));
    expect(body['deletedBefore']).toBeUndefined();
    expect(body['detail']).toBe('Baidu has no image m-absent01 in this region.');
  });
});

describe('another failure', () => {
  it('mentions no earlier deletion, because the image may be there', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    harness.emulator.misbehave('iam_signature_invalid');
    const body = await problemOf(await harness.call('DELETE', '/images/m-custom01'));
    expect(body).toMatchObject({ code: 'upstream_rejected_credentials' });
    expect(body).not.toHaveProperty('deletedBefore');
  });
});

describe('an absence under an unlisted code', () => {
  const probePath = '/readyz?upstream=true';
  it.each<[string, string, string, object]>([
    ['GET', probePath, `m-${'0'.repeat(32)}`, { credentialAccepted: true }],
    ['GET', '/images/m-absent01', 'm-absent01', { code: 'image_not_found' }],
    ['DELETE', '/images/m-absent01', 'm-absent01', { code: 'image_not_found' }],
    ['DELETE', '/images/m-absent01?expectName=x', 'm-absent01', { code: 'image_not_found' }],
    ['DELETE', '/images/m-absent01?allowMissing=true', 'm-absent01', { outcome: 'already_absent' }],
  ])('counts as an absence, with a warning, on %s %s', async (method, path, imageId, expected) => {
    const harness = createHarness();
    harness.emulator.absentCode = 'Image.Vanished';
    const body = await (await harness.call(method, path, bearer(KEYS.both))).json();
    expect(body).toMatchObject(expected);
    const [record, ...more] = recordsOf(harness, 'absence_unlisted');
    expect(more).toEqual([]);
    expect(record).toEqual({
      timestamp: expect.stringMatching(/^20.*Z$/),
      severity_text: 'WARN',
      'event.name': 'absence_unlisted',
      'gateway.request.id': recordsOf(harness, 'audit')[0]?.['gateway.request.id'],
      'image.id': imageId,
      'bce.code': 'Image.Vanished',
    });
  });

  it('is all that the detail claims', async () => {
    const harness = createHarness();
    harness.emulator.absentCode = 'Image.Vanished';
    const body = await problemOf(await harness.call('DELETE', '/images/m-absent01'));
    expect(body['detail']).toBe('Baidu answered 404 for m-absent01, with a code that is not documented.');
  });

  it.each(['drop_before', 'drop_after'] as const)(
    'leaves the outcome unknown when the first attempt was lost (%s), and warns',
    async (first) => {
      const harness = createHarness();
      harness.emulator.misbehave(first, 'unseen_404');
      const response = await harness.call('DELETE', '/images/m-custom01');
      expect(await problemOf(response)).toMatchObject({ code: 'upstream_unexpected', outcome: 'unknown' });
      expect(recordsOf(harness, 'absence_unlisted')).toHaveLength(1);
    },
  );

  it('leaves the outcome unknown when this request has just read the image, and warns', async () => {
    const harness = createHarness();
    const [{ name } = { name: '' }] = [...harness.emulator.images.values()].filter(({ id }) => id === 'm-custom01');
    harness.emulator.deletionFaults.push(FAULTS.unseen_404);
    const response = await harness.call('DELETE', `/images/m-custom01?expectName=${name}`);
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_unexpected', outcome: 'unknown' });
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
    expect(recordsOf(harness, 'absence_unlisted')).toHaveLength(1);
    const { body } = await historyPage(harness, '/deletions', KEYS.cleaner);
    expect(body.deletions[0]).toMatchObject({ outcome: 'unknown', confirmed: null });
  });

  it('logs one warning per probe, however many ask', async () => {
    const harness = createHarness();
    harness.emulator.absentCode = 'Image.Vanished';
    for (let times = 0; times < 3; times++) await harness.call('GET', probePath, bearer(KEYS.both));
    expect(recordsOf(harness, 'absence_unlisted')).toHaveLength(1);
  });
});

describe('an absence under a listed code', () => {
  it('logs no warning', async () => {
    const harness = createHarness();
    await harness.call('GET', '/readyz?upstream=true', bearer(KEYS.both));
    await harness.call('GET', '/images/m-absent01', bearer(KEYS.both));
    await harness.call('DELETE', '/images/m-absent01', bearer(KEYS.both));
    expect(harness.lines.map(({ record }) => record['event.name'])).toEqual(['audit', 'audit', 'audit']);
  });
});
