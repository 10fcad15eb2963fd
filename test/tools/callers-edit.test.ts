/** What is changed in a table of callers, and what is refused. */
import { describe, expect, it } from 'vitest';
import { addCaller, addDigest, type Edit, revokeCaller, revokeKey } from '../../src/tools/callers-edit.ts';
import { type CallersFile, type Entry, MAX_VALUE_BYTES, partBytes } from '../../src/tools/callers-file.ts';

const D1 = '1'.repeat(64);
const D2 = '2'.repeat(64);
const D3 = '3'.repeat(64);
const SCOPES = { scopes: ['images:read'] };
const keyed = (name: string, ...keySha256: string[]): Entry => ({
  name,
  fields: { ...SCOPES, keySha256, dailyDeletions: 1 },
});
const part = (name: string, ...callers: Entry[]) => ({ name, callers });
/** A caller whose entry makes a part of its own exactly `bytes` long. */
const filler = (name: string, bytes: number): Entry => {
  const withText = (text: string) => ({ name, fields: { binding: true, names: [text] } });
  return withText('x'.repeat(bytes - partBytes({ callers: [withText('')] })));
};

const TABLE: CallersFile = [
  part('CALLERS', keyed('one', D1), keyed('two', D2, D3)),
  part('CALLERS_1', { name: 'bound', fields: { binding: true, ...SCOPES } }),
];
const changed = (edit: Edit) => (edit.ok ? edit.value : edit.failure);

describe('add', () => {
  it('appends a caller to the first part that has room', () => {
    const three = keyed('three', '4'.repeat(64));
    expect(changed(addCaller(TABLE, three))).toEqual([
      part('CALLERS', keyed('one', D1), keyed('two', D2, D3), three),
      TABLE[1],
    ]);
  });

  it('fills a part to its last byte and makes the next part when there is no room left', () => {
    const first = filler('a', 3_000);
    // Two braces fall away and a comma comes in where two callers share a part.
    const fits = filler('b', MAX_VALUE_BYTES - 3_000 + 1);
    const overflows = filler('b', MAX_VALUE_BYTES - 3_000 + 2);
    const full = changed(addCaller([part('CALLERS', first)], fits));
    expect(full).toEqual([part('CALLERS', first, fits)]);
    expect(Array.isArray(full) && full.map(partBytes)).toEqual([MAX_VALUE_BYTES]);
    expect(changed(addCaller([part('CALLERS', first)], overflows))).toEqual([
      part('CALLERS', first),
      part('CALLERS_1', overflows),
    ]);
  });

  it('uses the room of a later part, and a number that is free for a new one', () => {
    const full = [part('CALLERS', filler('a', 5_000)), part('CALLERS_2', filler('b', 5_000)), part('CALLERS_1')];
    const small = keyed('small', D1);
    expect(changed(addCaller(full, small))).toEqual([full[0], full[1], part('CALLERS_1', small)]);
    const fuller = [...full.slice(0, 2), part('CALLERS_1', filler('c', 5_000))];
    expect(changed(addCaller(fuller, small))).toEqual([...fuller, part('CALLERS_3', small)]);
  });

  it('refuses a name that is there, in whatever part, and an entry that no part can hold', () => {
    expect(changed(addCaller(TABLE, keyed('bound', D1)))).toBe(
      'bound is a caller already, in CALLERS_1: "rotate" gives it a second key',
    );
    expect(changed(addCaller(TABLE, filler('big', 5_001)))).toBe(
      'the entry of big alone is larger than the 5000 bytes that Cloudflare takes',
    );
  });
});

describe('rotate', () => {
  it('adds a second digest in the place of the caller', () => {
    expect(changed(addDigest(TABLE, 'one', D3))).toEqual([
      part('CALLERS', keyed('one', D1, D3), keyed('two', D2, D3)),
      TABLE[1],
    ]);
  });

  it('moves a caller whose part has no room for the second digest', () => {
    const one = keyed('one', D1);
    const rest = filler('rest', MAX_VALUE_BYTES - partBytes({ callers: [one] }) + 1);
    const full = part('CALLERS', one, rest);
    expect(partBytes(full)).toBe(MAX_VALUE_BYTES);
    expect(changed(addDigest([full], 'one', D2))).toEqual([
      part('CALLERS', rest),
      part('CALLERS_1', keyed('one', D1, D2)),
    ]);
  });

  it('refuses a third key, a caller without a key, and a stranger', () => {
    expect(changed(addDigest(TABLE, 'two', D1))).toBe(
      'two has 2 keys, 22222222 and 33333333: revoke the one that is out of use, then rotate',
    );
    expect(changed(addDigest(TABLE, 'bound', D1))).toBe(
      'bound has no key to rotate: "npm run key -- bound --rotate" makes one for its entry',
    );
    expect(changed(addDigest(TABLE, 'nobody', D1))).toBe('no caller has this name: "list" shows all');
  });
});

describe('revoke', () => {
  it('removes a caller, and leaves its part even if that is empty', () => {
    expect(changed(revokeCaller(TABLE, 'one'))).toEqual([part('CALLERS', keyed('two', D2, D3)), TABLE[1]]);
    expect(changed(revokeCaller(TABLE, 'bound'))).toEqual([TABLE[0], part('CALLERS_1')]);
  });

  it('removes the one key with the fingerprint, in any case', () => {
    const hex = 'abcdef01'.repeat(8);
    const table = [part('CALLERS', keyed('one', hex.toUpperCase(), D2))];
    expect(changed(revokeKey(table, 'one', 'abcdef01'))).toEqual([part('CALLERS', keyed('one', D2))]);
    expect(changed(revokeKey(table, 'one', 'ABCDEF01'))).toEqual([part('CALLERS', keyed('one', D2))]);
    expect(changed(revokeKey(table, 'one', '22222222'))).toEqual([part('CALLERS', keyed('one', hex.toUpperCase()))]);
  });

  it.each([{ binding: true }, { tokens: [{ issuer: 'gha', claims: {} }] }])(
    'removes the last key of a caller that has another proof: %j',
    (proof) => {
      const table = [part('CALLERS', { name: 'one', fields: { keySha256: [D1], ...proof, ...SCOPES } })];
      expect(changed(revokeKey(table, 'one', '11111111'))).toEqual([
        part('CALLERS', { name: 'one', fields: { ...proof, ...SCOPES } }),
      ]);
    },
  );

  it('refuses the last proof of a caller, and says what to do instead', () => {
    expect(changed(revokeKey(TABLE, 'one', '11111111'))).toBe(
      'this key is the only proof of one: "rotate one" makes a second one first; "revoke one" removes the caller',
    );
  });

  it('refuses a fingerprint or a name that nobody has', () => {
    expect(changed(revokeKey(TABLE, 'two', '11111111'))).toBe(
      'two has no key with this fingerprint; it has 22222222 and 33333333',
    );
    expect(changed(revokeKey(TABLE, 'bound', '11111111'))).toBe('bound has no key with this fingerprint; it has none');
    expect(changed(revokeKey(TABLE, 'nobody', '11111111'))).toBe('no caller has this name: "list" shows all');
    expect(changed(revokeCaller(TABLE, 'nobody'))).toBe('no caller has this name: "list" shows all');
  });
});
