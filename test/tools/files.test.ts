/** How a file is read and replaced: by many at once, by one that is killed, on a full disk, through links. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isOpenToOthers, readFile, replaceFile } from '../../src/tools/files.ts';
import { failed } from '../../src/worker/result.ts';

const FILES = join(import.meta.dirname, '../../src/tools/files.ts');
const BUSY = { ok: false, failure: 'is being changed by another process; if not, try again in a minute' };
const CHANGED = { ok: false, failure: 'was changed by another process' };
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bcg-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (file: string, text: string | Buffer) => writeFileSync(join(folder, file), text);
const textOf = (file: string) => readFileSync(join(folder, file), 'utf8');
const found = (file: string) => {
  const read = readFile(folder, file);
  if (!read.ok) throw new Error(read.failure);
  return read.value;
};

/** A process that reads FILE, says so, waits for a line, and then replaces the text with the result of `change`. */
function changer(file: string, change: string, confirm = ''): ChildProcess {
  const program = `import { readFile, replaceFile } from ${JSON.stringify(FILES)};
    const found = readFile(${JSON.stringify(folder)}, ${JSON.stringify(file)});
    console.log('read');
    process.stdin.once('data', async () => {
      const change = (text) => ${change};
      const { ok, failure } = await replaceFile(found.value, change(found.value.text)${confirm});
      console.log(ok ? 'done' : failure);
      process.exit();
    });`;
  return spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['pipe', 'pipe', 'inherit'] });
}
const shell = (command: string, PROGRAM: string) =>
  spawnSync('sh', ['-c', command], { encoding: 'utf8', env: { ...process.env, PROGRAM } });
const lineOf = async ({ stdout }: ChildProcess): Promise<string> =>
  stdout === null ? '' : String((await once(stdout, 'data'))[0]).trim();

describe('a file', () => {
  it('is read as UTF-8, with or without a byte order mark', () => {
    put('a.json', '镜像');
    put('b.json', '\ufeff{}\r\n');
    expect([found('a.json').text, found('b.json').text]).toEqual(['镜像', '{}\r\n']);
    expect(found('absent.json')).toMatchObject({ bytes: null, text: null });
    expect(readFile('/', join(folder, 'a.json'))).toEqual(readFile(folder, 'a.json'));
  });

  it('is refused in another encoding, which the failure names', () => {
    const utf16 = { ok: false, failure: 'is UTF-16, as PowerShell writes it: save it as UTF-8' };
    put('le.json', Buffer.from('\ufeff{}', 'utf16le'));
    put('be.json', Buffer.from('\ufeff{}', 'utf16le').swap16());
    put('gbk.json', Buffer.from([0x22, 0xbe, 0xb5, 0xcf, 0xf1, 0x22]));
    expect([readFile(folder, 'le.json'), readFile(folder, 'be.json')]).toEqual([utf16, utf16]);
    expect(readFile(folder, 'gbk.json')).toEqual({ ok: false, failure: 'is not UTF-8' });
    expect(readFile(folder, '.')).toEqual({ ok: false, failure: 'cannot be read (EISDIR)' });
  });

  it('may be a pipe', () => {
    const program = `import { readFile } from ${JSON.stringify(FILES)}; console.log(readFile('/', '/dev/stdin').value.text)`;
    // The shell must make the pipe: Node.js gives a child a socket.
    const { stdout } = shell(
      `printf '{"a": 1}' | '${process.execPath}' --input-type=module --eval "$PROGRAM"`,
      program,
    );
    expect(stdout).toBe('{"a": 1}\n');
  });

  it.each([
    [0o600, false],
    [0o610, false],
    [0o640, true],
    [0o604, true],
  ])('with mode %o is open to others: %s', (mode, isOpen) => {
    put('a.json', '');
    chmodSync(join(folder, 'a.json'), mode);
    expect(isOpenToOthers(folder, 'a.json')).toBe(isOpen);
    expect([isOpenToOthers(folder, 'absent'), isOpenToOthers(folder, '.')]).toEqual([false, false]);
  });
});

describe('a file that is replaced', () => {
  it('is created if it does not exist, and leaves nothing beside it', async () => {
    expect(await replaceFile(found('a.json'), 'new')).toEqual({ ok: true, value: null });
    expect([textOf('a.json'), readdirSync(folder)]).toEqual(['new', ['a.json']]);
  });

  it('keeps its mode, whatever the umask', async () => {
    put('a.json', 'old');
    for (const mode of [0o640, 0o666, 0o600]) {
      chmodSync(join(folder, 'a.json'), mode);
      await replaceFile(found('a.json'), `new ${mode}`);
      expect([textOf('a.json'), statSync(join(folder, 'a.json')).mode & 0o777]).toEqual([`new ${mode}`, mode]);
    }
  });

  // Only root can give a file away.
  it.runIf(process.getuid?.() === 0)('keeps its owner and its group', async () => {
    put('a.json', 'old');
    chownSync(join(folder, 'a.json'), 1234, 2345);
    await replaceFile(found('a.json'), 'new');
    expect(statSync(join(folder, 'a.json'))).toMatchObject({ uid: 1234, gid: 2345 });
  });

  it('is written through links, which stay, even if it does not exist yet', async () => {
    mkdirSync(join(folder, 'real'));
    put('real/a.json', 'old');
    symlinkSync('real/a.json', join(folder, 'a.json'));
    symlinkSync('real/b.json', join(folder, 'b.json'));
    symlinkSync('b.json', join(folder, 'c.json'));
    await replaceFile(found('a.json'), 'new');
    await replaceFile(found('c.json'), 'made');
    expect([textOf('real/a.json'), textOf('a.json'), textOf('real/b.json'), textOf('c.json')]).toEqual([
      'new',
      'new',
      'made',
      'made',
    ]);
    expect(readdirSync(join(folder, 'real'))).toEqual(['a.json', 'b.json']);
  });

  it('is not replaced through circular links', async () => {
    symlinkSync('b.json', join(folder, 'a.json'));
    symlinkSync('a.json', join(folder, 'b.json'));
    expect(readFile(folder, 'a.json')).toEqual({ ok: false, failure: 'cannot be read (ELOOP)' });
  });

  it('stays as it is if it was changed or created since it was read', async () => {
    put('a.json', 'old');
    const [read, absent] = [found('a.json'), found('b.json')];
    put('a.json', 'newer');
    put('b.json', 'made');
    expect([await replaceFile(read, 'new'), await replaceFile(absent, 'new')]).toEqual([CHANGED, CHANGED]);
    const change = async () => {
      put('a.json', 'newest');
      return { ok: true, value: null } as const;
    };
    expect(await replaceFile(found('a.json'), 'new', change)).toEqual(CHANGED);
    expect([textOf('a.json'), textOf('b.json')]).toEqual(['newest', 'made']);
    expect(readdirSync(folder)).toEqual(['a.json', 'b.json']);
  });

  it('stays as it is if the confirmation is refused', async () => {
    put('a.json', 'old');
    expect(await replaceFile(found('a.json'), 'new', async () => failed('no'))).toEqual({ ok: false, failure: 'no' });
    expect([textOf('a.json'), readdirSync(folder)]).toEqual(['old', ['a.json']]);
  });

  it('is not created in a folder that does not exist', async () => {
    expect(await replaceFile(found('absent/a.json'), 'new')).toEqual({
      ok: false,
      failure: 'cannot be written (ENOENT)',
    });
  });

  it('stays as it is on a full disk, with nothing beside it', async () => {
    // The shell's limit on file size acts like a full disk, and needs no right to mount one.
    put('a.json', 'old');
    const program = `import { readFile, replaceFile } from ${JSON.stringify(FILES)};
      process.on('SIGXFSZ', () => undefined);
      const found = readFile(${JSON.stringify(folder)}, 'a.json');
      console.log(JSON.stringify(await replaceFile(found.value, 'x'.repeat(100_000))));`;
    const { stdout } = shell(`ulimit -f 10; exec '${process.execPath}' --input-type=module --eval "$PROGRAM"`, program);
    expect(JSON.parse(stdout)).toEqual({ ok: false, failure: 'cannot be written (EFBIG)' });
    expect([textOf('a.json'), readdirSync(folder)]).toEqual(['old', ['a.json']]);
  });
});

describe('of several processes that change a file at the same time', () => {
  const add = (index: number) => `text + ${JSON.stringify(` ${index}`)}`;

  it('exactly one succeeds if all have read the same content, even by different names', async () => {
    put('a.json', 'old');
    symlinkSync('a.json', join(folder, 'link.json'));
    const many = Array.from({ length: 12 }, (_, index) => changer(index % 2 ? 'a.json' : 'link.json', add(index)));
    await Promise.all(many.map(lineOf));
    const answers = many.map(lineOf);
    for (const { stdin } of many) stdin?.write('go\n');
    const said = await Promise.all(answers);
    const winners = said.flatMap((line, index) => (line === 'done' ? [index] : []));
    expect(winners).toHaveLength(1);
    expect(textOf('a.json')).toBe(`old ${winners[0]}`);
    for (const line of said.filter((each) => each !== 'done')) expect([BUSY.failure, CHANGED.failure]).toContain(line);
    expect(readdirSync(folder)).toEqual(['a.json', 'link.json']);
  });

  it('at most one takes over what a killed process left behind', async () => {
    put('a.json', 'old');
    await killed('a.json');
    makeOld(leftBeside('a.json'));
    const many = Array.from({ length: 12 }, (_, index) => changer('a.json', add(index)));
    await Promise.all(many.map(lineOf));
    const answers = many.map(lineOf);
    for (const { stdin } of many) stdin?.write('go\n');
    const winners = (await Promise.all(answers)).flatMap((line, index) => (line === 'done' ? [index] : []));
    expect(winners.length).toBeLessThanOrEqual(1);
    expect(textOf('a.json')).toBe(winners.length === 1 ? `old ${winners[0]}` : 'old');
    expect((await replaceFile(found('a.json'), 'new')).ok).toBe(true);
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('one that was stopped for over a minute does not overwrite the change of another', async () => {
    put('a.json', 'old');
    const wait = `, () => { console.log('ready'); return new Promise((resolve) =>
      process.stdin.once('data', () => resolve({ ok: true, value: null }))); }`;
    const slow = changer('a.json', add(1), wait);
    await lineOf(slow);
    const ready = lineOf(slow);
    slow.stdin?.write('go\n');
    expect(await ready).toBe('ready');
    makeOld(leftBeside('a.json'));
    expect(await replaceFile(found('a.json'), 'newer')).toEqual({ ok: true, value: null });
    const answer = lineOf(slow);
    slow.stdin?.write('on\n');
    expect(await answer).toBe(CHANGED.failure);
    expect([textOf('a.json'), readdirSync(folder)]).toEqual(['newer', ['a.json']]);
  });

  /** Kills a process just before it gives the new file its name. */
  async function killed(file: string): Promise<void> {
    const victim = changer(file, add(0), ", () => process.kill(process.pid, 'SIGKILL')");
    await lineOf(victim);
    victim.stdin?.write('go\n');
    expect(await once(victim, 'exit')).toEqual([null, 'SIGKILL']);
  }
  const leftBeside = (file: string) =>
    readdirSync(folder).find((name) => name.startsWith(`${file}.`) && name.endsWith('.tmp')) ?? '';
  const makeOld = (file: string) => {
    const past = new Date(Date.now() - 61_000);
    utimesSync(join(folder, file), past, past);
  };

  it('one that is killed leaves the file as it was, and blocks the next for a minute at most', async () => {
    put('a.json', 'old');
    await killed('a.json');
    const left = leftBeside('a.json');
    expect([textOf('a.json'), textOf(left)]).toEqual(['old', 'old 0']);
    expect(await replaceFile(found('a.json'), 'new')).toEqual(BUSY);
    expect(existsSync(join(folder, left))).toBe(true);
    makeOld(left);
    expect(await replaceFile(found('a.json'), 'new')).toEqual({ ok: true, value: null });
    expect([textOf('a.json'), readdirSync(folder)]).toEqual(['new', ['a.json']]);
  });
});
