/** Whether Baidu accepts the credential, and how often it is asked. */
import { describe, expect, it } from 'vitest';
import type { Called, Image } from '../../../src/worker/baidu/images.ts';
import { UpstreamProbe } from '../../../src/worker/deletions/probe.ts';
import { ID_OF_NO_IMAGE } from '../../../src/worker/image-id.ts';
import { failed, ok } from '../../../src/worker/result.ts';

const called = (result: Called<Image>['result']): Called<Image> => ({ attempts: 1, answer: undefined, result });
const absent = called(failed({ code: 'image_not_found', outcome: 'already_absent', listed: true }));
const refused = called(failed({ code: 'upstream_rejected_credentials', outcome: 'rejected' }));

/** A probe with a clock that the test turns, and an API that answers as the test says. */
function probeWith(answer: () => Called<Image> | Promise<Called<Image>>, deadlineMs = 20_000) {
  const asked: { id: string; endMs: number }[] = [];
  const clock = { nowMs: 1_000_000 };
  const get = async (id: string, endMs: number) => {
    asked.push({ id, endMs });
    return answer();
  };
  const sleep = async (ms: number) => {
    clock.nowMs += ms;
  };
  const probe = new UpstreamProbe({ get }, deadlineMs, { now: () => clock.nowMs, sleep });
  return { probe, asked, clock };
}

describe('the probe', () => {
  it('reads an image that cannot exist, within the deadline, and is content if Baidu says so', async () => {
    const { probe, asked } = probeWith(() => absent);
    expect(await probe.ask()).toEqual({ result: ok(null), attempts: 1, answer: undefined });
    expect(asked).toEqual([{ id: `m-${'0'.repeat(32)}`, endMs: 1_020_000 }]);
  });

  it('is content, too, if Baidu has such an image', async () => {
    const image = { id: ID_OF_NO_IMAGE, name: 'n', type: 'Custom', status: 'Available' } as const;
    const rest = { desc: null, osName: null, osVersion: null, createTime: null };
    const { probe } = probeWith(() => called(ok({ ...image, ...rest })));
    expect((await probe.ask()).result).toEqual(ok(null));
  });

  it('says why if Baidu does not answer about the image, and that nothing was deleted', async () => {
    const { probe } = probeWith(() => refused);
    const failure = { code: 'upstream_rejected_credentials', outcome: 'not_attempted' };
    expect((await probe.ask()).result).toMatchObject({ ok: false, failure });
  });

  it('reads once in ten seconds, and tells in between what the last read found', async () => {
    const answers = [refused, absent];
    const { probe, asked, clock } = probeWith(() => answers.shift() ?? refused);
    const first = await probe.ask();
    clock.nowMs += 9_999;
    expect(await probe.ask()).toEqual({ result: first.result, attempts: 0, answer: undefined });
    expect(asked).toHaveLength(1);
    clock.nowMs += 1;
    expect((await probe.ask()).result).toEqual(ok(null));
    expect(asked).toHaveLength(2);
  });

  it('reads once for all who ask while a read is under way', async () => {
    const reading = Promise.withResolvers<Called<Image>>();
    const { probe, asked } = probeWith(() => reading.promise);
    const asking = [probe.ask(), probe.ask(), probe.ask()];
    reading.resolve(absent);
    expect((await Promise.all(asking)).map(({ attempts }) => attempts)).toEqual([1, 0, 0]);
    expect(asked).toHaveLength(1);
  });

  it('does not wait for ever for a read whose request was ended, and reads again after the deadline', async () => {
    const { probe, asked, clock } = probeWith(() => new Promise<never>(() => undefined));
    void probe.ask();
    expect((await probe.ask()).result).toMatchObject({ ok: false, failure: { code: 'upstream_timeout' } });
    expect(asked).toHaveLength(1);
    // The wait has taken the whole deadline.
    expect(clock.nowMs).toBe(1_020_000);
    void probe.ask();
    expect(asked).toHaveLength(2);
  });

  it('does not wait for a date at which the clock was wrong', async () => {
    const { probe, asked, clock } = probeWith(() => absent);
    clock.nowMs += 1e9;
    await probe.ask();
    clock.nowMs -= 1e9;
    await probe.ask();
    expect(asked).toHaveLength(2);
  });
});
