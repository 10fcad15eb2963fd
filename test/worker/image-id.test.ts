/** The grammar of an image id. */
import { describe, expect, it } from 'vitest';
import { isImageId } from '../../src/worker/image-id.ts';

describe('an image id', () => {
  it.each(['m-nky7qeom', 'm-DpgNg8lO', 'm-abcdef', `m-${'Z9'.repeat(16)}`])('may be %s', (id) =>
    expect(isImageId(id)).toBe(true),
  );

  it.each([
    '',
    'm-',
    'm-abcde',
    `m-${'a'.repeat(33)}`,
    'M-abcdef',
    'i-abcdef',
    'm-abcdef\n',
    ' m-abcdef',
    'm-abc-def',
    'm-abcdéf',
  ])('may not be %j', (id) => expect(isImageId(id)).toBe(false));
});
