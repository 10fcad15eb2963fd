/** A bearer key and its digest. */
import { describe, expect, it } from 'vitest';
import { KEY_PREFIX, keyDigest } from '../../../src/worker/callers/key.ts';
import { CALLERS, KEYS } from '../../fixtures.ts';

describe('the digest of a key', () => {
  it.each(Object.entries(KEYS))('matches sha256sum, for the caller %s', (name, key) => {
    const { keySha256 } = Object.entries(CALLERS).find(([id]) => id === name)?.[1] ?? {};
    expect([keyDigest(key)]).toEqual(keySha256);
  });

  it('is taken from the UTF-8 bytes of the key', () => {
    // printf %s ключ | sha256sum
    expect(keyDigest('ключ')).toBe('1de36a32af798da0c1ac9297603a320ed8fe567cf21c9177112a4ce914ebb8be');
  });
});

describe('the prefix of a key', () => {
  it('is bcg_, which secret scanners look for', () => expect(KEY_PREFIX).toBe('bcg_'));
});
