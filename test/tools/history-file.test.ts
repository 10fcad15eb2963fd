/** The files of an export: their lock, whose rows they have, and what is left of a run that was cut off. */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReadinessBody } from '../../src/client/index.ts';
import { HistoryFile } from '../../src/tools/history-file.ts';
import { deletionRow } from '../fixtures.ts';

const GATEWAY = 'https://images.internal.example.com';
const CLEANER: ReadinessBody = {
  status: 'ready',
  caller: 'cleaner',
  scopes: ['images:delete'],
  keyFingerprint: '9ae8a8b2',
  credentialAccepted: null,
  control: null,
};
const AUDITOR: ReadinessBody = { ...CLEANER, caller: 'auditor', scopes: ['deletions:read'] };
let folder = '';
let history: HistoryFile;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bcg-history-'));
  history = new HistoryFile(folder, 'h.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const textOf = (file: string) => readFileSync(join(folder, file), 'utf8');
const modeOf = (file: string) => statSync(join(folder, file)).mode & 0o777;

describe('the lock', () => {
  it('is held by one run until it ends', () => {
    const first = history.lock();
    if (!first.ok) throw new Error(first.failure);
    expect(textOf('h.jsonl.lock')).toBe(`${process.pid}\n`);
    const failure = `Process ${process.pid} writes h.jsonl. If there is no such process, remove h.jsonl.lock.`;
    expect(new HistoryFile(folder, 'h.jsonl').lock()).toEqual({ ok: false, failure });
    expect(new HistoryFile(folder, 'other.jsonl').lock().ok).toBe(true);
    first.value();
    expect(history.lock().ok).toBe(true);
  });
});

describe('the note of whose rows they are', () => {
  it('is made with the first run, for its owner only', () => {
    expect(history.admit(GATEWAY, CLEANER).ok).toBe(true);
    expect([textOf('h.jsonl.view'), modeOf('h.jsonl.view')]).toEqual([`the rows of cleaner at ${GATEWAY}\n`, 0o600]);
  });

  it('admits the same rows again, by whatever caller who sees everyone', () => {
    history.admit(GATEWAY, AUDITOR);
    history.finish([deletionRow()]);
    expect(history.admit(GATEWAY, { ...AUDITOR, caller: 'another' }).ok).toBe(true);
  });

  it.each<[string, string, ReadinessBody]>([
    ['everyone', GATEWAY, AUDITOR],
    ['another', GATEWAY, { ...CLEANER, caller: 'another' }],
    ['cleaner', 'https://elsewhere.example.com', CLEANER],
  ])('refuses those of %s at %s', (who, gateway, readiness) => {
    for (const begin of [() => history.addToPart(deletionRow()), () => history.finish([])]) {
      history.admit(GATEWAY, CLEANER);
      begin();
      expect(history.admit(gateway, readiness)).toEqual({
        ok: false,
        failure: `h.jsonl has the rows of cleaner at ${GATEWAY}, and these would be the rows of ${who} at ${gateway}. Name another FILE.`,
      });
    }
  });

  it('may change while there are no rows yet', () => {
    history.admit(GATEWAY, CLEANER);
    expect(history.admit(GATEWAY, AUDITOR).ok).toBe(true);
    expect(textOf('h.jsonl.view')).toBe(`the rows of everyone at ${GATEWAY}\n`);
  });

  it('must not be missing when there are rows', () => {
    history.finish([deletionRow()]);
    const failure = 'h.jsonl.view is missing, so nobody knows whose rows h.jsonl has. Name another FILE.';
    expect(history.admit(GATEWAY, CLEANER)).toEqual({ ok: false, failure });
  });
});

describe('the rows', () => {
  it('of a run that was cut off are kept, but for a torn line', () => {
    expect([history.hasPart(), history.partRows()]).toEqual([false, { ok: true, value: [] }]);
    history.addToPart(deletionRow());
    appendFileSync(join(folder, 'h.jsonl.part'), '{"requestId":"é');
    expect([history.hasPart(), history.partRows()]).toEqual([true, { ok: true, value: [deletionRow()] }]);
    expect(modeOf('h.jsonl.part')).toBe(0o600);
  });

  it('of a part that is something else stay as they are', () => {
    for (const text of ['line 1\nline 2 without end', 'one line\n']) {
      writeFileSync(join(folder, 'h.jsonl.part'), text);
      expect(history.partRows().ok).toBe(false);
      expect(textOf('h.jsonl.part')).toBe(text);
    }
    rmSync(join(folder, 'h.jsonl.part'));
    mkdirSync(join(folder, 'h.jsonl.part'));
    expect(history.partRows()).toEqual({ ok: false, failure: 'h.jsonl.part cannot be read (EISDIR).' });
  });

  it('of a whole run replace the file, and take the part away', () => {
    expect(history.rows()).toEqual({ ok: true, value: [] });
    history.addToPart(deletionRow());
    expect(history.finish([deletionRow(), deletionRow()])).toEqual({ ok: true, value: null });
    expect([history.rows(), modeOf('h.jsonl')]).toEqual([{ ok: true, value: [deletionRow(), deletionRow()] }, 0o600]);
    expect(readdirSync(folder)).toEqual(['h.jsonl']);
  });

  it('are refused if the file is something else', () => {
    for (const text of ['# Notes\n', '{"requestId":"job-1"}\n', '{}', '\n', JSON.stringify(deletionRow())]) {
      writeFileSync(join(folder, 'h.jsonl'), text);
      const failure = 'h.jsonl is no history that this tool has written, and stays as it is.';
      expect([history.rows(), history.admit(GATEWAY, CLEANER)]).toEqual([
        { ok: false, failure },
        { ok: false, failure },
      ]);
    }
  });

  it('that cannot be written are a failure', () => {
    const nowhere = new HistoryFile(folder, 'absent/h.jsonl');
    const failure = (file: string) => ({ ok: false, failure: `absent/${file} cannot be written (ENOENT).` });
    expect(nowhere.lock()).toEqual(failure('h.jsonl'));
    expect(nowhere.admit(GATEWAY, CLEANER)).toEqual(failure('h.jsonl.view'));
    expect(nowhere.addToPart(deletionRow())).toEqual(failure('h.jsonl.part'));
    expect(nowhere.finish([])).toEqual(failure('h.jsonl'));
  });
});
