/** What a check of an image proves for the ledger. */
import { describe, expect, it } from 'vitest';
import type { ImageCheck } from '../../../src/worker/baidu/images.ts';
import { checkImage } from '../../../src/worker/deletions/check.ts';

const NOW_MS = Date.parse('2026-11-23T00:00:00Z');

/** The check of an image for which Baidu answers this, and its log lines. */
async function checkOf(said: ImageCheck, imageId = 'm-custom01') {
  const lines: unknown[] = [];
  const read: string[] = [];
  const gateway = {
    keyFingerprint: 'f',
    images: {
      check: async (id: string) => {
        read.push(id);
        return said;
      },
      get: () => Promise.reject(new Error('not asked')),
      delete: () => Promise.reject(new Error('not asked')),
      countSharedUsers: () => Promise.reject(new Error('not asked')),
    },
  };
  const runtime = { now: () => NOW_MS, log: (_severity: string, line: string) => lines.push(JSON.parse(line)) };
  return { check: await checkImage(gateway, imageId, runtime), lines, read };
}

describe('a check', () => {
  it.each<[string, ImageCheck, string]>([
    ['an image with a documented status', { seen: 'found', isDocumented: true }, 'found'],
    ['an image with any other status, such as Deleting', { seen: 'found', isDocumented: false }, 'failed'],
    ['no image', { seen: 'absent' }, 'absent'],
    ['nothing', { seen: 'failed', unlistedCode: null }, 'failed'],
  ])('of %s', async (_what, said, finding) => {
    const { check, lines } = await checkOf(said);
    expect(check).toEqual({ finding, unlistedAbsence: false, beganAtMs: NOW_MS, keyFingerprint: 'f' });
    expect(lines).toEqual([]);
  });

  it('fails if the code of an absence is not on the list, and the operator reads the code', async () => {
    const { check, lines } = await checkOf({ seen: 'failed', unlistedCode: 'ImageEvaporated' });
    expect(check).toMatchObject({ finding: 'failed', unlistedAbsence: true });
    expect(lines).toMatchObject([
      {
        severity_text: 'WARN',
        'event.name': 'absence_unlisted',
        'image.id': 'm-custom01',
        'bce.code': 'ImageEvaporated',
      },
    ]);
  });

  it('reads nothing for an id outside of the grammar', async () => {
    const { check, read } = await checkOf({ seen: 'absent' }, '../other');
    expect(check.finding).toBe('failed');
    expect(read).toEqual([]);
  });
});
