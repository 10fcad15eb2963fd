/** `npm run key -- NAME`, run as an operator runs it. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCallers } from '../../src/worker/callers/table.ts';

const run = (...names: string[]) =>
  spawnSync('npm', ['run', '--silent', 'key', '--', ...names], {
    cwd: join(import.meta.dirname, '../..'),
    encoding: 'utf8',
  });

describe('npm run key', () => {
  it('prints a key of 256 random bits and an entry that the gateway accepts', () => {
    const { stdout, status } = run('ci-cleaner');
    expect(status).toBe(0);
    const key = /^ {2}(bcg_[\w-]{43})$/m.exec(stdout)?.[1] ?? '';
    const entry = /^\{.*\}$/m.exec(stdout)?.[0] ?? '';
    const { callers, problems } = parseCallers([{ name: 'CALLERS', json: entry }], []);
    expect(problems).toEqual([]);
    expect(callers.byKey.get(createHash('sha256').update(key).digest('hex'))?.id).toBe('ci-cleaner');
    expect(run('ci-cleaner').stdout).not.toContain(key);
  });

  it('prints only the digest for a rotation, because a second entry would be refused', () => {
    const { stdout, status } = run('ci-cleaner', '--rotate');
    expect(status).toBe(0);
    const key = /^ {2}(bcg_[\w-]{43})$/m.exec(stdout)?.[1] ?? '';
    expect(stdout.trim().split('\n').at(-1)).toBe(JSON.stringify(createHash('sha256').update(key).digest('hex')));
    expect(stdout).not.toContain('{');
  });

  it.each([['ci-cleaner', '--again'], ['ci-cleaner', '--rotate', 'x'], [], ['a b'], ['-x'], ['x'.repeat(65)]])(
    'refuses %j',
    (...names) => {
      const { stdout, stderr, status } = run(...names);
      expect([stdout, status]).toEqual(['', 1]);
      expect(stderr).toMatch(/ See: npm run key -- --help\n$/);
    },
  );
});
