/** How a tool reads, lengthens, replaces and locks files. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
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
import { appendToFile, lockFile, readTextFile, replaceFile } from '../../src/tools/shell.ts';

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
});

describe('the lock of a file', () => {
  const writeLock = (text: string) => writeFileSync(join(folder, 'a.json.lock'), text);
  const busy = (pid: number) => ({
    ok: false,
    failure: `Process ${pid} writes a.json. If there is no such process, remove a.json.lock.`,
  });

  it('is held by one process until it ends', () => {
    const first = lockFile(folder, 'a.json');
    if (!first.ok) throw new Error(first.failure);
    expect(readFileSync(join(folder, 'a.json.lock'), 'utf8')).toBe(`${process.pid}\n`);
    expect(lockFile(folder, 'a.json')).toEqual(busy(process.pid));
    expect(lockFile(folder, 'b.json').ok).toBe(true);
    first.value();
    expect(lockFile(folder, 'a.json').ok).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['a.json.lock', 'b.json.lock']);
  });

  it('of a process that was killed, or that could not write its id, does not count', () => {
    const { pid } = spawnSync('true');
    for (const left of [`${pid}\n`, '', 'x', '-1\n', '0\n']) {
      writeLock(left);
      expect([left, lockFile(folder, 'a.json').ok]).toEqual([left, true]);
    }
    expect(readdirSync(folder)).toEqual(['a.json.lock']);
  });

  it('of a process of somebody else counts', () => {
    writeLock('1\n');
    expect(lockFile(folder, 'a.json')).toEqual(busy(1));
  });

  it('that cannot be made or read is a failure', () => {
    expect(lockFile(folder, 'absent/a.json')).toEqual({
      ok: false,
      failure: 'absent/a.json cannot be written (ENOENT).',
    });
    mkdirSync(join(folder, 'a.json.lock'));
    expect(lockFile(folder, 'a.json')).toEqual({ ok: false, failure: 'a.json.lock cannot be read (EISDIR).' });
  });

  it('that is left behind is taken over by one of many', async () => {
    writeLock(`${spawnSync('true').pid}\n`);
    const shell = join(import.meta.dirname, '../../src/tools/shell.ts');
    const program = `import { lockFile } from ${JSON.stringify(shell)};
      const { ok } = lockFile(${JSON.stringify(folder)}, 'a.json');
      console.log(ok ? 'held' : 'refused');
      process.stdin.resume();`;
    const many = Array.from({ length: 6 }, () => spawn(process.execPath, ['--input-type=module', '--eval', program]));
    // All live until the last one has said what it got, because the lock of one that has ended may be taken.
    const outputs = await Promise.all(many.map(async ({ stdout }) => String((await once(stdout, 'data'))[0])));
    for (const { stdin } of many) stdin.end();
    expect(outputs.filter((output) => output === 'held\n')).toHaveLength(1);
  });
});
