import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matches } from '../../src/callers/name-pattern.ts';

/** The same by the obvious recursion, which is exponential and therefore only for short texts. */
function matchesSlowly(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  const rest = pattern.slice(1);
  if (pattern.startsWith('*'))
    return matchesSlowly(rest, name) || (name !== '' && matchesSlowly(pattern, name.slice(1)));
  return name !== '' && pattern[0] === name[0] && matchesSlowly(rest, name.slice(1));
}

describe('a name pattern', () => {
  it.each([
    ['ci-*', 'ci-', true],
    ['ci-*', 'ci-build', true],
    ['ci-*', 'CI-build', false],
    ['ci-*', ' ci-build', false],
    ['ci-*', 'xci-build', false],
    ['*-keep', 'a-keep', true],
    ['*-keep', 'a-keep ', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['*ab*ab', 'ab', false],
    ['*ab*ab', 'abab', true],
    ['*', '', true],
    ['**', 'x', true],
    ['golden', 'golden', true],
    ['golden', 'golden-2', false],
    ['', 'x', false],
    // Nothing but the star means anything.
    ['ci-?', 'ci-1', false],
    ['ci.build', 'ci-build', false],
    ['[a-z]', 'b', false],
    ['(a+)+$', 'aaaa', false],
    ['镜像-*', '镜像-1', true],
  ])('%s and the name %j: %s', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected);
  });

  it('matches what the obvious recursion matches', () => {
    const text = (chars: string) => fc.string({ unit: fc.constantFrom(...chars), maxLength: 8 });
    fc.assert(
      fc.property(text('ab*'), text('ab'), (pattern, name) => {
        expect(matches(pattern, name)).toBe(matchesSlowly(pattern, name));
      }),
      { numRuns: 2000 },
    );
  });

  it('answers at the longest that it may be, whatever it is made of', () => {
    // With backtracking this would not end: 64 stars over a name that fails at its last character.
    expect(matches(`${'a*'.repeat(63)}b`, 'a'.repeat(256))).toBe(false);
    expect(matches(`${'*a'.repeat(63)}*b*`, 'a'.repeat(256))).toBe(false);
  });
});
