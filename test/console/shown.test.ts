import { describe, expect, it } from 'vitest';
import { timeAt, timesOf, utcOf, visible } from '../../src/console/shown.ts';

describe('visible', () => {
  it.each([
    ['plain', 'ci-build 1842, 镜像 ü <b>', 'ci-build 1842, 镜像 ü <b>'],
    ['a change of direction', 'ci\u202egnp.exe', 'ci\\u{202E}gnp.exe'],
    ['an isolate', 'a\u2066b\u2069', 'a\\u{2066}b\\u{2069}'],
    ['control characters', 'a\u0000b\nc\u009f', 'a\\u{0}b\\u{A}c\\u{9F}'],
    ['characters without width', 'ci\u200bx\ufeff\u00ad\u2060', 'ci\\u{200B}x\\u{FEFF}\\u{AD}\\u{2060}'],
    ['invisible letters', 'a\u3164\u115f\ufe0f', 'a\\u{3164}\\u{115F}\\u{FE0F}'],
    ['other spaces', 'a\u00a0b\u3000c\u2028', 'a\\u{A0}b\\u{3000}c\\u{2028}'],
    ['unassigned code points', 'a\u{e0001}\u{10ffff}', 'a\\u{E0001}\\u{10FFFF}'],
    ['half of a surrogate pair', 'a\ud83d', 'a\\u{D83D}'],
    ['characters beyond the first plane, in one piece', '😀𠮷', '😀𠮷'],
  ])('shows %s', (_what, text, shown) => {
    expect(visible(text)).toBe(shown);
  });
});

describe('timesOf', () => {
  it.each([
    ['2026-11-25T08:09:10.123Z', 0, '2026-11-25 08:09:10', null],
    ['2026-11-25T18:09:10Z', 480, '2026-11-25 18:09:10', '2026-11-26 02:09:10'],
    ['2026-01-01T00:00:00Z', -210, '2026-01-01 00:00:00', '2025-12-31 20:30:00'],
    ['yesterday\u202e', 480, 'yesterday\\u{202E}', null],
  ])('of %s at %i minutes is %s and %s', (iso, offset, utc, local) => {
    expect(timesOf(iso, () => offset)).toEqual({ utc, local });
  });
});

describe('timeAt', () => {
  it('is the time at an offset', () => {
    expect([timeAt(0, 0), timeAt(0, 90)]).toEqual(['1970-01-01 00:00:00', '1970-01-01 01:30:00']);
  });
});

describe('utcOf', () => {
  it.each([
    ['', undefined],
    ['2026-11-25T08:09', '2026-11-25T08:09:00.000Z'],
    ['2026-11-25T08:09:10', '2026-11-25T08:09:10.000Z'],
    ['12026-11-25T08:09', null],
    ['2026-13-25T08:09', null],
    ['2026-11-25', null],
    ['now', null],
  ])('of %j is %j', (field, time) => {
    expect(utcOf(field)).toBe(time);
  });
});
