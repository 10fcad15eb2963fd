/** The cursor of a page of the history. Its pages are tested in `deletions/history.test.ts`. */
import { describe, expect, it } from 'vitest';
import { cursorAfter, parseCursor } from '../../../src/worker/http/history.ts';

describe('a cursor', () => {
  it('has the time and number of a row, and can be read back', () => {
    for (const place of [
      { reservedAtMs: 0, seq: 1 },
      { reservedAtMs: 1_795_478_400_000, seq: 123_456 },
    ]) {
      expect(parseCursor(cursorAfter(place))).toEqual(place);
      expect(cursorAfter(place)).toMatch(/^[A-Za-z0-9]+$/);
    }
  });
});
