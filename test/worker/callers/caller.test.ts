/** The name of a caller. */
import { describe, expect, it } from 'vitest';
import { isCallerId } from '../../../src/worker/callers/caller.ts';

describe('the name of a caller', () => {
  it.each(['a', '7', 'ci-cleaner', 'Team_A.v2', 'bcg', 'x'.repeat(64)])('may be %s', (id) =>
    expect(isCallerId(id)).toBe(true),
  );

  it.each(['', 'a b', '-x', '.x', '_x', 'a/b', 'a\n', 'é', 'x'.repeat(65), 'bcg_retired'])('may not be %j', (id) =>
    expect(isCallerId(id)).toBe(false),
  );
});
