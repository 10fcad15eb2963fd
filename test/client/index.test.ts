/** The client against the real gateway: every line of its contract, and every way in which an answer can be lost. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as entry from '../../src/client/index.ts';
import {
  type DeletionJson,
  ImageGateway,
  LostAnswerError,
  NotSentError,
  ProblemError,
  type SendRequest,
} from '../../src/client/index.ts';
import { HOUR_MS } from '../../src/worker/time.ts';
import { budgets, CALLERS, deletionRow, idOf, KEYS, reservation, settlement } from '../fixtures.ts';
import { GATEWAY, manyImages } from '../harness.ts';
import { createLine, LINE_FAULTS, type LineOptions, type TestLine, thrownBy } from './line.ts';

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;
/** A limiter that refuses the first `times` requests and lets the rest through. */
const refusing = (times: number) => ({ limit: async () => ({ success: times-- <= 0 }) });
const reachesBaidu = ({ harness }: TestLine) =>
  harness.emulator.calls.filter(({ method }) => method === 'DELETE').length;
const stands = ({ harness }: TestLine, id: string) => harness.emulator.images.has(id);
afterEach(() => {
  vi.restoreAllMocks();
});
const total = (pausesMs: readonly number[]) => pausesMs.reduce((sum, ms) => sum + ms, 0);

describe('deleteImage', () => {
  it('returns what the gateway answers, and sends the request once', async () => {
    const line = createLine();
    const deleted = await line.images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toEqual({
      id: 'm-custom01',
      outcome: 'deleted',
      confirmed: true,
      requestId: 'job-1',
      upstreamRequestId: expect.stringMatching(UUID),
    });
    expect(line.sent).toEqual([
      {
        url: `${GATEWAY}/images/m-custom01`,
        method: 'DELETE',
        headers: { 'X-Request-Id': 'job-1', Authorization: `Bearer ${KEYS.both}` },
        redirect: 'manual',
        keepalive: false,
        signal: expect.any(AbortSignal),
        requestId: 'job-1',
        told: 'deleted',
      },
    ]);
  });

  it('generates a request id if none is given', async () => {
    const { images, sent } = createLine();
    const { requestId } = await images.deleteImage('m-custom01');
    expect(requestId).toMatch(UUID);
    expect(sent[0]?.requestId).toBe(requestId);
  });

  it('sends expectName and allowMissing as given', async () => {
    const { images, sent } = createLine();
    const absent = await images.deleteImage('m-absent01', { allowMissing: true });
    expect(absent).toMatchObject({ outcome: 'already_absent', confirmed: true });
    const other = await thrownBy(images.deleteImage('m-custom01', { expectName: 'a b&c', allowMissing: false }));
    expect(other).toMatchObject({ code: 'precondition_failed', outcome: 'not_attempted' });
    expect(sent.map(({ url }) => url.slice(GATEWAY.length))).toEqual([
      '/images/m-absent01?allowMissing=true',
      '/images/m-custom01?expectName=a+b%26c',
    ]);
  });

  it('throws the problem that the gateway returns', async () => {
    const { images, sent } = createLine();
    const error = await thrownBy(images.deleteImage('m-shared01', { requestId: 'job-1' }));
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toBeInstanceOf(entry.ImageGatewayError);
    expect(error).toMatchObject({
      name: 'ProblemError',
      message: 'image_shared, rejected: Stop sharing m-shared01, then delete it again. (request job-1)',
      code: 'image_shared',
      outcome: 'rejected',
      retryable: false,
      requestId: 'job-1',
      problem: { status: 409, instance: '/images/m-shared01', upstream: { code: 'Image.ImageHasBeenSharedToOthers' } },
      row: null,
      retryAfterS: null,
    });
    expect(sent).toHaveLength(1);
  });

  it.each(['', '.', '..', 'm-custom01/..', 'm-custom01?allowMissing=true', 'm-cüstom01', 'm%2D', ' m-custom01'])(
    'sends nothing for the id %j, which is not a path segment',
    async (id) => {
      const { images, sent } = createLine();
      expect(await thrownBy(images.deleteImage(id))).toBeInstanceOf(NotSentError);
      expect(await thrownBy(images.previewImage(id))).toBeInstanceOf(NotSentError);
      expect(sent).toEqual([]);
    },
  );

  it('lets the gateway decide which ids are image ids', async () => {
    const { images } = createLine();
    expect(await thrownBy(images.deleteImage('i-custom01'))).toMatchObject({ code: 'invalid_image_id' });
  });
});

describe('a call that changed nothing', () => {
  it('is retried after Retry-After, with a new request id for each attempt', async () => {
    const line = createLine({ env: { RATE_LIMITER_BURST: refusing(2) } });
    const deleted = await line.images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toMatchObject({ outcome: 'deleted', requestId: 'job-1.3' });
    expect(line.sent.map(({ requestId }) => requestId)).toEqual(['job-1', 'job-1.2', 'job-1.3']);
    expect(line.pausesMs).toEqual([10_000, 10_000]);
  });

  it('is retried as often as configured, and no more', async () => {
    for (const retries of [0, 1, 2, 9]) {
      const line = createLine({ env: { RATE_LIMITER_BURST: refusing(99) }, client: { retries } });
      const error = await thrownBy(line.images.deleteImage('m-custom01'));
      expect(error).toMatchObject({ code: 'rate_limited', outcome: 'not_attempted', retryAfterS: 10 });
      expect(line.sent).toHaveLength(retries + 1);
    }
  });

  it('is retried after a temporary refusal by Baidu', async () => {
    const line = createLine();
    line.harness.emulator.misbehave('throttled', 'throttled');
    expect(await line.images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', confirmed: true });
    expect(line.deletions().map(({ told }) => told)).toEqual(['rejected', 'deleted']);
    expect(line.pausesMs).toEqual([1_000]);
  });

  it('is retried after a growing, partly random pause if there is no Retry-After', async () => {
    const line = createLine();
    expect(await thrownBy(line.images.deleteImage('m-create01'))).toMatchObject({ code: 'image_creating' });
    expect(line.pausesMs).toEqual([1_500, 3_000]);
    expect(reachesBaidu(line)).toBe(3);
  });

  it('is not retried if Retry-After exceeds patienceMs', async () => {
    const line = createLine({ env: { DAILY_DELETIONS: '1' } });
    await line.images.deleteImage('m-custom01');
    const error = await thrownBy(line.images.deleteImage('m-custom02'));
    expect(error).toMatchObject({ code: 'budget_exhausted', retryable: true, retryAfterS: 86_400 });
    expect([line.sent.length, line.pausesMs]).toEqual([2, []]);
  });

  it('is retried if Retry-After equals patienceMs', async () => {
    const line = createLine({ env: { RATE_LIMITER_BURST: refusing(1) }, client: { patienceMs: 10_000 } });
    expect(await line.images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted' });
    const impatient = createLine({ env: { RATE_LIMITER_BURST: refusing(1) }, client: { patienceMs: 9_999 } });
    expect(await thrownBy(impatient.images.deleteImage('m-custom01'))).toMatchObject({ code: 'rate_limited' });
  });

  it('is retried if it is a read', async () => {
    const line = createLine({ env: { RATE_LIMITER_SUSTAINED: refusing(1) } });
    expect(await line.images.previewImage('m-custom01')).toMatchObject({ id: 'm-custom01', deletable: true });
    expect(line.pausesMs).toEqual([60_000]);
  });

  it.each([
    ['m-shared01', 'image_shared'],
    ['m-system01', 'image_not_custom'],
    ['m-absent01', 'image_not_found'],
  ])('is not retried for %s, because waiting does not help', async (id, code) => {
    const line = createLine();
    expect(await thrownBy(line.images.deleteImage(id))).toMatchObject({ code, retryable: false });
    expect([line.sent.length, line.pausesMs]).toEqual([1, []]);
  });
});

describe('a deletion whose answer is lost', () => {
  it.each(LINE_FAULTS.filter((fault) => fault.endsWith('_after')))(
    'ends in deleted if the gateway received it (%s)',
    async (fault) => {
      const line = createLine();
      line.faults.DELETE.push(fault);
      expect(await line.images.deleteImage('m-custom01', { requestId: 'job-1' })).toEqual({
        id: 'm-custom01',
        outcome: 'deleted',
        confirmed: true,
        requestId: 'job-1',
        upstreamRequestId: expect.stringMatching(UUID),
      });
      expect(reachesBaidu(line)).toBe(1);
      expect(line.sent.map(({ method }) => method)).toEqual(['DELETE', 'GET']);
      expect(line.sent[1]?.url).toBe(`${GATEWAY}/deletions?imageId=m-custom01&requestId=job-1`);
      expect(line.sent[1]?.requestId).toMatch(UUID);
    },
  );

  it.each(LINE_FAULTS.filter((fault) => !fault.endsWith('_after')))(
    'stays unknown while the ledger has no row for it (%s)',
    async (fault) => {
      const line = createLine();
      line.faults.DELETE.push(fault);
      const error = await thrownBy(line.images.deleteImage('m-custom01', { requestId: 'job-1' }));
      expect(error).toBeInstanceOf(LostAnswerError);
      expect(error).toBeInstanceOf(entry.ImageGatewayError);
      expect(error).toMatchObject({ name: 'LostAnswerError', outcome: 'unknown', requestId: 'job-1' });
      expect(line.deletions()).toHaveLength(1);
      // It polls until its patience runs out, quickly at first.
      expect(total(line.pausesMs)).toBe(60_000);
      expect(line.pausesMs.slice(0, 6)).toEqual([375, 750, 1_500, 3_000, 6_000, 7_500]);
      expect(line.reads()).toHaveLength(line.pausesMs.length);
      await line.arriveLate();
      expect(stands(line, 'm-custom01')).toBe(fault !== 'lost_and_late');
    },
  );

  it('says what arrived instead of the answer', async () => {
    const line = createLine({ client: { patienceMs: 0 } });
    line.faults.DELETE.push('html_502_before', 'lost_before', 'hang_before');
    const errors = [];
    for (let n = 0; n < 3; n++)
      errors.push(await thrownBy(line.images.deleteImage('m-custom01', { requestId: 'job-1' })));
    expect(errors).toMatchObject([
      {
        status: 502,
        message: 'No response from the gateway to request job-1: something else responded with status 502.',
      },
      {
        status: null,
        message: 'No response from the gateway to request job-1: nothing arrived.',
        cause: { message: 'fetch failed' },
      },
      { status: null, cause: { message: 'It took longer than 30000 ms.' } },
    ]);
    // With no patience it never asks the ledger.
    expect(line.reads()).toEqual([]);
  });

  it('ends in deleted if the deletion arrives while the client polls the ledger', async () => {
    const line = createLine();
    line.faults.DELETE.push('lost_and_late');
    line.hooks.afterPause = async (elapsedMs) => {
      if (elapsedMs > 20_000) await line.arriveLate();
    };
    expect(await line.images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', confirmed: true });
    expect(line.deletions()).toHaveLength(1);
  });

  it('keeps polling if the ledger cannot be reached', async () => {
    const line = createLine();
    line.faults.DELETE.push('lost_after');
    line.faults.GET.push(
      'lost_before',
      'html_502_before',
      'hang_before',
      'other_image_after',
      'other_shape_200_before',
    );
    expect(await line.images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted' });
    expect(line.reads()).toHaveLength(6);
  });

  it('polls again after the pause that the gateway asks for', async () => {
    // The deletion gets through; the first two polls do not.
    let asked = 0;
    const line = createLine({
      env: { RATE_LIMITER_BURST: { limit: async () => ({ success: ![2, 3].includes(++asked) }) } },
    });
    line.faults.DELETE.push('lost_after');
    expect(await line.images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted' });
    expect(line.pausesMs).toEqual([10_000, 10_000]);
  });

  it('never waits beyond its patience, whatever Retry-After says', async () => {
    let asked = 0;
    const line = createLine({
      env: { RATE_LIMITER_SUSTAINED: { limit: async () => ({ success: ++asked === 1 }) } },
      client: { patienceMs: 25_000 },
    });
    line.faults.DELETE.push('lost_after');
    expect(await thrownBy(line.images.deleteImage('m-custom01'))).toMatchObject({ outcome: 'unknown' });
    expect(line.pausesMs).toEqual([25_000]);
  });

  it('throws a refusal found in the ledger, built from its row', async () => {
    const line = createLine();
    line.faults.DELETE.push('lost_after');
    const error = await thrownBy(line.images.deleteImage('m-shared01', { requestId: 'job-1' }));
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({
      message: 'The ledger reports for m-shared01: rejected, image_shared (request job-1)',
      code: 'image_shared',
      outcome: 'rejected',
      retryable: false,
      requestId: 'job-1',
      problem: null,
      row: { imageId: 'm-shared01', outcome: 'rejected', code: 'image_shared' },
      retryAfterS: null,
    });
  });

  it('is not sent again even if the ledger says that nothing changed', async () => {
    const line = createLine();
    line.faults.DELETE.push('lost_after', 'lost_after');
    expect(await thrownBy(line.images.deleteImage('m-create01'))).toMatchObject({
      code: 'image_creating',
      retryable: false,
    });
    const other = await thrownBy(line.images.deleteImage('m-custom01', { expectName: 'another' }));
    expect(other).toMatchObject({ code: 'precondition_failed', outcome: 'not_attempted', retryable: false });
    expect(line.deletions()).toHaveLength(2);
  });

  it('ends as its answer would have if the image was absent', async () => {
    const line = createLine();
    line.faults.DELETE.push('lost_after', 'lost_after');
    const error = await thrownBy(line.images.deleteImage('m-absent01'));
    expect(error).toMatchObject({ code: 'image_not_found', outcome: 'already_absent', problem: null });
    const absent = await line.images.deleteImage('m-absent01', { allowMissing: true });
    expect(absent).toMatchObject({ outcome: 'already_absent', confirmed: true });
  });

  it('is looked up under its own id if an earlier attempt was refused', async () => {
    const line = createLine({ env: { RATE_LIMITER_BURST: refusing(1) } });
    line.faults.DELETE.push(null, 'lost_after');
    const deleted = await line.images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toMatchObject({ outcome: 'deleted', requestId: 'job-1.2' });
    expect(line.reads().map(({ url }) => new URL(url).searchParams.get('requestId'))).toEqual(['job-1.2']);
  });
});

describe('a request that never left', () => {
  const refusal = new TypeError('fetch failed', {
    cause: Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED', syscall: 'connect' }),
  });
  const OWN = { baseUrl: GATEWAY, token: KEYS.both };

  it('fails at once, with the reason, and is not sent again', async () => {
    const sending = vi.spyOn(globalThis, 'fetch').mockRejectedValue(refusal);
    const images = new ImageGateway(OWN, { sleep: () => Promise.reject(new Error('it must not wait')) });
    for (const call of [images.deleteImage('m-custom01'), images.previewImage('m-custom01'), images.readiness()]) {
      const error = await thrownBy(call);
      expect(error).toBeInstanceOf(NotSentError);
      expect(error).toMatchObject({
        message: 'Nothing was sent: there is no connection to the gateway (ECONNREFUSED)',
        outcome: 'not_attempted',
        cause: refusal,
      });
    }
    expect(sending).toHaveBeenCalledTimes(3);
  });

  it("throws the previous attempt's result", async () => {
    const line = createLine({ env: { RATE_LIMITER_BURST: refusing(1) } });
    const sending = vi.spyOn(globalThis, 'fetch').mockRejectedValue(refusal);
    sending.mockImplementationOnce((_url, init) =>
      line.harness.call('DELETE', '/images/m-custom01', Object.fromEntries(new Headers(init?.headers))),
    );
    const images = new ImageGateway(OWN, { sleep: async () => undefined });
    expect(await thrownBy(images.deleteImage('m-custom01'))).toMatchObject({ code: 'rate_limited' });
    expect(sending).toHaveBeenCalledTimes(2);
  });

  it('is unknown if a custom fetch throws the same error, because it may have sent the request', async () => {
    const line = createLine();
    const images = line.clientWith({ fetch: () => Promise.reject(refusal), patienceMs: 0 });
    expect(await thrownBy(images.deleteImage('m-custom01'))).toMatchObject({ outcome: 'unknown', cause: refusal });
  });

  it('is unknown if the error comes after the status', async () => {
    const broken = new ReadableStream({ start: (controller) => controller.error(refusal) });
    vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(broken));
    const images = new ImageGateway({ ...OWN, patienceMs: 0 });
    expect(await thrownBy(images.deleteImage('m-custom01'))).toMatchObject({ outcome: 'unknown', status: 200 });
  });
});

describe('a deletion whose outcome the gateway does not know', () => {
  it('ends in deleted when a check finds the image gone', async () => {
    const line = createLine();
    line.harness.emulator.misbehave('drop_after', 'internal_error');
    line.hooks.afterPause = async (elapsedMs) => {
      if (elapsedMs > 45_000) await line.check('m-custom01', [45, 3_600]);
    };
    const deleted = await line.images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toEqual({
      id: 'm-custom01',
      outcome: 'deleted',
      confirmed: false,
      requestId: 'job-1',
      upstreamRequestId: expect.any(String),
    });
    expect(line.deletions().map(({ told }) => told)).toEqual(['unknown']);
    expect(total(line.pausesMs)).toBeLessThan(60_000);
    // The gateway returned the caller's name, so the query can include it.
    const query = '?imageId=m-custom01&requestId=job-1&caller=both';
    expect(new Set(line.reads().map(({ url }) => url))).toEqual(new Set([`${GATEWAY}/deletions${query}`]));
  });

  it('is thrown as not_deleted when the last check finds the image', async () => {
    const line = createLine();
    line.harness.emulator.misbehave('hang', 'hang');
    line.hooks.afterPause = async (elapsedMs) => {
      if (elapsedMs > 45_000) await line.check('m-custom01', [45]);
    };
    const error = await thrownBy(line.images.deleteImage('m-custom01'));
    expect(error).toMatchObject({ code: 'upstream_timeout', outcome: 'not_deleted', retryable: false, problem: null });
    expect(stands(line, 'm-custom01')).toBe(true);
  });

  it('has no code if the gateway was killed before it could say why', async () => {
    const line = createLine({ settles: () => false });
    line.harness.emulator.misbehave('hang', 'hang');
    line.faults.DELETE.push('lost_after');
    line.hooks.afterPause = async (elapsedMs) => {
      if (elapsedMs > 45_000) await line.check('m-custom01', [45]);
    };
    const error = await thrownBy(line.images.deleteImage('m-custom01', { requestId: 'job-1' }));
    expect(error).toMatchObject({
      message: 'The ledger reports for m-custom01: not_deleted, without a code (request job-1)',
      code: null,
      outcome: 'not_deleted',
      row: { settledAt: null },
    });
  });

  it('throws what the gateway answered if the patience runs out first', async () => {
    const line = createLine();
    line.harness.emulator.misbehave('hang', 'hang');
    const error = await thrownBy(line.images.deleteImage('m-custom01'));
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ code: 'upstream_timeout', outcome: 'unknown', retryable: false, row: null });
    expect(line.deletions()).toHaveLength(1);
    expect(total(line.pausesMs)).toBe(60_000);
  });
});

describe('a row with the same image and request id', () => {
  const SAME = { requestId: 'job-1' };

  it('is ignored if it is from an earlier call', async () => {
    const line = createLine();
    expect(await thrownBy(line.images.deleteImage('m-shared01', SAME))).toMatchObject({ outcome: 'rejected' });
    await line.age(60_000);
    line.faults.DELETE.push('lost_and_late');
    expect(await thrownBy(line.images.deleteImage('m-shared01', SAME))).toMatchObject({ outcome: 'unknown' });
  });

  it("counts only if it is newer than the request by the gateway's clock", async () => {
    // The clock in the answers is an hour ahead of the ledger's, so the row looks older than the request.
    const line = createLine();
    const dated: SendRequest = async (url, init) => {
      line.faults[init.method].push(init.method === 'DELETE' ? 'lost_after' : null);
      const { body, status, headers } = await line.send(url, init);
      const response = new Response(body, { status, headers });
      response.headers.set('date', new Date(Date.now() + HOUR_MS).toUTCString());
      return response;
    };
    const images = line.clientWith({ fetch: dated });
    expect(await thrownBy(images.deleteImage('m-custom01', SAME))).toMatchObject({ outcome: 'unknown' });
    // An id that the client generated needs no clock.
    expect(await images.deleteImage('m-custom02')).toMatchObject({ outcome: 'deleted' });
  });

  it('is ignored if another caller made it and the gateway returned our name', async () => {
    const table = { ...CALLERS, both: { ...CALLERS.both, scopes: ['images:delete', 'deletions:read'] } };
    const line = createLine({ env: { CALLERS: JSON.stringify(table) } });
    await line.ledger.reserve(reservation('job-1', 'm-custom01', 'cleaner'), budgets(9));
    await line.ledger.settle(idOf('job-1'), settlement('deleted'));
    expect(await line.images.deletion('job-1')).toMatchObject({ caller: 'cleaner', outcome: 'deleted' });
    line.harness.emulator.misbehave('hang', 'hang');
    expect(await thrownBy(line.images.deleteImage('m-custom01', SAME))).toMatchObject({ outcome: 'unknown' });
  });

  it('is ignored if another caller made it and only /readyz returns our name', async () => {
    const table = { ...CALLERS, both: { ...CALLERS.both, scopes: ['images:delete', 'deletions:read'] } };
    const line = createLine({ env: { CALLERS: JSON.stringify(table) } });
    await line.ledger.reserve(reservation('job-1', 'm-custom01', 'cleaner'), budgets(9));
    await line.ledger.settle(idOf('job-1'), settlement('rejected'));
    line.faults.DELETE.push('lost_and_late');
    line.faults.GET.push(null, 'lost_before');
    expect(await thrownBy(line.images.deleteImage('m-custom01', SAME))).toMatchObject({ outcome: 'unknown' });
    const isReadyz = ({ url }: { url: string }) => url === `${GATEWAY}/readyz`;
    expect(line.reads().filter(isReadyz)).toHaveLength(2);
    expect(line.reads().at(-1)?.url).toContain('caller=both');
    await line.arriveLate();
    expect(stands(line, 'm-custom01')).toBe(false);
  });

  it('counts if it says deleted, even from another caller, because the image is gone', async () => {
    const table = { ...CALLERS, both: { ...CALLERS.both, scopes: ['images:delete', 'deletions:read'] } };
    const line = createLine({ env: { CALLERS: JSON.stringify(table) } });
    await line.ledger.reserve(reservation('job-1', 'm-custom01', 'cleaner'), budgets(9));
    await line.ledger.settle(idOf('job-1'), settlement('deleted'));
    line.faults.DELETE.push('lost_before');
    expect(await line.images.deleteImage('m-custom01', SAME)).toMatchObject({ outcome: 'deleted' });
  });
});

describe('the signal', () => {
  it('prevents sending if it is already aborted', async () => {
    const { images, sent } = createLine();
    const signal = AbortSignal.abort('enough');
    const calls = [
      images.deleteImage('m-custom01', { signal }),
      images.previewImage('m-custom01', { signal }),
      images.deletion('job-1', { signal }),
      images.deletions({}, { signal }).next(),
    ];
    for (const call of calls) {
      const error = await thrownBy(call);
      expect(error).toBeInstanceOf(NotSentError);
      expect(error).toMatchObject({ name: 'NotSentError', outcome: 'not_attempted', cause: 'enough' });
    }
    expect(sent).toEqual([]);
  });

  it('ends a deletion at once, with an unknown outcome', async () => {
    const line = createLine();
    const controller = new AbortController();
    const images = line.clientWith({
      fetch: async (url, init) => {
        await line.send(url, init);
        controller.abort('enough');
        // Like a fetch that ignores its signal.
        return new Promise(() => undefined);
      },
    });
    const error = await thrownBy(images.deleteImage('m-custom01', { signal: controller.signal }));
    expect(error).toBeInstanceOf(LostAnswerError);
    expect(error).toMatchObject({ outcome: 'unknown', status: null, cause: 'enough' });
    expect([line.sent.length, line.pausesMs, stands(line, 'm-custom01')]).toEqual([1, [], false]);
  });

  it('ends a pause with the outcome known so far', async () => {
    const line = createLine({ env: { RATE_LIMITER_BURST: refusing(9) } });
    const controller = new AbortController();
    line.hooks.afterPause = async () => controller.abort();
    const error = await thrownBy(line.images.deleteImage('m-custom01', { signal: controller.signal }));
    expect(error).toMatchObject({ code: 'rate_limited', outcome: 'not_attempted' });
    expect(line.sent).toHaveLength(1);
  });

  it('ends polling of the ledger with an unknown outcome', async () => {
    const line = createLine();
    line.faults.DELETE.push('lost_before');
    const controller = new AbortController();
    line.hooks.afterPause = async (elapsedMs) => {
      if (elapsedMs > 2_000) controller.abort();
    };
    const error = await thrownBy(line.images.deleteImage('m-custom01', { signal: controller.signal }));
    expect(error).toMatchObject({ outcome: 'unknown', cause: { message: 'fetch failed' } });
    expect(line.reads()).toHaveLength(3);
  });

  it('ends a real pause, and leaves no timer behind', async () => {
    const line = createLine({ env: { RATE_LIMITER_BURST: refusing(9) } });
    const controller = new AbortController();
    const images = new ImageGateway({ baseUrl: GATEWAY, token: KEYS.both, fetch: line.send });
    const call = thrownBy(images.deleteImage('m-custom01', { signal: controller.signal }));
    await scheduler.wait(50);
    controller.abort();
    expect(await call).toMatchObject({ code: 'rate_limited' });
    expect(line.sent).toHaveLength(1);
  });
});

describe('the token', () => {
  it('is fetched before each request', async () => {
    const tokens = [KEYS.reader, KEYS.cleaner, KEYS.both];
    const line = createLine({ env: { RATE_LIMITER_BURST: refusing(1) } });
    const images = line.clientWith({ token: async () => tokens.pop() ?? 'none' });
    line.faults.DELETE.push(null, 'lost_after');
    // The last key is of a reader, which cannot see another caller's row.
    expect(await thrownBy(images.deleteImage('m-custom01'))).toMatchObject({ outcome: 'unknown' });
    expect(line.sent.slice(0, 3).map(({ headers }) => headers['Authorization'])).toEqual(
      [KEYS.both, KEYS.cleaner, KEYS.reader].map((key) => `Bearer ${key}`),
    );
  });

  it('prevents sending if it cannot be obtained', async () => {
    const line = createLine();
    const broken = line.clientWith({ token: () => Promise.reject(new Error('no file')) });
    const error = await thrownBy(broken.deleteImage('m-custom01'));
    expect(error).toBeInstanceOf(NotSentError);
    expect(error).toMatchObject({ outcome: 'not_attempted', cause: { message: 'no file' } });

    const hanging = line.clientWith({ token: () => new Promise(() => undefined) });
    const call = thrownBy(hanging.deleteImage('m-custom01'));
    line.ring();
    const late = await call;
    expect(late).toMatchObject({ outcome: 'not_attempted', cause: { message: 'It took longer than 30000 ms.' } });

    const controller = new AbortController();
    const ended = thrownBy(hanging.deleteImage('m-custom01', { signal: controller.signal }));
    controller.abort('enough');
    expect(await ended).toMatchObject({ name: 'NotSentError', cause: 'enough' });
    expect(line.sent).toEqual([]);
  });

  it('may fail for a second attempt, and the result of the first stands', async () => {
    const line = createLine();
    const tokens = [KEYS.both];
    const images = line.clientWith({ token: async () => tokens.pop() ?? Promise.reject(new Error('no file')) });
    const error = await thrownBy(images.deleteImage('m-create01'));
    expect(error).toMatchObject({ code: 'image_creating', outcome: 'rejected' });
    expect(line.sent).toHaveLength(1);
  });

  it('is fetched again if it fails while the ledger is polled', async () => {
    const line = createLine();
    let asked = 0;
    const images = line.clientWith({
      token: async () => (++asked === 2 ? Promise.reject(new Error('no file')) : KEYS.both),
    });
    line.faults.DELETE.push('lost_after');
    expect(await images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted' });
  });

  it.each(['', ' ', `${KEYS.both}\n`, `Bearer ${KEYS.both}`, `${KEYS.both}, x`])('is refused as %j', async (token) => {
    const line = createLine();
    const error = await thrownBy(line.clientWith({ token }).deleteImage('m-custom01'));
    expect(error).toMatchObject({ name: 'NotSentError', message: expect.not.stringContaining(KEYS.both) });
    expect(line.sent).toEqual([]);
  });

  it('must not share eight characters with the request id, which the gateway would replace', async () => {
    const line = createLine();
    const error = await thrownBy(
      line.images.deleteImage('m-custom01', { requestId: `run-1.${KEYS.both.slice(6, 14)}` }),
    );
    expect(error).toMatchObject({ name: 'NotSentError' });
    expect(line.sent).toEqual([]);
    expect(await line.images.deleteImage('m-custom01', { requestId: 'not-in-it' })).toMatchObject({
      outcome: 'deleted',
    });
  });
});

describe('addresses in answers', () => {
  it('are never followed: only their query is used, at the configured origin', async () => {
    const line = createLine();
    await fillHistory(line, 230);
    const images = line.clientWith({
      fetch: async (url, init) => {
        const { body, status, headers } = await line.send(inPagesOf100(url), init);
        const response = new Response(body, { status, headers });
        const link = headers.get('link')?.replace(GATEWAY, 'https://elsewhere.test');
        if (link !== undefined) response.headers.set('link', link);
        return response;
      },
    });
    const rows = await all(images.deletions());
    expect(rows).toHaveLength(230);
    expect(line.sent.map(({ url }) => new URL(url).origin)).toEqual([GATEWAY, GATEWAY, GATEWAY]);
  });
});

describe('previewImage', () => {
  it('returns what the gateway answers', async () => {
    const { images } = createLine();
    expect(await images.previewImage('m-shared01')).toMatchObject({
      id: 'm-shared01',
      name: 'golden-base',
      sharedWith: 1,
      deletable: false,
      blockers: [{ code: 'image_shared', detail: expect.any(String) }],
    });
  });

  it('throws the problem that the gateway returns', async () => {
    const { images } = createLine();
    expect(await thrownBy(images.previewImage('m-absent01'))).toMatchObject({
      code: 'image_not_found',
      outcome: 'already_absent',
    });
  });

  it.each(LINE_FAULTS)('throws LostAnswerError if the answer is lost (%s)', async (fault) => {
    const { images, faults, sent } = createLine();
    faults.GET.push(fault);
    const error = await thrownBy(images.previewImage('m-custom01'));
    expect(error).toBeInstanceOf(LostAnswerError);
    expect(error).toMatchObject({ outcome: 'unknown' });
    expect(sent).toHaveLength(1);
  });
});

describe('deletion', () => {
  it('returns the row with the request id, or null', async () => {
    const { images, sent } = createLine();
    await images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(await images.deletion('job-1')).toMatchObject({
      imageId: 'm-custom01',
      requestId: 'job-1',
      outcome: 'deleted',
    });
    expect(await images.deletion('job-2')).toBeNull();
    expect(sent.at(-1)?.url).toBe(`${GATEWAY}/deletions?requestId=job-2`);
  });

  it('sends nothing without a request id, because the query would match any deletion', async () => {
    const { images, sent } = createLine();
    const requestId = JSON.parse('{}').requestId;
    expect(await thrownBy(images.deletion(requestId))).toBeInstanceOf(NotSentError);
    expect(sent).toHaveLength(0);
  });

  it('throws the problem that the gateway returns', async () => {
    const { images } = createLine();
    expect(await thrownBy(images.deletion('not a request id'))).toMatchObject({ code: 'invalid_request' });
  });
});

describe('a row from a 1.0.0 gateway', () => {
  it('counts as not read back', async () => {
    const { verified: _, ...row } = deletionRow();
    const send: SendRequest = async (_url, { headers }) =>
      Response.json({ deletions: [row] }, { headers: { 'X-Request-Id': headers['X-Request-Id'] ?? '' } });
    const images = new ImageGateway({ baseUrl: GATEWAY, token: 'key', fetch: send });
    expect(await images.deletion(row.requestId)).toEqual({ ...row, verified: null });
  });
});

describe('deletions', () => {
  it('returns all rows, newest first, and fetches each page only when needed', async () => {
    const line = createLine();
    await fillHistory(line, 230);
    const images = paging(line);
    const rows = await all(images.deletions());
    expect(rows.map(({ requestId }) => requestId)).toEqual(Array.from({ length: 230 }, (_, n) => `r${229 - n}`));
    expect(line.sent).toHaveLength(3);
    for await (const { requestId } of images.deletions()) {
      expect(requestId).toBe('r229');
      break;
    }
    expect(line.sent).toHaveLength(4);
  });

  it('sends every filter with every page', async () => {
    const line = createLine();
    await fillHistory(line, 230);
    const since = new Date(Date.now() - 60_000);
    const filter = { outcome: 'unknown', since, until: '2126-01-01T00:00:00.000Z', caller: 'both' } as const;
    expect(await all(paging(line).deletions(filter))).toHaveLength(230);
    expect(line.sent).toHaveLength(3);
    for (const { url } of line.sent) {
      expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({ ...filter, since: since.toISOString() });
    }
    expect(await all(line.images.deletions({ requestId: 'r7' }))).toMatchObject([{ requestId: 'r7' }]);
    expect(await all(line.images.deletions({ imageId: 'm-absent01' }))).toEqual([]);
    expect(await thrownBy(all(line.images.deletions({ caller: 'cleaner' })))).toMatchObject({
      code: 'permission_denied',
    });
  });

  it('asks for the longest pages allowed', async () => {
    const line = createLine();
    expect(await all(line.images.deletions({ caller: 'both' }))).toEqual([]);
    expect(line.sent.map(({ url }) => url)).toEqual([`${GATEWAY}/deletions?caller=both&limit=500`]);
  });

  it('throws if the next link has no query, rather than start over without the filter', async () => {
    const line = createLine();
    const linked: SendRequest = async (url, init) => {
      const { body, status, headers } = await line.send(url, init);
      const response = new Response(body, { status, headers });
      response.headers.set('link', `<${GATEWAY}/deletions>; rel="next"`);
      return response;
    };
    const rows = line.clientWith({ fetch: linked }).deletions({ imageId: 'm-custom01' });
    expect(await thrownBy(rows.next())).toBeInstanceOf(LostAnswerError);
  });

  it('throws if a page is lost, rather than end early', async () => {
    const line = createLine();
    await fillHistory(line, 230);
    line.faults.GET.push(null, 'html_502_before');
    expect(await thrownBy(all(paging(line).deletions()))).toBeInstanceOf(LostAnswerError);
  });
});

describe('readiness', () => {
  it('says who the client is at the gateway, and what it may do', async () => {
    const { images, sent } = createLine();
    expect(await images.readiness()).toEqual({
      status: 'ready',
      caller: 'both',
      scopes: ['images:delete', 'images:read'],
      keyFingerprint: expect.stringMatching(/^[\da-f]{8}$/),
      credentialAccepted: null,
      control: null,
      keepsRequestId: true,
    });
    expect(sent.map(({ method, url }) => [method, url])).toEqual([['GET', `${GATEWAY}/readyz`]]);
  });

  it('has no control with a 1.0.0 gateway', async () => {
    const body = { status: 'ready', caller: 'both', scopes: [], keyFingerprint: '9ae8a8b2', credentialAccepted: true };
    const send: SendRequest = async (_url, { headers }) =>
      Response.json(body, { headers: { 'X-Request-Id': headers['X-Request-Id'] ?? '' } });
    const images = new ImageGateway({ baseUrl: GATEWAY, token: 'key', fetch: send });
    expect(await images.readiness()).toEqual({ ...body, control: null, keepsRequestId: true });
  });

  it('asks Baidu only on request', async () => {
    const { images, sent } = createLine();
    expect(await images.readiness({ upstream: true })).toMatchObject({ credentialAccepted: true });
    expect(await images.readiness({ upstream: false })).toMatchObject({ credentialAccepted: null });
    expect(sent.map(({ url }) => url)).toEqual([`${GATEWAY}/readyz?upstream=true`, `${GATEWAY}/readyz`]);
    expect(await thrownBy(images.readiness(JSON.parse('{"upstream":"true"}')))).toBeInstanceOf(NotSentError);
  });

  it('is not accepted from anything but the gateway', async () => {
    const { images, faults } = createLine();
    faults.GET.push('other_shape_200_before');
    expect(await thrownBy(images.readiness())).toBeInstanceOf(LostAnswerError);
  });

  it('throws the problem that the gateway returns', async () => {
    const { images } = createLine({ key: 'nobody' });
    expect(await thrownBy(images.readiness())).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('metrics', () => {
  it('returns the text for Prometheus', async () => {
    const table = { ...CALLERS, both: { ...CALLERS.both, scopes: ['metrics:read'] } };
    const { images, sent } = createLine({ env: { CALLERS: JSON.stringify(table) } });
    expect(await images.metrics()).toMatch(/^bcc_image_gateway_account_budget \d+$/m);
    expect(sent.map(({ method, url }) => [method, url])).toEqual([['GET', `${GATEWAY}/metrics`]]);
  });

  it('throws the problem that the gateway returns, and rejects any other body', async () => {
    expect(await thrownBy(createLine().images.metrics())).toMatchObject({ code: 'permission_denied' });
    const { images, faults } = createLine();
    faults.GET.push('other_shape_200_before');
    expect(await thrownBy(images.metrics())).toBeInstanceOf(LostAnswerError);
  });
});

describe('a proxy that replaces X-Request-Id', () => {
  /** A client behind the proxy, which assigns the ids `proxy-1`, `proxy-2`, … */
  function behindProxy(options: LineOptions = {}) {
    const line = createLine(options);
    let requests = 0;
    const renaming: SendRequest = (url, init) =>
      line.send(url, { ...init, headers: { ...init.headers, 'X-Request-Id': `proxy-${++requests}` } });
    return { line, images: line.clientWith({ ...options.client, fetch: renaming }) };
  }

  it("does not change a success, which has the ledger's request id", async () => {
    const { images } = behindProxy();
    const deleted = await images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toMatchObject({ id: 'm-custom01', outcome: 'deleted', requestId: 'proxy-1' });
    expect(await images.deletion(deleted.requestId)).toMatchObject({ imageId: 'm-custom01', outcome: 'deleted' });
    expect(await images.previewImage('m-custom02')).toMatchObject({ id: 'm-custom02', deletable: true });
    expect(await all(images.deletions())).toHaveLength(1);
  });

  it("does not change the gateway's failures", async () => {
    const { images } = behindProxy();
    const refused = { code: 'image_shared', outcome: 'rejected', requestId: 'proxy-1' };
    expect(await thrownBy(images.deleteImage('m-shared01', { requestId: 'job-1' }))).toMatchObject(refused);
    expect(await thrownBy(images.previewImage('m-absent01'))).toMatchObject({ code: 'image_not_found' });
    expect(await thrownBy(images.deletion('not a request id'))).toMatchObject({ code: 'invalid_request' });
  });

  it('does not prevent the retry of a call that changed nothing', async () => {
    const { line, images } = behindProxy({ env: { RATE_LIMITER_BURST: refusing(1) } });
    expect(await images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', requestId: 'proxy-2' });
    expect(line.deletions().map(({ told }) => told)).toEqual(['not_attempted', 'deleted']);
  });

  it('does not stop the client from learning an unknown outcome from the ledger', async () => {
    const { line, images } = behindProxy();
    line.harness.emulator.misbehave('drop_after', 'internal_error');
    line.hooks.afterPause = async (elapsedMs) => {
      if (elapsedMs > 45_000) await line.check('m-custom01', [45, 3_600]);
    };
    expect(await images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', requestId: 'proxy-1' });
  });

  it('leaves a deletion unknown if its answer is lost, because the client does not know its id', async () => {
    const { line, images } = behindProxy();
    line.faults.DELETE.push('lost_after');
    expect(await thrownBy(images.deleteImage('m-custom01'))).toMatchObject({ outcome: 'unknown' });
    expect(line.deletions()).toHaveLength(1);
  });

  it('is reported by readiness, and a retry is not mistaken for one', async () => {
    expect(await behindProxy().images.readiness()).toMatchObject({ status: 'ready', keepsRequestId: false });
    const { images } = createLine({ env: { RATE_LIMITER_BURST: refusing(1) } });
    expect(await images.readiness()).toMatchObject({ keepsRequestId: true });
  });

  it.each<[string, (body: string) => string]>([
    ['another image', (body) => body.replaceAll('m-shared01', 'm-another1').replaceAll('m-custom01', 'm-another1')],
    ['a different request from the one in its header', (body) => body.replaceAll('proxy-1', 'proxy-2')],
  ])('does not make the client accept an answer about %s', async (_what, change) => {
    const line = createLine();
    const fetch: SendRequest = async (url, init) => {
      const headers = { ...init.headers, 'X-Request-Id': 'proxy-1' };
      const response = await line.send(url, { ...init, headers });
      return new Response(change(await response.text()), response);
    };
    const images = line.clientWith({ fetch, patienceMs: 0 });
    for (const id of ['m-custom01', 'm-shared01']) {
      expect(await thrownBy(images.deleteImage(id))).toMatchObject({ name: 'LostAnswerError', outcome: 'unknown' });
    }
  });

  it('does not make the client accept an answer without a request id', async () => {
    const line = createLine();
    const fetch: SendRequest = async (url, init) => {
      const response = await line.send(url, init);
      const headers = new Headers(response.headers);
      headers.delete('x-request-id');
      return new Response(response.body, { status: response.status, headers });
    };
    const images = line.clientWith({ fetch, patienceMs: 0 });
    expect(await thrownBy(images.readiness())).toMatchObject({ name: 'LostAnswerError', status: 200 });
    expect(await thrownBy(images.deleteImage('m-custom01'))).toMatchObject({ outcome: 'unknown' });
  });
});

describe('a proxy that repeats requests', () => {
  /** A client behind the proxy. It gets the response to the second copy of each deletion. */
  function behindProxy(options: LineOptions = {}) {
    const line = createLine(options);
    const repeating: SendRequest = async (url, init) => {
      if (init.method === 'DELETE') await line.send(url, init);
      return line.send(url, init);
    };
    return { line, images: line.clientWith({ fetch: repeating }) };
  }

  it('does not change a successful deletion', async () => {
    const { line, images } = behindProxy();
    const deleted = await images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toMatchObject({ id: 'm-custom01', outcome: 'deleted', confirmed: true, requestId: 'job-1' });
    expect(line.deletions().map(({ requestId }) => requestId)).toEqual(['job-1', 'job-1']);
  });

  it('leaves a deletion in progress unknown until the ledger resolves it', async () => {
    const { line, images } = behindProxy();
    line.harness.emulator.misbehave('drop_after', 'internal_error');
    line.hooks.afterPause = async (elapsedMs) => {
      if (elapsedMs > 45_000) await line.check('m-custom01', [45, 3_600]);
    };
    const deleted = await images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toMatchObject({ outcome: 'deleted', confirmed: false, requestId: 'job-1' });
    expect(line.deletions().map(({ told }) => told)).toEqual(['unknown', 'unknown']);
    expect(reachesBaidu(line)).toBe(2);
  });
});

describe('an image that another call is deleting', () => {
  it('makes the client wait as long as the gateway says', async () => {
    const line = createLine();
    line.harness.emulator.misbehave('drop_after', 'internal_error');
    const impatient = line.clientWith({ patienceMs: 0 });
    expect(await thrownBy(impatient.deleteImage('m-custom01'))).toMatchObject({ outcome: 'unknown' });
    const error = await thrownBy(line.images.deleteImage('m-custom01', { requestId: 'job-2' }));
    expect(error).toMatchObject({ code: 'deletion_in_progress', outcome: 'not_attempted', requestId: 'job-2.3' });
    expect(line.pausesMs).toEqual([5_000, 5_000]);
  });
});

describe('a process that restarts with the same request id', () => {
  it('learns the outcome of the deletion in progress, however long ago that began', async () => {
    const line = createLine({ key: KEYS.cleaner });
    line.harness.emulator.misbehave('internal_error_after', 'internal_error');
    const headers = { Authorization: `Bearer ${KEYS.cleaner}`, 'X-Request-Id': 'job-1' };
    await line.harness.call('DELETE', '/images/m-custom01', headers);
    await line.age(30_000);
    line.hooks.afterPause = async () => {
      await line.age(30_000);
      await line.check('m-custom01', [45]);
    };
    const deleted = await line.images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(deleted).toMatchObject({ outcome: 'deleted', confirmed: false, requestId: 'job-1' });
    expect(line.deletions().map(({ told }) => told)).toEqual(['unknown']);
  });
});

describe('the entry', () => {
  it('exports no values but the client and its errors', () => {
    expect(Object.keys(entry).sort()).toEqual([
      'ImageGateway',
      'ImageGatewayError',
      'LostAnswerError',
      'NotSentError',
      'ProblemError',
    ]);
  });
});

async function all(rows: AsyncIterable<DeletionJson>): Promise<DeletionJson[]> {
  const list: DeletionJson[] = [];
  for await (const row of rows) list.push(row);
  return list;
}

/** Shortens pages, so that a few rows fill several. */
const inPagesOf100 = (url: string) => url.replace('limit=500', 'limit=100');
const paging = (line: TestLine) => line.clientWith({ fetch: (url, init) => line.send(inPagesOf100(url), init) });

/** Reserves `rows` deletions for the caller `both`. */
async function fillHistory(line: TestLine, rows: number): Promise<void> {
  for (const [n, id] of manyImages(line.harness, rows).entries()) {
    await line.ledger.reserve(reservation(`r${n}`, id, 'both'), budgets(1_000));
  }
}
