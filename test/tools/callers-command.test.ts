/** The command line of `npm run callers`. */
import { describe, expect, it } from 'vitest';
import { HELP, parseCommand } from '../../src/tools/callers-command.ts';
import { createKey } from '../../src/tools/new-key.ts';
import { CALLER_ID_RULE, SCOPES } from '../../src/worker/callers/caller.ts';

const TARGET = { file: 'c.json', config: undefined, env: undefined };
const READ_AND_DELETE = ['images:delete', 'images:read'];
const parse = (line: string) => parseCommand(line === '' ? [] : line.split(' '));

describe('a command', () => {
  it.each([
    ['c.json secrets', { verb: 'secrets' }],
    ['c.json list', { verb: 'list', name: undefined }],
    ['c.json list ci', { verb: 'list', name: 'ci' }],
    ['c.json rotate ci', { verb: 'rotate', name: 'ci' }],
    ['c.json revoke ci', { verb: 'revoke', name: 'ci', fingerprint: undefined }],
    ['c.json revoke ci 0123abCD', { verb: 'revoke', name: 'ci', fingerprint: '0123abCD' }],
    ['--env gz c.json --config w.toml rotate ci', { verb: 'rotate', name: 'ci', env: 'gz', config: 'w.toml' }],
    ['c.json add ci', { verb: 'add', name: 'ci', wantsKey: true, fields: { scopes: READ_AND_DELETE } }],
    [
      'c.json add ci --scopes a,b --names ci-*,tmp-* --daily-deletions 07',
      {
        verb: 'add',
        name: 'ci',
        wantsKey: true,
        fields: { scopes: ['a', 'b'], names: ['ci-*', 'tmp-*'], dailyDeletions: 7 },
      },
    ],
    ['c.json add ci --scopes=', { verb: 'add', name: 'ci', wantsKey: true, fields: { scopes: [] } }],
    [
      'c.json add ci --binding',
      { verb: 'add', name: 'ci', wantsKey: false, fields: { binding: true, scopes: READ_AND_DELETE } },
    ],
    [
      'c.json add ci --binding --key',
      { verb: 'add', name: 'ci', wantsKey: true, fields: { binding: true, scopes: READ_AND_DELETE } },
    ],
    [
      'c.json add ci --token gha a=1 b=x=y --token k8s sub=system:sa:ci --scopes x',
      {
        verb: 'add',
        name: 'ci',
        wantsKey: false,
        fields: {
          tokens: [
            { issuer: 'gha', claims: { a: '1', b: 'x=y' } },
            { issuer: 'k8s', claims: { sub: 'system:sa:ci' } },
          ],
          scopes: ['x'],
        },
      },
    ],
  ])('may be %s', (line, command) => {
    expect(parse(line)).toEqual({ ok: true, value: { ...TARGET, ...command } });
  });

  it('keeps claims with any text', () => {
    const args = ['c.json', 'add', 'ci', '--token', 'gha', 'workflow=deploy to "prod"\n=1', '__proto__=x'];
    const parsed = parseCommand(args);
    const fields = parsed.ok && parsed.value?.verb === 'add' ? parsed.value.fields : {};
    expect(JSON.stringify(fields['tokens'])).toBe(
      '[{"issuer":"gha","claims":{"workflow":"deploy to \\"prod\\"\\n=1","__proto__":"x"}}]',
    );
  });

  it.each([
    ['', 'FILE and a command are needed.'],
    ['c.json', 'FILE and a command are needed.'],
    ['c.json drop ci', 'There is no such command.'],
    ['c.json constructor', 'There is no such command.'],
    ['c.json add', 'NAME is missing.'],
    ['c.json rotate', 'NAME is missing.'],
    ['c.json revoke', 'NAME is missing.'],
    ['c.json secrets ci', 'There is an argument too many.'],
    ['c.json rotate ci 0123abcd', 'There is an argument too many.'],
    ['c.json add ci cj', 'There is an argument too many.'],
    ['c.json revoke ci 0123abcd 4567abcd', 'There is an argument too many.'],
    ['c.json revoke ci 0123abc', 'FINGERPRINT must be 8 hex characters, as an audit record or "list" shows them.'],
    ['c.json list --scopes a', 'Only "add" takes this option.'],
    ['c.json rotate ci --key', 'Only "add" takes this option.'],
    [
      'c.json add ci --daily-deletions -1',
      'There is an option that does not exist, lacks its value or has one too many.',
    ],
    ['c.json add ci --daily-deletions=-1', '--daily-deletions takes a number.'],
    ['c.json add ci --daily-deletions 1.5', '--daily-deletions takes a number.'],
    ['c.json add ci --colour red', 'There is an option that does not exist, lacks its value or has one too many.'],
    ['c.json add ci --key=x', 'There is an option that does not exist, lacks its value or has one too many.'],
    ['c.json add ci --token', 'There is an option that does not exist, lacks its value or has one too many.'],
    ['c.json add ci --token gha', 'After --token ISSUER comes CLAIM=TEXT, at least once.'],
    ['c.json add ci --token gha a=1 --token k8s', 'After --token ISSUER comes CLAIM=TEXT, at least once.'],
    ['c.json add --token gha a=1 ci', 'After --token ISSUER comes CLAIM=TEXT, at least once.'],
    ['c.json add ci --token gha a=', 'After --token ISSUER comes CLAIM=TEXT, at least once.'],
    ['c.json add ci --token gha a=1 a=2', '--token has a claim twice.'],
    ['c.json add ci --binding a=1', 'There is an argument too many.'],
    ['c.json add -ci', 'There is an option that does not exist, lacks its value or has one too many.'],
    ['c.json list a/b', `NAME must be ${CALLER_ID_RULE}.`],
  ])('is not %j', (line, failure) => {
    expect(parse(line)).toEqual({ ok: false, failure });
  });

  it('never repeats a key that stands in the wrong place', () => {
    const { key } = createKey();
    expect(parse(`c.json add ${key}`)).toEqual({
      ok: false,
      failure: `NAME must be ${CALLER_ID_RULE}.`,
    });
    for (const line of [`c.json revoke ci ${key}`, `c.json ${key}`, `c.json add ci --key ${key}`, `c.json --${key}`]) {
      const parsed = parse(line);
      expect(parsed.ok).toBe(false);
      expect(JSON.stringify(parsed)).not.toContain(key);
    }
  });

  it('may be a call for help, whatever else is there', () => {
    for (const line of ['--help', '-h', 'c.json add --help']) expect(parse(line)).toEqual({ ok: true, value: null });
    for (const word of [...SCOPES, 'add', 'rotate', 'revoke', 'list', 'secrets']) expect(HELP).toContain(word);
  });
});
