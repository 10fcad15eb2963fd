/** How texts are written for a terminal, a shell and a pipe. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asciiJson, bulleted, counted, printable, quoted } from '../../src/tools/print.ts';

describe('a text for a terminal', () => {
  it('escapes control, bidirectional and invisible characters, and keeps the rest', () => {
    expect(printable('镜像 – ä\n\u001b[2J\r\u202e\u200b\u00ad\u2028\u{e0001}')).toBe(
      '镜像 – ä\n\\u001b[2J\\u000d\\u202e\\u200b\\u00ad\\u2028\\udb40\\udc01',
    );
  });
});

describe('JSON for a pipe', () => {
  it('is ASCII with the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(asciiJson(value)).toMatch(/^[\x20-\x7e]*$/);
        expect(JSON.parse(asciiJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(asciiJson({ names: ['镜像-*', '\u202e'] })).toBe('{"names":["\\u955c\\u50cf-*","\\u202e"]}');
  });
});

describe('a word for a shell', () => {
  it('reaches the program unchanged', () => {
    const words = ['', 'a b', "it's", '$HOME', '`id`', '--env', 'c.json', 'a\nb', '*', '~', '!', '"', '\\'];
    const program = 'for word in "$@"; do printf "%s\\0" "$word"; done';
    const line = `sh -c '${program}' sh ${words.map(quoted).join(' ')}`;
    expect(execFileSync('sh', ['-c', line], { encoding: 'utf8' })).toBe(words.map((word) => `${word}\0`).join(''));
  });

  it('is quoted only if necessary', () => {
    expect([quoted('/a/c-1.json'), quoted('')]).toEqual(['/a/c-1.json', "''"]);
  });
});

it('counts, and makes lists', () => {
  expect([counted(0, 'row'), counted(1, 'row'), counted(2, 'row')]).toEqual(['0 rows', '1 row', '2 rows']);
  expect([bulleted(['a', 'b']), bulleted(['a'], 'ISSUERS ')]).toEqual(['  - a\n  - b\n', '  - ISSUERS a\n']);
});
