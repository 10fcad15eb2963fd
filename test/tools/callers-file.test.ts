/** A file with the table of callers: how it is checked and listed, and how large its shards are. */
import { describe, expect, it } from 'vitest';
import {
  bytesOf,
  callersOf,
  findCaller,
  linesOf,
  MAX_VALUE_BYTES,
  readTable,
  secretsOf,
  sizesOf,
  type Table,
} from '../../src/tools/callers-file.ts';
import { createKey } from '../../src/tools/new-key.ts';
import { parseIssuers } from '../../src/worker/callers/issuers.ts';
import { parseCallers } from '../../src/worker/callers/table.ts';
import { SECRET } from '../fixtures.ts';

const D1 = '1'.repeat(64);
const D2 = '2'.repeat(64);
const { issuers } = parseIssuers({
  k8s: { issuer: 'https://k8s.test', audience: 'bcc', jwks: 'https://k8s.test/jwks' },
});
const TABLE: Table = {
  CALLERS: {
    b: { scopes: ['images:read'], keySha256: [D1, D2] },
    c: { binding: true, scopes: [], names: ['ci-*', 'ä *'], dailyDeletions: 0 },
  },
  CALLERS_B: {},
  CALLERS_A: {
    a: { tokens: [{ issuer: 'k8s', claims: { sub: 'x "y"\n\u001b' } }], scopes: ['images:read'] },
  },
};
const problemsOf = (text: string) => {
  const read = readTable(text, issuers);
  return read.ok ? [] : read.failure;
};
const entry = (digest: string) => `{"keySha256": ["${digest}"], "scopes": []}`;

describe('a file of callers', () => {
  it('is read with shards and callers in order, with either line ending', () => {
    const text = JSON.stringify(TABLE, null, 2);
    expect(readTable(text, issuers)).toEqual({ ok: true, value: TABLE });
    expect(readTable(text.replaceAll('\n', '\r\n'), issuers)).toEqual({ ok: true, value: TABLE });
  });

  it.each([
    [`{"CALLERS": {"a": ${entry(D1)},}}`, ['the file is not valid JSON at line 1, column 117']],
    ['{\n"CALLERS": {', ['the file ends before its JSON is complete']],
    ['[]', ['the file is not a JSON object']],
    ['{}', ['CALLERS is missing; it may be {}']],
    ['{"CALLERS_1": {}}', ['CALLERS is missing; it may be {}']],
    ['{"CALLERS": []}', ['CALLERS is not a JSON object']],
    ['{"CALLERS": "{}"}', ['CALLERS is not a JSON object']],
    ['{"CALLERS": {}, "CALLERS": {}}', ['the file has a duplicate name at line 1, column 17']],
    [
      '{"CALLERS": {}, "CALLER": {}, "CALLERS_": {"a": 1}, "__proto__": {"a": 1}}',
      Array.from(
        { length: 3 },
        () => 'the name of a shard must be CALLERS, or CALLERS_ followed by letters, digits or "_"',
      ),
    ],
    [
      `{"CALLERS": {"a": ${entry(D1)}, "b": ${entry(D2)}, "a": ${entry(D1)}}}`,
      ['the file has a duplicate name at line 1, column 222'],
    ],
    [
      '{"CALLERS": {"a": {"binding": true, "scopes": ["images:read"],\n"scopes": []}}}',
      ['the file has a duplicate name at line 2, column 1'],
    ],
    [
      '{"CALLERS": {"__proto__": {"binding": true, "scopes": []}}}',
      [expect.stringMatching(/^CALLERS caller 1: the name must be 1 to 64 letters/)],
    ],
    [
      `{"CALLERS": {"a": ${entry(D1)}}, "CALLERS_1": {"b": ${entry(D2)}, "a": ${entry(D1)}}}`,
      [
        'CALLERS_1 caller 2 (a): the name is already in another shard',
        'CALLERS_1 caller 2 (a): keySha256 has a digest that is already configured',
      ],
    ],
    [
      '{"CALLERS": {"a": {"tokens": [{"issuer": "gha", "claims": {"sub": "x"}}], "scopes": []}}}',
      ['CALLERS caller 1 (a): tokens names an issuer that is not in ISSUERS'],
    ],
  ])('is refused if it is %s', (text, problems) => {
    expect(problemsOf(text)).toEqual(problems);
  });

  it("names the invalid caller, with its number in the Worker's order", () => {
    const callers = Object.fromEntries(
      Array.from({ length: 30 }, (_, n) => [`ci-${n}`, { binding: true, scopes: [] }]),
    );
    const text = JSON.stringify({
      CALLERS: { ...callers, 'ci-26': { binding: true }, 7: { binding: true, scopes: [] } },
    });
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^CALLERS caller 28 \(ci-26\): scopes must be a list/)]);
  });

  it('does not show a name that may be a secret', () => {
    for (const callers of [{ [SECRET]: 'x' }, { [SECRET]: 1 }]) {
      expect(problemsOf(JSON.stringify({ CALLERS: callers }))).toEqual(['CALLERS caller 1: is not an object']);
    }
    const { key } = createKey();
    expect(problemsOf(JSON.stringify({ CALLERS: { [key.slice(0, 20)]: {} } })).join()).not.toContain(key.slice(4, 12));
  });

  it('is refused if it contains a key, which is not repeated', () => {
    const { key } = createKey();
    for (const text of [`{"CALLERS": {"${key}": {}}}`, `{"CALLERS":\n  {"a": {"keySha256": ["${key}"]}}}`, `x${key}`]) {
      const [problem = '', ...more] = problemsOf(text);
      expect(more).toEqual([]);
      expect(problem).toMatch(/^the file contains a key \(line \d, column \d+\): revoke it/);
      expect(problem).not.toContain(key);
    }
  });
});

describe('the secrets', () => {
  it('are the shards without spaces, and give the Worker the same table', () => {
    const secrets = secretsOf(TABLE);
    expect(Object.keys(secrets)).toEqual(['CALLERS', 'CALLERS_B', 'CALLERS_A']);
    expect(secrets['CALLERS_B']).toBe('{}');
    const { callers, problems } = parseCallers(
      Object.entries(secrets).map(([name, json]) => ({ name, json })),
      issuers,
    );
    expect(problems).toEqual([]);
    expect([callers.byKey.get(D2)?.id, callers.bound.get('c')?.names, callers.rules.length]).toEqual([
      'b',
      ['ci-*', 'ä *'],
      1,
    ]);
  });

  it('are measured in UTF-8 bytes', () => {
    const shard = (chars: number) => ({ a: { names: ['ä'.repeat(chars)] } });
    expect([bytesOf({}), bytesOf(shard(1)) - bytesOf(shard(0))]).toEqual([2, 2]);
  });
});

describe('the list', () => {
  it('has one line per caller, with fingerprints in place of digests', () => {
    expect(linesOf(callersOf(TABLE, ''))).toBe(
      [
        'b CALLERS keys=11111111,22222222 scopes=images:read',
        'c CALLERS binding=true scopes= names=ci-*,ä * dailyDeletions=0',
        'a CALLERS_A tokens={"issuer":"k8s","claims":{"sub":"x \\"y\\"\\n\\u001b"}} scopes=images:read',
        '',
      ].join('\n'),
    );
    expect(callersOf(TABLE, 'b')).toEqual([
      { caller: 'b', shard: 'CALLERS', keys: ['11111111', '22222222'], scopes: ['images:read'] },
    ]);
    expect(linesOf(callersOf({ CALLERS: {} }, ''))).toBe('No callers.\n');
  });

  it('finds a caller and its shard, and no property that every object has', () => {
    expect(findCaller(TABLE, 'a')?.shard).toBe('CALLERS_A');
    expect([findCaller(TABLE, 'constructor'), findCaller(TABLE, 'd')]).toEqual([null, null]);
  });

  it('gives the size of each shard, and reports one that is too large', () => {
    const large = { a: { names: ['x'.repeat(MAX_VALUE_BYTES)] } };
    expect(sizesOf({ CALLERS: {}, CALLERS_22: large })).toBe(
      'CALLERS: 0 callers, 2 of 5000 bytes\n' +
        'CALLERS_22: 1 caller, 5020 of 5000 bytes: too large; move callers to another shard\n',
    );
  });
});
