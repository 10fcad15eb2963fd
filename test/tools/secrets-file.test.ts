/** A file with secrets, in both forms. */
import { describe, expect, it } from 'vitest';
import { createKey } from '../../src/tools/new-key.ts';
import { readSecretsFile } from '../../src/tools/secrets-file.ts';
import { SECRET } from '../fixtures.ts';

describe('a file of secrets', () => {
  it('may be strings by name', () => {
    expect(readSecretsFile('{"A": "ä", "CALLERS": "{ }"}')).toEqual({
      isConfidential: true,
      problems: [],
      secrets: [
        { name: 'A', value: 'ä', bytes: 2 },
        { name: 'CALLERS', value: '{ }', bytes: 3 },
      ],
    });
  });

  it('may be the table of callers by part, whose texts stay as they are and whose sizes are those of the secrets', () => {
    expect(readSecretsFile('{"CALLERS": { "a": {"x": 1, "x": 2} }, "CALLERS_1": {}}')).toEqual({
      isConfidential: false,
      problems: [],
      secrets: [
        { name: 'CALLERS', value: '{ "a": {"x": 1, "x": 2} }', bytes: '{"a":{"x":2}}'.length },
        { name: 'CALLERS_1', value: '{}', bytes: 2 },
      ],
    });
  });

  it.each([
    ['{"A": "b",}', ['is not JSON from line 1, column 11 on']],
    ['["a"]', ['is not a JSON object']],
    ['', ['ends before its JSON does']],
    ['{"BCE_SESSION_TOKEN": null}', ['has BCE_SESSION_TOKEN, which is not a string']],
    ['{"BCE_ACCESS_KEY_ID": "a", "CALLERS": {}}', ['has CALLERS, which is not a string']],
    [`{"${SECRET}": 1, "A": "b"}`, ['has member 1, which is not a string']],
    [
      '{"CALLERS": {}, "CALLER": {}}',
      ['has the part CALLER, whose name must be CALLERS, or CALLERS_ with letters, digits or "_" after it'],
    ],
  ])('is at fault if it is %s', (text, problems) => {
    expect(readSecretsFile(text).problems).toEqual(problems);
  });

  it.each(['a', 'Ab', 'A1B2', 'ALTAK7', 'A B', '_', '', 'a'.repeat(9)])('does not show %j as a name', (name) => {
    expect(readSecretsFile(JSON.stringify({ [name]: 0, OTHER: 'b' })).problems).toEqual([
      'has member 1, which is not a string',
    ]);
  });

  it.each(['A', 'PROTECTED_IMAGE', 'CALLERS_b7', 'A_B_12'])('shows %j as a name', (name) => {
    expect(readSecretsFile(JSON.stringify({ [name]: 0, OTHER: 'b' })).problems).toEqual([
      `has ${name}, which is not a string`,
    ]);
  });

  it('is at fault if it holds a key of a caller, which is not repeated', () => {
    const { key } = createKey();
    const { problems } = readSecretsFile(JSON.stringify({ CALLERS: key }));
    expect(problems).toEqual(['holds a key (line 1, column 13): revoke it, because only digests belong here']);
  });
});
