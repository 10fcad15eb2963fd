/** Which text of a request may be recorded or repeated. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEY_PREFIX, keptBeside } from '../../src/worker/kept-text.ts';

const KEY = 'bcg_q7Zr-XkT2mVw9_LbN4cYd8FgHj3PsUa6EtRyQxWvBnM';
const SIGNATURE = 'Zm9vYmFyX3NpZ25hdHVyZV9vZl9hX3Rva2Vu-LongEnough';
const HEADER = 'eyJhbGciOiJFUzI1NiIsImtpZCI6ImtleS0xIn0';
const PAYLOAD = 'eyJzdWIiOiJqb2ItNyIsImF1ZCI6ImJjYy1pbWFnZSJ9';
const TOKEN = `${HEADER}.${PAYLOAD}.${SIGNATURE}`;

const beside = (headers: Readonly<Record<string, string>>) => keptBeside(Object.keys(headers), (name) => headers[name]);

describe('text beside a credential', () => {
  it.each<[string, string, string, string]>([
    ['a key', 'authorization', `Bearer ${KEY}`, KEY],
    ['a key with something before it', 'authorization', `Bearer ${KEY}`, `run1.${KEY}`],
    ['the first eight characters', 'authorization', `Bearer ${KEY}`, KEY.slice(0, 8)],
    ['the last eight characters', 'authorization', `Bearer ${KEY}`, KEY.slice(-8)],
    ['a part in capitals', 'authorization', `Bearer ${KEY}`, KEY.slice(5, 15).toUpperCase()],
    ['a key without a scheme', 'authorization', KEY, KEY.slice(10, 20)],
    ['a key in place of a scheme', 'authorization', `${KEY} x`, KEY.slice(10, 20)],
    ['the second of two credentials', 'authorization', `Bearer other-thing, Bearer ${KEY}`, KEY.slice(10, 20)],
    ['a part that is percent-encoded', 'authorization', `Bearer ${KEY}`, `/${encoded(KEY.slice(5, 13))}`],
    ['a part that is encoded twice', 'authorization', `Bearer ${KEY}`, encodeURIComponent(encoded(KEY.slice(5, 13)))],
    ['a part whose encoding is encoded in full', 'authorization', `Bearer ${KEY}`, encoded(encoded(KEY.slice(5, 13)))],
    ['encoded in full five times', 'authorization', 'Bearer x', [1, 2, 3, 4, 5].reduce(encoded, 'job-1')],
    ['a part of a credential that is percent-encoded', 'cookie', `a=${encoded(KEY)}`, KEY.slice(5, 13)],
    ['the first characters of a password', 'authorization', `Basic ${btoa('ci:s3cr3t-password')}`, 's3cr3t-p'],
    ['a user without a password', 'authorization', `Basic\t${btoa('s3cr3t-user-key:')}`, 's3cr3t-u'],
    ['the last characters of a password', 'proxy-authorization', `basic ${btoa('ci:s3cr3t-password')}`, 'password'],
    [
      'a password without its padding',
      'authorization',
      `Basic ${btoa('ci:s3cr3t-password!').slice(0, -1)}`,
      'assword!',
    ],
    ['a part of the signature of a token', 'authorization', `Bearer ${TOKEN}`, SIGNATURE.slice(20, 28)],
    ['a part of the signature in a header for tokens', 'x-job-token', TOKEN, SIGNATURE.slice(20, 28)],
    ['a part of the signature in a cookie', 'cookie', `a=b; CF_Authorization=${TOKEN}`, SIGNATURE.slice(20, 28)],
    ['a part of any cookie', 'cookie', 'theme=dark; session=s3cr3t-session-id==', 't-sessio'],
    [
      'a part of what looks like a token but begins otherwise',
      'authorization',
      `Bearer a${TOKEN}`,
      HEADER.slice(4, 12),
    ],
  ])('is not kept if it is %s', (_what, name, value, text) => {
    expect(beside({ [name]: value })(text)).toBe(false);
  });

  it.each<[string, string, string, string]>([
    ['seven characters of it', 'authorization', `Bearer ${KEY}`, `job-${KEY.slice(5, 12)}-1`],
    ['text that no credential has', 'authorization', `Bearer ${KEY}`, 'job-42.retry_1'],
    ['the name of a scheme', 'authorization', `Bearer ${KEY}`, 'Bearer'],
    ['a part of the payload of a token, which is not secret', 'authorization', `Bearer ${TOKEN}`, PAYLOAD.slice(5, 25)],
    ['the name beside a password', 'authorization', `Basic ${btoa('ci-cleaner:s3cr3t')}`, 'ci-cleaner'],
    ['beside Basic credentials that encode nothing', 'authorization', 'Basic A', 'job-42.retry_1'],
    ['beside Basic credentials that are cut off', 'authorization', 'Basic QUJDR', 'job-42.retry_1'],
    ['the name of a cookie', 'cookie', 'ci-cleaner-theme=dark', 'ci-cleaner-theme'],
    ['a percent sign that encodes nothing', 'authorization', `Bearer ${KEY}`, '100%-sure'],
  ])('is kept if it is %s', (_what, name, value, text) => {
    expect(beside({ [name]: value })(text)).toBe(true);
  });

  it('is kept beside a header that is not among the names', () => {
    expect(keptBeside(['cookie'], (name) => (name === 'cookie' ? undefined : KEY))('job-1')).toBe(true);
  });
});

describe('text that may be a key of the gateway', () => {
  it.each([
    [`${KEY_PREFIX}${'x'.repeat(20)}`, false],
    [`run1.${KEY_PREFIX}${'x'.repeat(20)}`, false],
    [`${KEY_PREFIX}${'x'.repeat(20)}`.toUpperCase(), false],
    [encoded(KEY), false],
    [`${KEY_PREFIX}${'x'.repeat(19)}`, true],
    [`${KEY_PREFIX}${'x'.repeat(19)}.x`, true],
  ])('in the form %s is kept in a request without credentials: %s', (text, isKept) => {
    expect(keptBeside([], () => undefined)(text)).toBe(isKept);
  });
});

describe('the rule', () => {
  const word = (maxLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', 'B', '-'), maxLength });

  it('agrees with its definition for all texts', () => {
    const shares = (one: string, other: string) =>
      Array.from({ length: Math.max(0, one.length - 7) }, (_, at) => one.slice(at, at + 8).toLowerCase()).some((run) =>
        other.toLowerCase().includes(run),
      );
    fc.assert(
      fc.property(word(40), word(40), (credential, text) => {
        expect(beside({ authorization: credential })(text)).toBe(!shares(credential, text));
      }),
      { numRuns: 5_000 },
    );
  });

  it('finds a run of eight characters at any place in either text', () => {
    const run = 'abcdefgh';
    for (let before = 0; before < 12; before++) {
      for (let after = 0; after < 12; after++) {
        const around = (middle: string) => 'z'.repeat(before) + middle + 'z'.repeat(after);
        for (const other of [run, `y${run}`, `${run}yyyyyyyyyyyy`]) {
          expect(beside({ authorization: around(run) })(other)).toBe(false);
          expect(beside({ authorization: other })(around(run))).toBe(false);
          expect(beside({ authorization: other })(around('abcdefgz'))).toBe(true);
        }
      }
    }
  });

  it('keeps nothing of eight characters or more beside credentials of more than 16 KiB', () => {
    expect(beside({ cookie: `a=${'x'.repeat(16 * 1024)}` })('nightly-1')).toBe(true);
    expect(beside({ cookie: `a=${'x'.repeat(16 * 1024 + 1)}` })('nightly-1')).toBe(false);
  });
});

/** Percent-encodes every character, even those that need no encoding. */
function encoded(text: string): string {
  return Array.from(text, (char) => `%${char.charCodeAt(0).toString(16)}`).join('');
}
