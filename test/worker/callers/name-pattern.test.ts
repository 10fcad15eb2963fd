/** Patterns of image names. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  folded,
  isNamePattern,
  matches,
  NAME_PATTERN_RULE,
  protectionOf,
  protects,
} from '../../../src/worker/callers/name-pattern.ts';

/** The obvious recursive matcher. It takes exponential time, so it is only for short texts. */
function matchesSlowly(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  const rest = pattern.slice(1);
  if (pattern.startsWith('*'))
    return matchesSlowly(rest, name) || (name !== '' && matchesSlowly(pattern, name.slice(1)));
  return name !== '' && pattern[0] === name[0] && matchesSlowly(rest, name.slice(1));
}

describe('the name pattern', () => {
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
    // Only the star is special.
    ['ci-?', 'ci-1', false],
    ['ci.build', 'ci-build', false],
    ['[a-z]', 'b', false],
    ['(a+)+$', 'aaaa', false],
    ['镜像-*', '镜像-1', true],
  ])('%j matches the name %j: %s', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected);
  });
});

describe('every name pattern', () => {
  it('matches the same names as the obvious recursive matcher', () => {
    const text = (chars: string) => fc.string({ unit: fc.constantFrom(...chars), maxLength: 8 });
    fc.assert(
      fc.property(text('ab*'), text('ab'), (pattern, name) => {
        expect(matches(pattern, name)).toBe(matchesSlowly(pattern, name));
      }),
      { numRuns: 2000 },
    );
  });

  it('is matched without backtracking, even at its longest', () => {
    // With backtracking this would not end: 63 stars, and a name that differs at its last character.
    expect(matches(`${'a*'.repeat(63)}b`, 'a'.repeat(256))).toBe(false);
    expect(matches(`${'*a'.repeat(63)}*b*`, 'a'.repeat(256))).toBe(false);
  });
});

describe('a name pattern in the configuration', () => {
  it.each(['golden', 'golden-*', '*-keep', '*', 'a b', 'Base_1.2/x', '黄金-*', 'm'.repeat(128)])('may be %j', (text) =>
    expect(isNamePattern(text)).toBe(true),
  );

  // Each of these would protect nothing, because no image has such a name.
  it.each([
    '',
    'golden-?',
    '[a-z]*',
    '/golden/',
    '^golden',
    'golden$',
    'a|b',
    'a+',
    '(a)',
    '{a,b}',
    'a\\',
    '1golden',
    '-a',
    ' a',
    'a ',
    'm'.repeat(129),
  ])('is never %j', (text) => expect(isNamePattern(text)).toBe(false));

  it('has the length and the characters that its rule names', () => {
    const [, longest] = /^name patterns of 1 to (\d+) letters, digits, spaces, /.exec(NAME_PATTERN_RULE) ?? [];
    expect([0, 1].map((more) => isNamePattern('a'.repeat(Number(longest) + more)))).toEqual([true, false]);
    const named = [...NAME_PATTERN_RULE.matchAll(/"(.)"/g)].map(([, char]) => char);
    expect(new Set(named).size).toBe(5);
    for (const char of [...named, '1', ' ']) expect(isNamePattern(`a${char}b`)).toBe(true);
  });
});

describe('a protection', () => {
  it.each([
    ['golden-*', 'Golden-Base', true],
    ['GOLDEN-*', 'golden-base', true],
    // é as one character, and as e with an accent.
    ['caf\u00e9-*', 'cafe\u0301-1', true],
    ['cafe\u0301-*', 'CAF\u00c9-1', true],
    // ß is a small letter, and \u1e9e is its capital.
    ['gro\u00df-*', 'GRO\u1e9e-1', true],
    ['golden-*', 'silver-base', false],
    // A small sigma has another form at the end of a word, and both have the same capital.
    ['ΟΔΟΣ*', 'ΟΔΟΣΑ', true],
    ['οδος*', 'ΟΔΟΣΑ', true],
    ['*ΟΔΟΣ', 'οδοσ', true],
    // A dotted capital I, a dotless small one, and a dot below between letter and dot.
    ['istanbul*', 'İSTANBUL-1', true],
    ['İSTANBUL*', 'ıstanbul-1', true],
    ['i\u0323', 'İ\u0323', true],
    // An accent makes another letter.
    ['cafe*', 'café-1', false],
    // A ligature and full-width letters.
    ['ﬁnal-*', 'FINAL-1', true],
    ['golden-*', 'ＧＯＬＤＥＮ-1', true],
    ['straße*', 'STRASSE', true],
    // A full-width star is not a star.
    ['a*', 'b＊', false],
  ])('by %j covers %j: %s', (pattern, name, covered) => expect(protects(protectionOf(pattern), name)).toBe(covered));

  it('covers more than a permission with the same pattern', () => {
    expect([matches('ci-*', 'CI-1'), protects(protectionOf('ci-*'), 'CI-1')]).toEqual([false, true]);
  });
});

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'];

describe('the folded form', () => {
  it('of every code point is the same for its upper case, its lower case and each of its Unicode forms', () => {
    const differing: string[] = [];
    for (let point = 0; point <= 0x10_ffff; point++) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const char = String.fromCodePoint(point);
      const once = folded(char);
      const alike = new Set([
        once,
        char.toUpperCase(),
        char.toLowerCase(),
        ...FORMS.map((form) => char.normalize(form)),
      ]);
      alike.delete(char);
      if (![...alike].every((each) => folded(each) === once)) differing.push(point.toString(16));
    }
    expect(differing).toEqual([]);
  }, 120_000);

  it('has a star only where the pattern has one', () => {
    const stars: string[] = [];
    for (let point = 0; point <= 0x10_ffff; point++) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const char = String.fromCodePoint(point);
      if (char !== '*' && isNamePattern(`a${char}`) && folded(char).includes('*')) stars.push(char);
    }
    expect(stars).toEqual([]);
  }, 120_000);

  it('of a text in several scripts does not depend on its case or Unicode form either', () => {
    const letter = fc.constantFrom(
      ...'aIiıİſßẞKkΣσςΐΰΆǰŉﬁﬃǅÅåÉéжЖԱևÇ',
      '\u0301',
      '\u0323',
      '\u0307',
      '\u0308',
      '\u030c',
    );
    fc.assert(
      fc.property(fc.array(letter, { maxLength: 12 }), (letters) => {
        const text = letters.join('').normalize('NFC');
        const alike = [text.toUpperCase(), text.toLowerCase(), ...FORMS.map((form) => text.normalize(form))];
        expect(alike.map(folded)).toEqual(alike.map(() => folded(text)));
      }),
      { numRuns: 5_000 },
    );
  });
});
