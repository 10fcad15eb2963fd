/** What a check of an image proves for the ledger. */
import { describe, expect, it } from 'vitest';
import type { ImageCheck } from '../../../src/worker/baidu/images.ts';
import { checkImage } from '../../../src/worker/deletions/check.ts';

const NOW_MS = Date.parse('2026-11-23T00:00:00Z');

/** Checks an image for which Baidu answers `said`. Returns the check, its log lines and the ids it read. */
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
    ['finds an image with a documented status', { seen: 'found', isDocumented: true }, 'found'],
    ['fails for an image with any other status, such as Deleting', { seen: 'found', isDocumented: false }, 'failed'],
    ['reports an absent image', { seen: 'absent' }, 'absent'],
    ['fails if the read fails', { seen: 'failed', unlistedCode: null }, 'failed'],
  ])('%s', async (_what, said, finding) => {
    const { check, lines } = await checkOf(said);
    expect(check).toEqual({ finding, unlistedAbsence: false, beganAtMs: NOW_MS, keyFingerprint: 'f' });
    expect(lines).toEqual([]);
  });

  it('fails if the code of an absence is not listed, and logs the code', async () => {
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

  it('reads nothing for a malformed id', async () => {
    const { check, read } = await checkOf({ seen: 'absent' }, '../other');
    expect(check.finding).toBe('failed');
    expect(read).toEqual([]);
  });
});
