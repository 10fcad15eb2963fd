/** The fake gateway for callers' tests, called by the real client. */
import { describe, expect, it } from 'vitest';
import { LostAnswerError, ProblemError } from '../../src/client/index.ts';
import { FakeGateway } from '../../src/client/testing.ts';
import { PROBLEM_CODES, PROBLEMS } from '../../src/worker/problems/failure.ts';
import { bodyFaults, problemFaults } from '../answers.ts';
import { thrownBy } from './line.ts';

/** A fake gateway and its client, which validates every body. */
function create() {
  const gateway = new FakeGateway();
  return { gateway, images: gateway.client() };
}
const untyped = (value: unknown) => JSON.parse(JSON.stringify(value));

describe('without instructions', () => {
  it('every deletion succeeds and adds a row', async () => {
    const { gateway, images } = create();
    const deleted = await images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toMatchObject({ id: 'm-custom01', outcome: 'deleted', confirmed: true, requestId: 'job-1' });
    await images.deleteImage('m-custom02');
    expect(gateway.rows.map(({ imageId, outcome }) => [imageId, outcome])).toEqual([
      ['m-custom02', 'deleted'],
      ['m-custom01', 'deleted'],
    ]);
    expect(await images.deletion('job-1')).toMatchObject({ imageId: 'm-custom01', outcome: 'deleted', code: null });
    expect(gateway.requests).toMatchObject([
      { method: 'DELETE', url: 'https://gateway.internal/images/m-custom01', requestId: 'job-1' },
      { method: 'DELETE' },
      { method: 'GET' },
    ]);
  });

  it('every image can be deleted, and the client is a known caller', async () => {
    const { gateway, images } = create();
    expect(await images.previewImage('m-custom01')).toMatchObject({ id: 'm-custom01', deletable: true, blockers: [] });
    expect(await images.readiness()).toMatchObject({ status: 'ready', caller: 'test', keepsRequestId: true });
    expect(gateway.rows).toEqual([]);
  });
});

describe('an instruction', () => {
  it('applies to the next call on an image, and several apply in the order given', async () => {
    const { gateway, images } = create();
    gateway.nextFails('image_shared').nextSucceeds('deleted', false);
    await images.readiness();
    expect(await thrownBy(images.previewImage('m-custom01'))).toMatchObject({ code: 'image_shared' });
    expect(await images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', confirmed: false });
    expect(await images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', confirmed: true });
  });

  it('makes an absent image a failure, or a success with allowMissing', async () => {
    const { gateway, images } = create();
    gateway.nextSucceeds('already_absent').nextSucceeds('already_absent').nextSucceeds('already_absent');
    expect(await thrownBy(images.deleteImage('m-absent01'))).toMatchObject({ code: 'image_not_found' });
    expect(await thrownBy(images.previewImage('m-absent01'))).toMatchObject({ outcome: 'already_absent' });
    const absent = await images.deleteImage('m-absent01', { allowMissing: true });
    expect(absent).toMatchObject({ outcome: 'already_absent', confirmed: true });
  });

  it('makes the client wait as long as it says', async () => {
    const { gateway } = create();
    gateway.nextFails('rate_limited', { retryAfterS: 7 });
    const error = await thrownBy(gateway.client({ patienceMs: 0 }).deleteImage('m-custom01'));
    expect(error).toMatchObject({ code: 'rate_limited', retryable: true, retryAfterS: 7 });
  });

  it('for an unknown outcome ends as the ledger says, with a given or generated request id', async () => {
    const { gateway, images } = create();
    gateway.nextFails('upstream_timeout', { outcome: 'unknown', finally: 'deleted' });
    expect(await images.deleteImage('m-custom01', { requestId: 'job-1' })).toMatchObject({ outcome: 'deleted' });
    gateway.nextFails('upstream_timeout', { outcome: 'unknown', finally: 'not_deleted' });
    expect(await thrownBy(images.deleteImage('m-custom01'))).toMatchObject({ outcome: 'not_deleted', problem: null });
    gateway.nextFails('upstream_timeout', { outcome: 'unknown' });
    const error = await thrownBy(images.deleteImage('m-custom01'));
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ code: 'upstream_timeout', outcome: 'unknown', retryable: false });
  });

  it('for a lost answer ends as the ledger says', async () => {
    const { gateway, images } = create();
    gateway.nextIsLost('deleted');
    expect(await images.deleteImage('m-custom01', { requestId: 'job-1' })).toMatchObject({ outcome: 'deleted' });
    gateway.nextIsLost();
    expect(await thrownBy(images.deleteImage('m-custom01'))).toBeInstanceOf(LostAnswerError);
    gateway.nextIsLost();
    expect(await thrownBy(images.previewImage('m-custom01'))).toBeInstanceOf(LostAnswerError);
  });

  it('decided by a check is not confirmed, and its row has the time of the check', async () => {
    const { gateway, images } = create();
    gateway.nextFails('upstream_timeout', { outcome: 'unknown', finally: 'deleted' });
    expect(await images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', confirmed: false });
    gateway.nextFails('upstream_timeout', { outcome: 'unknown', finally: 'not_deleted' });
    await thrownBy(images.deleteImage('m-custom01'));
    gateway.nextIsLost('not_deleted');
    await thrownBy(images.deleteImage('m-custom01'));
    gateway.nextIsLost('deleted');
    expect(await images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', confirmed: true });
    gateway.nextIsLost('unknown');
    await thrownBy(images.deleteImage('m-custom01'));
    const at = expect.any(String);
    expect(gateway.rows.map(({ outcome, settledAt, resolvedAt }) => [outcome, settledAt, resolvedAt])).toEqual([
      ['unknown', null, null],
      ['deleted', at, null],
      ['not_deleted', null, at],
      ['not_deleted', at, at],
      ['deleted', at, at],
    ]);
  });

  it.each([
    ['unauthenticated', []],
    ['rate_limited', []],
    ['permission_denied', []],
    ['deletions_disabled', []],
    ['budget_exhausted', []],
    ['deletion_in_progress', []],
    ['ledger_unavailable', []],
    ['precondition_failed', ['not_attempted']],
    ['image_shared', ['rejected']],
    ['image_not_found', ['already_absent']],
  ] as const)('to fail with %s leaves the rows %j', async (code, outcomes) => {
    const { gateway, images } = create();
    gateway.nextFails(code);
    await thrownBy(images.deleteImage('m-custom01'));
    expect(gateway.rows.map(({ outcome }) => outcome)).toEqual(outcomes);
  });

  it('to fail before the image is read leaves a row', async () => {
    const { gateway, images } = create();
    gateway.nextFails('upstream_timeout', { outcome: 'not_attempted' });
    await thrownBy(images.deleteImage('m-custom01'));
    expect(gateway.rows).toMatchObject([{ outcome: 'not_attempted', attempts: 0 }]);
  });

  it('is not used up by metrics', async () => {
    const { gateway, images } = create();
    gateway.nextFails('image_shared');
    expect(await images.metrics()).toMatch(/^bcc_image_gateway_ledger_rows 0$/m);
    expect(await thrownBy(images.deleteImage('m-custom01'))).toMatchObject({ code: 'image_shared' });
  });

  it('is refused if the gateway could never answer that way', () => {
    const { gateway } = create();
    expect(() => gateway.nextFails('image_shared', { outcome: 'already_absent' })).toThrow(
      new TypeError('image_shared is never already_absent, but rejected or unknown.'),
    );
    expect(() => gateway.nextFails(untyped('image_on_holiday'))).toThrow('Unknown code image_on_holiday.');
    expect(() => gateway.nextFails(untyped('toString'))).toThrow('Unknown code toString.');
  });
});

describe('an answer', () => {
  const bodyOf = async (gateway: FakeGateway, method: 'GET' | 'DELETE', path: string): Promise<unknown> => {
    const headers = { 'X-Request-Id': 'job-1' };
    const init = {
      method,
      headers,
      redirect: 'manual',
      keepalive: false,
      signal: new AbortController().signal,
    } as const;
    return (await gateway.fetch(`https://gateway.internal${path}`, init)).json();
  };

  it('has a body that fits the OpenAPI document', async () => {
    const { gateway } = create();
    gateway.nextSucceeds().nextSucceeds('deleted', false).nextFails('upstream_error');
    const bodies = [
      ['Deletion', await bodyOf(gateway, 'DELETE', '/images/m-custom01')],
      ['Image', await bodyOf(gateway, 'GET', '/images/m-custom01')],
      ['Problem', await bodyOf(gateway, 'DELETE', '/images/m-custom01')],
      ['HistoryPage', await bodyOf(gateway, 'GET', '/deletions')],
      ['Readiness', await bodyOf(gateway, 'GET', '/readyz')],
    ] as const;
    for (const [name, body] of bodies) expect(bodyFaults(name, body), name).toBe('');
  });

  it('has what the problem table says for each code and outcome', async () => {
    const { gateway } = create();
    for (const code of PROBLEM_CODES) {
      for (const outcome of PROBLEMS[code].outcomes) {
        gateway.nextFails(code, { outcome });
        expect(problemFaults(await bodyOf(gateway, 'DELETE', '/images/m-custom01')), `${code} ${outcome}`).toBe('');
      }
    }
  });

  it('has the rows that the filter asks for', async () => {
    const { gateway, images } = create();
    await images.deleteImage('m-custom01', { requestId: 'job-1' });
    const [row] = gateway.rows;
    if (row === undefined) throw new Error('no row');
    gateway.rows.push({ ...row, requestId: 'job-0', caller: 'other', reservedAt: '2025-12-31T00:00:00.000Z' });
    const idsOf = async (filter: Parameters<typeof images.deletions>[0]) => {
      const ids: string[] = [];
      for await (const { requestId } of images.deletions(filter)) ids.push(requestId);
      return ids;
    };
    expect(await idsOf({})).toEqual(['job-1', 'job-0']);
    expect(await idsOf({ caller: 'other' })).toEqual(['job-0']);
    expect(await idsOf({ since: '2026-01-01T00:00:00Z' })).toEqual(['job-1']);
    expect(await idsOf({ until: new Date('2026-01-01T00:00:00Z') })).toEqual(['job-0']);
    expect(await idsOf({ outcome: 'rejected' })).toEqual([]);
  });
});
