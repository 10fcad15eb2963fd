/** The published 1.0.0 client against the current gateway, whose new features must not mislead it. */
import { describe, expect, it } from 'vitest';
import { KEYS, SCHEDULE } from '../fixtures.ts';
import { bearer } from '../harness.ts';
import { ImageGateway } from './1.0.0/index.js';
import { createLine, type LineOptions, thrownBy } from './line.ts';

const ID = 'm-custom01';
const lineOf = (options: LineOptions = {}) => createLine({ Client: ImageGateway, ...options });

/** Deletes the image, and loses Baidu's response. */
async function loseDeletion({ harness }: ReturnType<typeof lineOf>, key: string) {
  harness.emulator.misbehave('internal_error', 'internal_error');
  const response = await harness.call('DELETE', `/images/${ID}`, bearer(key));
  expect(await response.json()).toMatchObject({ code: 'upstream_error', outcome: 'unknown' });
}

describe('a deletion that is refused because another is in progress', () => {
  it('is sent again when the gateway says so, and succeeds once the image is free', async () => {
    const line = lineOf();
    await loseDeletion(line, KEYS.cleaner);
    line.hooks.afterPause = async () => {
      await line.age(60_000);
      await line.check(ID, SCHEDULE);
    };
    expect(await line.images.deleteImage(ID)).toMatchObject({ id: ID, outcome: 'deleted', confirmed: true });
    expect(line.deletions().map(({ told }) => told)).toEqual(['not_attempted', 'deleted']);
    expect(line.pausesMs).toEqual([5_000]);
  });

  it('ends as not attempted if the image stays busy, and never asks the ledger', async () => {
    const line = lineOf();
    await loseDeletion(line, KEYS.cleaner);
    const refused = { name: 'ProblemError', code: 'deletion_in_progress', outcome: 'not_attempted', retryable: true };
    expect(await thrownBy(line.images.deleteImage(ID))).toMatchObject({ ...refused, retryAfterS: 5 });
    expect([line.deletions().length, line.reads().length]).toEqual([3, 0]);
    expect(line.harness.emulator.images.has(ID)).toBe(true);
  });
});

describe('a deletion that a proxy sends twice', () => {
  /** The first copy reaches Baidu and its answer is lost. The client gets the answer to the second. */
  function lineThatDoubles() {
    const line: ReturnType<typeof lineOf> = lineOf({
      client: {
        fetch: async (url, init) => {
          if (init.method === 'DELETE') await line.send(url, init);
          return line.send(url, init);
        },
      },
    });
    return line;
  }

  it.each([
    ['deleted', 'internal_error_after', { value: { outcome: 'deleted', confirmed: false } }],
    ['not_deleted', 'internal_error', { error: { name: 'ProblemError', outcome: 'not_deleted' } }],
  ] as const)('is polled until its outcome is final: %s', async (_outcome, first, end) => {
    const line = lineThatDoubles();
    line.harness.emulator.misbehave(first, 'internal_error');
    line.hooks.afterPause = async (elapsedMs) => {
      if (elapsedMs < 45_000) return;
      line.hooks.afterPause = async () => undefined;
      // The first check is the last.
      await line.check(ID, [45]);
    };
    const outcome = line.images.deleteImage(ID).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    expect(await outcome).toMatchObject(end);
    expect(line.deletions().map(({ told }) => told)).toEqual(['unknown', 'unknown']);
    expect(line.reads().length).toBeGreaterThan(1);
  });

  it("gets the first copy's outcome if that is known", async () => {
    const line = lineThatDoubles();
    expect(await line.images.deleteImage(ID)).toMatchObject({ outcome: 'deleted', confirmed: true });
    expect(line.deletions()).toHaveLength(2);
  });
});

describe('what is new in a body', () => {
  it("does not break the client: a row's verified", async () => {
    const line = lineOf();
    const { requestId } = await line.images.deleteImage(ID);
    expect(await line.images.deletion(requestId)).toMatchObject({ outcome: 'deleted', verified: null });
    await line.age(60_000);
    await line.check(ID, SCHEDULE);
    expect(await line.images.deletion(requestId)).toMatchObject({
      outcome: 'deleted',
      confirmed: true,
      verified: true,
    });
    for await (const row of line.images.deletions({ imageId: ID })) expect(row).toMatchObject({ verified: true });
  });

  it("does not break the client: readiness's control", async () => {
    const line = lineOf({
      env: { PROTECTED_IMAGES: '["m-system01"]' },
      client: { fetch: (url, init) => line.send(`${url}?upstream=true`, init) },
    });
    expect(await line.images.readiness()).toMatchObject({ caller: 'both', credentialAccepted: true, control: 'found' });
  });
});
