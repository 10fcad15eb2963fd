/** Edits to a table of callers, and edits that are refused. */
import { describe, expect, it } from 'vitest';
import { type Edit, editTable } from '../../src/tools/callers-edit.ts';
import { bytesOf, type Fields, MAX_VALUE_BYTES, type Table } from '../../src/tools/callers-file.ts';

const D1 = '1'.repeat(64);
const D2 = '2'.repeat(64);
const D3 = '3'.repeat(64);
const SCOPES = { scopes: ['images:read'] };
const keyed = (...keySha256: string[]): Fields => ({ ...SCOPES, keySha256, dailyDeletions: 1 });
/** A caller whose entry alone makes a shard of exactly `bytes` bytes. */
const filler = (name: string, bytes: number): Table[string] => {
  const withText = (text: string) => ({ [name]: { binding: true, names: [text] } });
  return withText('x'.repeat(bytes - bytesOf(withText(''))));
};
const TABLE: Table = {
  CALLERS: { one: keyed(D1), two: keyed(D2, D3) },
  CALLERS_1: { bound: { binding: true, ...SCOPES } },
};
const edit = (verb: Edit['verb'], name: string, more: Partial<Edit> = {}, table = TABLE) => {
  const edited = editTable(table, { verb, name, digest: null, fingerprint: '', fields: {}, ...more });
  return edited.ok ? edited.value : edited.failure;
};

describe('add', () => {
  it('puts a caller into the first shard that has room', () => {
    const three = { digest: '4'.repeat(64), fields: SCOPES };
    expect(edit('add', 'three', three)).toEqual({
      ...TABLE,
      CALLERS: { ...TABLE['CALLERS'], three: { keySha256: [three.digest], ...SCOPES } },
    });
    expect(edit('add', 'four', { fields: { binding: true } }, { CALLERS: {} })).toEqual({
      CALLERS: { four: { binding: true } },
    });
  });

  it('fills a shard to its last byte before it adds the next', () => {
    const first = { CALLERS: filler('a', 3_000) };
    // Two callers in one shard save two braces and cost a comma.
    const fits = filler('b', MAX_VALUE_BYTES - 3_000 + 1)['b'] ?? {};
    const overflows = filler('b', MAX_VALUE_BYTES - 3_000 + 2)['b'] ?? {};
    const full = edit('add', 'b', { fields: fits }, first);
    expect(full).toEqual({ CALLERS: { ...first.CALLERS, b: fits } });
    expect(typeof full === 'object' && bytesOf(full['CALLERS'] ?? {})).toBe(MAX_VALUE_BYTES);
    expect(edit('add', 'b', { fields: overflows }, first)).toEqual({ ...first, CALLERS_1: { b: overflows } });
  });

  it('uses the room in a later shard, and the first free number for a new one', () => {
    const full = { CALLERS: filler('a', 5_000), CALLERS_2: filler('b', 5_000), CALLERS_1: {} };
    expect(edit('add', 'small', { fields: SCOPES }, full)).toEqual({ ...full, CALLERS_1: { small: SCOPES } });
    const fuller = { ...full, CALLERS_1: filler('c', 5_000) };
    expect(edit('add', 'small', { fields: SCOPES }, fuller)).toEqual({ ...fuller, CALLERS_3: { small: SCOPES } });
  });

  it('refuses a name that is in any shard, and an entry that no shard can hold', () => {
    expect(edit('add', 'bound')).toBe('bound is already in CALLERS_1; "rotate" gives it a second key');
    expect(edit('add', 'big', { fields: filler('big', 5_001)['big'] ?? {} })).toBe(
      'the entry of big alone exceeds the Cloudflare limit of 5000 bytes',
    );
  });
});

describe('rotate', () => {
  it('adds a second digest to the entry', () => {
    const rotated = edit('rotate', 'one', { digest: D3 });
    expect(rotated).toEqual({ ...TABLE, CALLERS: { one: keyed(D1, D3), two: keyed(D2, D3) } });
    expect(Object.keys(Object(rotated).CALLERS)).toEqual(['one', 'two']);
  });

  it('moves a caller whose shard has no room for the second digest', () => {
    const rest = filler('rest', MAX_VALUE_BYTES - bytesOf({ one: keyed(D1) }) + 1);
    const full = { CALLERS: { one: keyed(D1), ...rest } };
    expect(bytesOf(full.CALLERS)).toBe(MAX_VALUE_BYTES);
    expect(edit('rotate', 'one', { digest: D2 }, full)).toEqual({ CALLERS: rest, CALLERS_1: { one: keyed(D1, D2) } });
  });

  it('refuses a third key, a caller without a key, and an unknown caller', () => {
    expect(edit('rotate', 'two', { digest: D1 })).toBe('two has 2 keys, 22222222 and 33333333; revoke one first');
    expect(edit('rotate', 'bound', { digest: D1 })).toBe(
      'bound has no key to rotate; "npm run key -- bound --rotate" makes one',
    );
    expect(edit('rotate', 'nobody', { digest: D1 })).toBe('no caller has this name; "list" shows all');
  });
});

describe('remove', () => {
  it('removes a caller, and keeps its shard even if that is empty', () => {
    expect(edit('remove', 'one')).toEqual({ ...TABLE, CALLERS: { two: keyed(D2, D3) } });
    expect(edit('remove', 'bound')).toEqual({ ...TABLE, CALLERS_1: {} });
    expect(edit('remove', 'nobody')).toBe('no caller has this name; "list" shows all');
  });
});

describe('revoke', () => {
  it('removes the key with the fingerprint, in upper or lower case', () => {
    const hex = 'abcdef01'.repeat(8);
    const table = { CALLERS: { one: keyed(hex.toUpperCase(), D2) } };
    for (const fingerprint of ['abcdef01', 'ABCDEF01']) {
      expect(edit('revoke', 'one', { fingerprint }, table)).toEqual({ CALLERS: { one: keyed(D2) } });
    }
    expect(edit('revoke', 'one', { fingerprint: '22222222' }, table)).toEqual({
      CALLERS: { one: keyed(hex.toUpperCase()) },
    });
  });

  it.each([{ binding: true }, { tokens: [{ issuer: 'gha', claims: {} }] }])(
    'removes the last key of a caller that has another credential: %j',
    (credential) => {
      const table = { CALLERS: { one: { keySha256: [D1], ...credential, ...SCOPES } } };
      expect(edit('revoke', 'one', { fingerprint: '11111111' }, table)).toEqual({
        CALLERS: { one: { ...credential, ...SCOPES } },
      });
    },
  );

  it('refuses the last credential of a caller, and says what to do instead', () => {
    expect(edit('revoke', 'one', { fingerprint: '11111111' })).toBe(
      'this is the only credential of one; "rotate" adds a second key, and "remove" removes the caller',
    );
  });

  it('refuses an unknown fingerprint or name', () => {
    const fingerprint = '11111111';
    expect(edit('revoke', 'two', { fingerprint })).toBe(
      "two has no key with this fingerprint; it has 22222222 and 33333333; a keyFingerprint belongs to Baidu's key",
    );
    expect(edit('revoke', 'bound', { fingerprint })).toBe(
      "bound has no key with this fingerprint; it has none; a keyFingerprint belongs to Baidu's key",
    );
    expect(edit('revoke', 'nobody', { fingerprint })).toBe('no caller has this name; "list" shows all');
  });
});
