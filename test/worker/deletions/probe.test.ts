/** Whether Baidu accepts the credential, and how often it is asked. */
import { describe, expect, it } from 'vitest';
import type { Called, Image, ImageApi, ImageCheck } from '../../../src/worker/baidu/images.ts';
import { UpstreamProbe } from '../../../src/worker/deletions/probe.ts';
import { ID_OF_NO_IMAGE, isImageId } from '../../../src/worker/image-id.ts';
import { failed, ok } from '../../../src/worker/result.ts';
import { KEYS } from '../../fixtures.ts';
import { bearer, createHarness, type Harness, problemOf, recordsOf } from '../../harness.ts';

const called = (result: Called<Image>['result']): Called<Image> => ({ attempts: 1, answer: undefined, result });
const absent = called(failed({ code: 'image_not_found', outcome: 'already_absent', listed: true }));
const refused = called(failed({ code: 'upstream_rejected_credentials', outcome: 'rejected' }));

const READY = { status: 'ready', caller: 'reader', scopes: ['images:read'], keyFingerprint: '9ae8a8b2' };
const CONTROL_ID = 'm-DpgNg8lO';

interface World {
  /** How Baidu answers the read of the image that cannot exist. */
  answer: () => Called<Image> | Promise<Called<Image>>;
  /** How the check of the control ends; without it there is no control. */
  check?: () => ImageCheck;
  deadlineMs?: number;
}

/** A probe whose clock and API the test controls. */
function probeWith({ answer, check, deadlineMs = 20_000 }: World) {
  const asked: { id: string; endMs: number }[] = [];
  const checked: string[] = [];
  const lines: { severity: string; record: unknown }[] = [];
  const clock = { nowMs: 1_000_000 };
  const images: Pick<ImageApi, 'get' | 'check'> = {
    get: async (id, endMs) => {
      asked.push({ id, endMs });
      return answer();
    },
    check: async (id) => {
      checked.push(id);
      if (check === undefined) throw new Error('there is no control');
      return check();
    },
  };
  const runtime = {
    now: () => clock.nowMs,
    sleep: async (ms: number) => {
      clock.nowMs += ms;
    },
    log: (severity: string, line: string) => lines.push({ severity, record: JSON.parse(line) }),
  };
  const controlId = check !== undefined && isImageId(CONTROL_ID) ? CONTROL_ID : null;
  const probe = new UpstreamProbe(images, controlId, deadlineMs, runtime);
  return { probe, asked, checked, lines, clock };
}

describe('the probe', () => {
  it('reads an image that cannot exist, within the deadline, and succeeds if Baidu says that it is absent', async () => {
    const { probe, asked, lines } = probeWith({ answer: () => absent });
    expect(await probe.ask('id-1')).toEqual({ result: ok(null), control: null, attempts: 1, answer: undefined });
    expect(asked).toEqual([{ id: `m-${'0'.repeat(32)}`, endMs: 1_020_000 }]);
    expect(lines).toEqual([]);
  });

  it('succeeds even if Baidu has such an image', async () => {
    const image = { id: ID_OF_NO_IMAGE, name: 'n', type: 'Custom', status: 'Available' } as const;
    const rest = { desc: null, osName: null, osVersion: null, createTime: null };
    const { probe } = probeWith({ answer: () => called(ok({ ...image, ...rest })) });
    expect((await probe.ask('id-1')).result).toEqual(ok(null));
  });

  it('says why Baidu did not answer about the image, and that nothing was attempted', async () => {
    const { probe } = probeWith({ answer: () => refused });
    const failure = { code: 'upstream_rejected_credentials', outcome: 'not_attempted' };
    expect((await probe.ask('id-1')).result).toMatchObject({ ok: false, failure });
  });

  it('reads once in ten seconds, and repeats the last result in between', async () => {
    const answers = [refused, absent];
    const { probe, asked, clock } = probeWith({ answer: () => answers.shift() ?? refused });
    const first = await probe.ask('id-1');
    clock.nowMs += 9_999;
    expect(await probe.ask('id-1')).toEqual({ ...first, attempts: 0, answer: undefined });
    expect(asked).toHaveLength(1);
    clock.nowMs += 1;
    expect((await probe.ask('id-1')).result).toEqual(ok(null));
    expect(asked).toHaveLength(2);
  });

  it('reads once for all who ask while a read is under way', async () => {
    const reading = Promise.withResolvers<Called<Image>>();
    const { probe, asked } = probeWith({ answer: () => reading.promise });
    const asking = [probe.ask('id-1'), probe.ask('id-1'), probe.ask('id-1')];
    reading.resolve(absent);
    expect((await Promise.all(asking)).map(({ attempts }) => attempts)).toEqual([1, 0, 0]);
    expect(asked).toHaveLength(1);
  });

  it('waits no longer than the deadline for a read whose request was ended, and then reads again', async () => {
    const { probe, asked, clock } = probeWith({ answer: () => new Promise<never>(() => undefined) });
    void probe.ask('id-1');
    expect((await probe.ask('id-1')).result).toMatchObject({ ok: false, failure: { code: 'upstream_timeout' } });
    expect(asked).toHaveLength(1);
    // The wait has used up the deadline.
    expect(clock.nowMs).toBe(1_020_000);
    void probe.ask('id-1');
    expect(asked).toHaveLength(2);
  });

  it('reads again after the clock was far ahead', async () => {
    const { probe, asked, clock } = probeWith({ answer: () => absent });
    clock.nowMs += 1e9;
    await probe.ask('id-1');
    clock.nowMs -= 1e9;
    await probe.ask('id-1');
    expect(asked).toHaveLength(2);
  });
});

describe('the control', () => {
  const answer = () => absent;

  it('is checked once with each probe, and its result is kept as long', async () => {
    const { probe, checked, lines, clock } = probeWith({
      answer,
      check: () => ({ seen: 'found', isDocumented: false }),
    });
    expect(await probe.ask('id-1')).toEqual({ result: ok(null), control: 'found', attempts: 2, answer: undefined });
    expect(await probe.ask('id-2')).toEqual({ result: ok(null), control: 'found', attempts: 0, answer: undefined });
    expect(checked).toEqual([CONTROL_ID]);
    clock.nowMs += 10_000;
    await probe.ask('id-3');
    expect(checked).toEqual([CONTROL_ID, CONTROL_ID]);
    expect(lines).toEqual([]);
  });

  it('is checked while the other image is read', async () => {
    const reading = Promise.withResolvers<Called<Image>>();
    const { probe, checked } = probeWith({
      answer: () => reading.promise,
      check: () => ({ seen: 'found', isDocumented: true }),
    });
    const asking = probe.ask('id-1');
    expect(checked).toEqual([CONTROL_ID]);
    reading.resolve(absent);
    expect((await asking).control).toBe('found');
  });

  it('that is absent changes nothing but the answer, and logs one warning', async () => {
    const { probe, lines } = probeWith({ answer, check: () => ({ seen: 'absent' }) });
    expect(await probe.ask('id-1')).toMatchObject({ result: ok(null), control: 'absent' });
    expect(await probe.ask('id-2')).toMatchObject({ result: ok(null), control: 'absent', attempts: 0 });
    const line = {
      timestamp: '1970-01-01T00:16:40.000Z',
      severity_text: 'WARN',
      'event.name': 'control_absent',
      'gateway.request.id': 'id-1',
      'image.id': CONTROL_ID,
    };
    expect(lines).toEqual([{ severity: 'WARN', record: line }]);
  });

  it('that cannot be read is null, and does not change the probe', async () => {
    const { probe, lines } = probeWith({ answer, check: () => ({ seen: 'failed', unlistedCode: null }) });
    expect(await probe.ask('id-1')).toMatchObject({ result: ok(null), control: null, attempts: 2 });
    expect(lines).toEqual([]);
  });

  it('does not make up for a probe that failed', async () => {
    const { probe } = probeWith({ answer: () => refused, check: () => ({ seen: 'found', isDocumented: true }) });
    expect(await probe.ask('id-1')).toMatchObject({ result: { ok: false }, control: 'found' });
  });

  it('is not reported as absent under an unlisted code, but the code is logged', async () => {
    const { probe, lines } = probeWith({ answer, check: () => ({ seen: 'failed', unlistedCode: 'Image.Vanished' }) });
    expect((await probe.ask('id-1')).control).toBeNull();
    const line = { 'event.name': 'absence_unlisted', 'image.id': CONTROL_ID, 'bce.code': 'Image.Vanished' };
    expect(lines).toMatchObject([{ severity: 'WARN', record: { ...line, 'gateway.request.id': 'id-1' } }]);
  });
});

describe('GET /readyz?upstream=true', () => {
  const probe = async (harness: Harness) => {
    const response = await harness.call('GET', '/readyz?upstream=true', bearer(KEYS.reader));
    return { status: response.status, body: response.ok ? await response.json() : await problemOf(response) };
  };
  it('checks the credential with one read in ten seconds', async () => {
    const harness = createHarness();
    for (let times = 0; times < 3; times++) {
      expect(await probe(harness)).toEqual({
        status: 200,
        body: { ...READY, credentialAccepted: true, control: null },
      });
    }
    expect(harness.lines.map(({ record }) => record['attempts'])).toEqual([1, 0, 0]);
    expect(harness.lines.map(({ record }) => record['bce.status_code'])).toEqual([404, undefined, undefined]);
  });

  it('also reads the first protected image, spelled exactly as configured, and reports whether Baidu has it', async () => {
    for (const [id, control] of [
      ['m-custom01', 'found'],
      ['m-Custom01', 'absent'],
    ]) {
      const harness = createHarness({ env: { PROTECTED_IMAGES: JSON.stringify([id, 'm-custom02']) } });
      expect(await probe(harness)).toEqual({ status: 200, body: { ...READY, credentialAccepted: true, control } });
      const paths = harness.requests.map(({ url, method }) => `${method} ${new URL(url).pathname}`);
      expect(paths.sort()).toEqual([`GET /v2/image/m-${'0'.repeat(32)}`, `GET /v2/image/${id}`].sort());
      const [audit] = recordsOf(harness, 'audit');
      const warnings = recordsOf(harness, 'control_absent');
      expect(audit).toMatchObject({ attempts: 2, severity_text: 'INFO' });
      expect(warnings.map((record) => record['image.id'])).toEqual(control === 'absent' ? [id] : []);
      expect(warnings.map((record) => record['gateway.request.id'])).toEqual(
        warnings.map(() => audit?.['gateway.request.id']),
      );
    }
  });

  it.each(['user_unknown', 'account_unknown', 'region_unknown', 'route_unknown'] as const)(
    'does not take a 404 about something else for an accepted credential: %s',
    async (fault) => {
      const harness = createHarness();
      harness.emulator.misbehave(fault);
      const { status, body } = await probe(harness);
      expect([status, body]).toMatchObject([502, { code: 'upstream_unexpected', outcome: 'not_attempted' }]);
      expect(JSON.stringify(body)).not.toMatch(/delet/i);
    },
  );

  it.each(['internal_error', 'hang', 'redirect', 'iam_signature_invalid', 'throttled_long'] as const)(
    'does not mention a deletion if the probe meets %s',
    async (fault) => {
      const harness = createHarness();
      harness.emulator.misbehave(fault, fault);
      const { body } = await probe(harness);
      expect(body).toMatchObject({ outcome: 'not_attempted' });
      expect(JSON.stringify(body)).not.toMatch(/delet|m-0000/i);
    },
  );
});
