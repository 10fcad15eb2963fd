/** A file with the table of callers: what it must be, how it is written, how large its parts are. */
import { describe, expect, it } from 'vitest';
import {
  type CallersFile,
  formatCallersFile,
  MAX_VALUE_BYTES,
  partBytes,
  readCallersFile,
  secretsOf,
  tooLarge,
} from '../../src/tools/callers-file.ts';
import { createKey } from '../../src/tools/new-key.ts';
import { parseIssuers } from '../../src/worker/callers/issuers.ts';
import { parseCallers } from '../../src/worker/callers/table.ts';

const D1 = '1'.repeat(64);
const D2 = '2'.repeat(64);
const { issuers } = parseIssuers({
  k8s: { issuer: 'https://k8s.test', audience: 'bcc', jwks: 'https://k8s.test/jwks' },
});
const TABLE: CallersFile = [
  {
    name: 'CALLERS',
    callers: [
      { name: 'b', fields: { scopes: ['images:read'], keySha256: [D1, D2] } },
      // JSON.parse would move this one to the front.
      { name: '7', fields: { binding: true, scopes: [], names: ['ci-*', 'ä *'], dailyDeletions: 0 } },
    ],
  },
  { name: 'CALLERS_B', callers: [] },
  {
    name: 'CALLERS_A',
    callers: [
      { name: 'a', fields: { tokens: [{ issuer: 'k8s', claims: { sub: 'x "y"' } }], scopes: ['images:read'] } },
    ],
  },
];
const TEXT = `{
  "CALLERS": {
    "b": {
      "scopes": ["images:read"],
      "keySha256": [
        "${D1}",
        "${D2}"
      ]
    },
    "7": {
      "binding": true,
      "scopes": [],
      "names": ["ci-*", "ä *"],
      "dailyDeletions": 0
    }
  },
  "CALLERS_B": {},
  "CALLERS_A": {
    "a": {
      "tokens": [
        { "issuer": "k8s", "claims": { "sub": "x \\"y\\"" } }
      ],
      "scopes": ["images:read"]
    }
  }
}
`;
const problemsOf = (text: string) => {
  const read = readCallersFile(text, issuers);
  return read.ok ? [] : read.failure;
};
const entry = (digest: string) => `{"keySha256": ["${digest}"], "scopes": []}`;

describe('a file of callers', () => {
  it('is written with one line for each field, key and token rule', () => {
    expect(formatCallersFile(TABLE)).toBe(TEXT);
    expect(formatCallersFile([])).toBe('{}\n');
  });

  it('is read with parts and callers in their order', () => {
    expect(readCallersFile(TEXT, issuers)).toEqual({ ok: true, value: TABLE });
  });

  it.each([
    [`{"CALLERS": {"a": ${entry(D1)},}}`, ['the file is not JSON from line 1, column 117 on']],
    ['{\n"CALLERS": {', ['the file ends before its JSON does']],
    ['[]', ['the file is not a JSON object']],
    ['{}', ['CALLERS is missing; it may be {}']],
    ['{"CALLERS_1": {}}', ['CALLERS is missing; it may be {}']],
    ['{"CALLERS": []}', ['CALLERS is not a JSON object']],
    ['{"CALLERS": "{}"}', ['CALLERS is not a JSON object']],
    ['{"CALLERS": {}, "CALLERS": {}}', ['CALLERS stands in the file twice']],
    [
      '{"CALLERS": {}, "CALLER": {}, "CALLERS_": {}, "callers_1": {}}',
      [2, 3, 4].map((n) => `part ${n}: the name must be CALLERS, or CALLERS_ with letters, digits or "_" after it`),
    ],
    [
      `{"CALLERS": {"a": ${entry(D1)}, "b": ${entry(D2)}, "a": ${entry(D1)}}}`,
      ['CALLERS caller 3: a name or a field occurs twice'],
    ],
    [
      `{"CALLERS": {"a": {"binding": true, "scopes": ["images:read"], "scopes": []}}}`,
      ['CALLERS caller 1: a name or a field occurs twice'],
    ],
    [
      `{"CALLERS": {"a": ${entry(D1)}}, "CALLERS_1": {"b": ${entry(D2)}, "a": ${entry(D1)}}}`,
      [
        'CALLERS_1 caller 2: the name stands in another part already',
        'CALLERS_1 caller 2: keySha256 has a digest that is configured already',
      ],
    ],
    [
      '{"CALLERS": {"a": {"tokens": [{"issuer": "gha", "claims": {"sub": "x"}}], "scopes": []}}}',
      ['CALLERS caller 1: tokens names an issuer that is not in ISSUERS'],
    ],
  ])('is refused if it is %s', (text, problems) => {
    expect(problemsOf(text)).toEqual(problems);
  });

  it('is refused if it holds a key anywhere, which is not repeated', () => {
    const { key } = createKey();
    for (const text of [`{"CALLERS": {"${key}": {}}}`, `{"CALLERS":\n  {"a": {"keySha256": ["${key}"]}}}`, `x${key}`]) {
      const [problem = '', ...more] = problemsOf(text);
      expect(more).toEqual([]);
      expect(problem).toMatch(/^the file holds a key \(line \d, column \d+\): revoke it/);
      expect(problem).not.toContain(key);
    }
  });
});

describe('the secrets', () => {
  it('are the parts, each without spaces, and give the Worker the same table', () => {
    const secrets = secretsOf(TABLE);
    expect(Object.keys(secrets)).toEqual(['CALLERS', 'CALLERS_B', 'CALLERS_A']);
    expect(secrets['CALLERS_B']).toBe('{}');
    expect(secrets['CALLERS']).toBe(
      `{"b":{"scopes":["images:read"],"keySha256":["${D1}","${D2}"]},"7":{"binding":true,"scopes":[],"names":["ci-*","ä *"],"dailyDeletions":0}}`,
    );
    const parts = Object.entries(secrets).map(([name, json]) => ({ name, json }));
    const { callers, problems } = parseCallers(parts, issuers);
    expect(problems).toEqual([]);
    expect([callers.byKey.get(D2)?.id, callers.bound.get('7')?.names, callers.rules.length]).toEqual([
      'b',
      ['ci-*', 'ä *'],
      1,
    ]);
  });

  it('have the size of their UTF-8, of which Cloudflare takes 5000 bytes', () => {
    const part = (chars: number) => ({
      name: 'CALLERS',
      callers: [{ name: 'a', fields: { names: ['ä'.repeat(chars)] } }],
    });
    expect(partBytes(part(1)) - partBytes(part(0))).toBe(2);
    const empty = partBytes(part(0));
    const full = part((MAX_VALUE_BYTES - empty) / 2);
    const over = part((MAX_VALUE_BYTES - empty) / 2 + 1);
    expect([partBytes(full), tooLarge([full]), tooLarge([full, over])]).toEqual([5_000, [], [over]]);
  });
});
