/** How a tool reads, lengthens and replaces files. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendToFile, isOpenToOthers, readTextFile, replaceFile } from '../../src/tools/shell.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bcg-shell-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const modeOf = (file: string) => statSync(join(folder, file)).mode & 0o777;

describe('a file', () => {
  it('is made, and replaced with the mode that it had', () => {
    expect(replaceFile(folder, 'a.json', 'old')).toEqual({ ok: true, value: null });
    chmodSync(join(folder, 'a.json'), 0o640);
    expect(replaceFile(folder, 'a.json', 'new')).toEqual({ ok: true, value: null });
    expect([readFileSync(join(folder, 'a.json'), 'utf8'), modeOf('a.json')]).toEqual(['new', 0o640]);
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('is made, and grows', () => {
    appendToFile(folder, 'a.jsonl', 'first\n');
    expect(appendToFile(folder, 'a.jsonl', 'second\n')).toEqual({ ok: true, value: null });
    expect(readFileSync(join(folder, 'a.jsonl'), 'utf8')).toBe('first\nsecond\n');
    expect(appendToFile(folder, '.', 'x')).toEqual({ ok: false, failure: 'cannot be written (EISDIR)' });
  });

  it('stays behind a link that leads to it', () => {
    mkdirSync(join(folder, 'real'));
    writeFileSync(join(folder, 'real/a.json'), 'old');
    symlinkSync('real/a.json', join(folder, 'link.json'));
    replaceFile(folder, 'link.json', 'new');
    expect(readFileSync(join(folder, 'real/a.json'), 'utf8')).toBe('new');
    expect(readFileSync(join(folder, 'link.json'), 'utf8')).toBe('new');
  });

  it('stays as it is if the process dies before the new one has its name, and can be replaced afterwards', () => {
    writeFileSync(join(folder, 'a.json'), 'old');
    const shell = join(import.meta.dirname, '../../src/tools/shell.ts');
    const program = `import { replaceFile } from ${JSON.stringify(shell)};
      replaceFile(${JSON.stringify(folder)}, 'a.json', 'new', { rename: () => process.kill(process.pid, 'SIGKILL') });`;
    const { signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', program]);
    expect(signal).toBe('SIGKILL');
    expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe('old');
    const [left = ''] = readdirSync(folder).filter((file) => file !== 'a.json');
    expect(left).toMatch(/^\.a\.json\..+\.tmp$/);
    expect(readFileSync(join(folder, left), 'utf8')).toBe('new');
    expect(replaceFile(folder, 'a.json', 'newer').ok).toBe(true);
    expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe('newer');
  });

  it('stays as it is, and alone, if it cannot be replaced', () => {
    writeFileSync(join(folder, 'a.json'), 'old');
    const denied = Object.assign(new Error('secret'), { code: 'EACCES' });
    const rename = () => {
      throw denied;
    };
    expect(replaceFile(folder, 'a.json', 'new', { rename })).toEqual({
      ok: false,
      failure: 'cannot be written (EACCES)',
    });
    expect(replaceFile(folder, 'absent/a.json', 'new')).toEqual({ ok: false, failure: 'cannot be written (ENOENT)' });
    expect(readFileSync(join(folder, 'a.json'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('is read, or missing, or unreadable', () => {
    writeFileSync(join(folder, 'a.json'), 'text');
    expect(readTextFile(folder, 'a.json')).toEqual({ ok: true, value: 'text' });
    expect(readTextFile('/', join(folder, 'a.json'))).toEqual({ ok: true, value: 'text' });
    expect(readTextFile(folder, 'b.json')).toEqual({ ok: true, value: null });
    expect(readTextFile(folder, '.')).toEqual({ ok: false, failure: 'cannot be read (EISDIR)' });
  });

  it.each([
    [0o600, false],
    [0o610, false],
    [0o640, true],
    [0o604, true],
  ])('with mode %o is open to others: %s', (mode, isOpen) => {
    writeFileSync(join(folder, 'a.json'), '');
    chmodSync(join(folder, 'a.json'), mode);
    expect(isOpenToOthers(folder, 'a.json')).toBe(isOpen);
    expect([isOpenToOthers(folder, 'absent'), isOpenToOthers(folder, '.')]).toEqual([false, false]);
  });
});
