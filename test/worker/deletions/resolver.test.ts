import { describe, expect, it } from 'vitest';
import type { Called, Image } from '../../../src/worker/baidu/images.ts';
import { resolveUnknown } from '../../../src/worker/deletions/resolver.ts';
import { isImageId } from '../../../src/worker/image-id.ts';
import { isRecord } from '../../../src/worker/json.ts';
import type { Step, UnknownRow } from '../../../src/worker/ledger/resolution.ts';
import type { DeletionRow } from '../../../src/worker/ledger/rows.ts';
import { failed, ok } from '../../../src/worker/result.ts';

const AFTER_S = [45, 120];
const START_MS = Date.UTC(2026, 10, 24);

const imageId = (text: string) => {
  if (!isImageId(text)) throw new Error('not an image id');
  return text;
};
const image = (id: string): Image => ({
  id: imageId(id),
  name: 'x',
  type: 'Custom',
  status: 'Available',
  desc: null,
  osName: null,
  osVersion: null,
  createTime: null,
});
const there = (id: string): Called<Image> => ({ attempts: 1, answer: undefined, result: ok(image(id)) });
const absent: Called<Image> = {
  attempts: 1,
  answer: undefined,
  result: failed({ code: 'image_not_found', outcome: 'already_absent', listed: true }),
};
const broken: Called<Image> = {
  attempts: 2,
  answer: undefined,
  result: failed({ code: 'upstream_error', outcome: 'unknown' }),
};

/** A ledger that has these rows and notes what is written, and the world around the resolver. */
function worldWith(rows: readonly (Partial<UnknownRow> & { seq: number; imageId: string })[], afterMs = 45_000) {
  const unknown = rows.map((row) => ({ beganAtMs: START_MS, sent: false, looks: 0, lookedAtMs: null, ...row }));
  const steps: Step[] = [];
  const overdue: number[] = [];
  const looks: { id: string; atMs: number; endMs: number }[] = [];
  const lines: { severity: string; record: Readonly<Record<string, unknown>> }[] = [];
  let nowMs = START_MS + afterMs;
  return {
    steps,
    /** When an overdue image was counted. */
    overdue,
    looks,
    lines,
    store: {
      unknown: () => unknown,
      unknownOfImage: (id: string) => unknown.filter((row) => row.imageId === id),
      isClaimed: () => false,
      countOverdue: () => {
        overdue.push(nowMs);
      },
      apply: (id: string, next: readonly Step[], atMs: number): DeletionRow[] => {
        steps.push(...next);
        return next.flatMap(({ seq, outcome }) =>
          outcome === 'unknown'
            ? []
            : [
                {
                  seq,
                  outcome,
                  id: `id-${seq}`,
                  requestId: `request-${seq}`,
                  caller: 'cleaner',
                  subject: null,
                  imageId: id,
                  keyFingerprint: 'x',
                  confirmed: false,
                  code: null,
                  attempts: null,
                  upstreamRequestId: null,
                  imageName: null,
                  reservedAtMs: START_MS,
                  settledAtMs: null,
                  resolvedAtMs: atMs,
                },
              ],
        );
      },
    },
    looking: (answer: (id: string) => Called<Image> | Promise<never>) => ({
      deadlineMs: 20_000,
      images: {
        get: async (id: string, endMs: number) => {
          looks.push({ id, atMs: nowMs, endMs });
          return answer(id);
        },
      },
    }),
    runtime: {
      now: () => nowMs,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
      log: (severity: string, line: string) => {
        const record: unknown = JSON.parse(line);
        if (isRecord(record)) lines.push({ severity, record });
      },
    },
  };
}

describe('the resolver', () => {
  it('takes a look to prove nothing about a deletion that was still under way when it began', async () => {
    const rows = [
      { seq: 1, imageId: 'm-custom01' },
      { seq: 2, imageId: 'm-custom01', beganAtMs: START_MS + 23_000 },
    ];
    for (const answer of [there('m-custom01'), absent]) {
      const world = worldWith(rows);
      const { sleep } = world.runtime;
      // Row 2 is 22 s old when the look begins, and 45 s when it ends.
      const looking = world.looking(() => answer);
      const { get } = looking.images;
      const slow = async (id: string, endMs: number) => {
        const called = await get(id, endMs);
        await sleep(23_000);
        return called;
      };
      await resolveUnknown(world.store, { ...looking, images: { get: slow } }, [45], world.runtime);
      expect(world.steps.map(({ seq }) => seq)).toEqual([1]);
    }
  });

  it('looks once at an image, however many rows it has, and at most ten times a second', async () => {
    const { store, looking, runtime, looks, steps } = worldWith([
      { seq: 1, imageId: 'm-custom01' },
      { seq: 2, imageId: 'm-custom02' },
      { seq: 3, imageId: 'm-custom01', sent: true },
    ]);
    await resolveUnknown(
      store,
      looking(() => absent),
      AFTER_S,
      runtime,
    );
    expect(looks.map(({ id }) => id)).toEqual(['m-custom01', 'm-custom02']);
    expect((looks[1]?.atMs ?? 0) - (looks[0]?.atMs ?? 0)).toBe(100);
    expect(looks[0]?.endMs).toBe(START_MS + 45_000 + 20_000);
    expect(steps.map(({ seq, outcome }) => [seq, outcome])).toEqual([
      [1, 'already_absent'],
      [3, 'deleted'],
      [2, 'deleted'],
    ]);
  });

  it('looks at nothing before its time', async () => {
    const { store, looking, runtime, looks } = worldWith([{ seq: 1, imageId: 'm-custom01' }], 44_999);
    await resolveUnknown(
      store,
      looking(() => absent),
      AFTER_S,
      runtime,
    );
    expect(looks).toEqual([]);
  });

  it('writes one line for each fate that it finds', async () => {
    const { store, looking, runtime, lines } = worldWith([{ seq: 1, imageId: 'm-custom01' }], 120_000);
    await resolveUnknown(store, looking(there), AFTER_S, runtime);
    expect(lines).toEqual([
      {
        severity: 'INFO',
        record: expect.objectContaining({
          'event.name': 'resolved',
          'request.id': 'request-1',
          'gateway.request.id': 'id-1',
          'caller.id': 'cleaner',
          'image.id': 'm-custom01',
          outcome: 'not_deleted',
        }),
      },
    ]);
  });

  const failures: [string, (() => Called<Image> | Promise<never>) | null][] = [
    ['Baidu fails', () => broken],
    ['a bug throws', () => Promise.reject(new Error('bug'))],
    ['the configuration is broken', null],
  ];
  it.each(failures)('decides nothing if %s', async (_what, answer) => {
    const { store, looking, runtime, steps, lines } = worldWith([{ seq: 1, imageId: 'm-custom01' }]);
    await resolveUnknown(store, answer === null ? null : looking(answer), AFTER_S, runtime);
    expect(steps).toEqual([{ seq: 1, outcome: 'unknown', looks: 1 }]);
    expect(lines).toEqual([]);
  });

  it('pauses for Baidu, and not if there is nobody to ask', async () => {
    const { store, looking, runtime } = worldWith([{ seq: 1, imageId: 'm-custom01' }]);
    const startMs = runtime.now();
    await resolveUnknown(store, null, AFTER_S, runtime);
    expect(runtime.now()).toBe(startMs);
    await resolveUnknown(
      store,
      looking(() => broken),
      AFTER_S,
      runtime,
    );
    expect(runtime.now()).toBe(startMs + 100);
  });

  it('begins a look up to five minutes after the first and none later, so that the platform does not end the run', async () => {
    const { store, looking, runtime, looks } = worldWith([
      { seq: 1, imageId: 'm-custom01' },
      { seq: 2, imageId: 'm-custom02' },
      { seq: 3, imageId: 'm-custom03' },
    ]);
    const slow = looking(() => absent);
    const get = async (id: string, endMs: number) => {
      await runtime.sleep(5 * 60_000 - 100);
      return slow.images.get(id, endMs);
    };
    await resolveUnknown(store, { ...slow, images: { get } }, AFTER_S, runtime);
    expect(looks.map(({ id }) => id)).toEqual(['m-custom01', 'm-custom02']);
  });

  describe('after a day of looks', () => {
    const dayMs = 24 * 60 * 60 * 1000;
    /** The lines of one more look at an image with two rows, of which one was last looked at then; the other is not due yet. */
    const linesAfter = async (lookedAtMs: number, answer: (() => Called<Image> | Promise<never>) | null) => {
      const { store, looking, runtime, lines, overdue } = worldWith(
        [
          { seq: 1, imageId: 'm-custom01', looks: 2, lookedAtMs: START_MS + lookedAtMs },
          { seq: 2, imageId: 'm-custom01', beganAtMs: START_MS + 3 * dayMs },
        ],
        3 * dayMs,
      );
      await resolveUnknown(store, answer === null ? null : looking(answer), AFTER_S, runtime);
      // What calls the operator is counted, too.
      expect(overdue).toHaveLength(lines.filter(({ severity }) => severity === 'ERROR').length);
      return lines.map(({ severity, record }) => [severity, record['event.name'], record['image.id']]);
    };

    it.each(failures)('calls the operator once if %s', async (_what, answer) => {
      expect(await linesAfter(dayMs, answer)).toEqual([['ERROR', 'unresolved', 'm-custom01']]);
      expect(await linesAfter(dayMs + 1, answer)).toEqual([]);
    });

    it('does not call the operator about a row whose own look comes later', async () => {
      const nowMs = START_MS + 3 * dayMs;
      const { store, looking, runtime, lines } = worldWith(
        [
          { seq: 1, imageId: 'm-custom01', looks: 2, beganAtMs: nowMs - dayMs - 60_000, lookedAtMs: nowMs - 60_000 },
          { seq: 2, imageId: 'm-custom01', beganAtMs: nowMs - 45_000 },
        ],
        3 * dayMs,
      );
      await resolveUnknown(
        store,
        looking(() => broken),
        AFTER_S,
        runtime,
      );
      expect(lines).toEqual([]);
    });

    it('does not call the operator if this look succeeds', async () => {
      expect(await linesAfter(dayMs, () => absent)).toEqual([['INFO', 'resolved', 'm-custom01']]);
    });
  });
});
