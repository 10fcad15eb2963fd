/** The ledger's rows, lock and budgets, in the SQLite of a real Durable Object. Each test sets the time. */
import { describe, expect, it } from 'vitest';
import type { Budgets, HistoryQuery, Settlement } from '../../../src/worker/ledger/rows.ts';
import { LedgerStore, REMOVAL_BATCH } from '../../../src/worker/ledger/store.ts';
import type { RowOutcome } from '../../../src/worker/outcome.ts';
import { DAY_MS, HOUR_MS } from '../../../src/worker/time.ts';
import { ALL_ROWS, budgets, checkOf, enteredRow, idOf, reservation, SCHEDULE, settlement } from '../../fixtures.ts';
import { insideLedger, storeIn } from '../../harness.ts';

const SECOND_MS = 1_000;
const START_MS = Date.parse('2026-11-23T00:00:00Z');
const ROOM = budgets(100);
const IMAGE = 'm-custom01';

/** `n` seconds after the start. */
const at = (n: number) => START_MS + n * SECOND_MS;

/** Runs `act` on a fresh ledger. */
const inStore = (act: (store: LedgerStore, sql: SqlStorage) => void) => insideLedger((sql) => act(storeIn(sql), sql));

/** Enters a deletion of `IMAGE`, or of another image. */
const reserve = (store: LedgerStore, requestId: string, nowMs: number, imageId = IMAGE, caller = 'cleaner') =>
  store.reserve(reservation(requestId, imageId, caller), ROOM, nowMs).reserved;

/** Whether the budgets admit a deletion of this image. Settles it as `outcome`. */
function admits(
  store: LedgerStore,
  requestId: string,
  imageId: string,
  given: Budgets,
  nowMs: number,
  caller = 'a',
  outcome: RowOutcome = 'deleted',
): boolean {
  const { reserved } = store.reserve(reservation(requestId, imageId, caller), given, nowMs);
  store.settle(idOf(requestId), settlement(outcome), nowMs);
  return reserved.ok;
}

const exhausted = (of: 'caller' | 'account', budget: number, retryAfterS: number) => ({
  ok: false,
  failure: { of, budget, retryAfterS },
});
const open = (requestId: string, caller = 'cleaner') => ({
  ok: false,
  failure: { of: 'caller', budget: 100, retryAfterS: 5, open: { id: idOf(requestId), caller, requestId } },
});

const outcomes = (store: LedgerStore, imageId = IMAGE) =>
  store.history({ ...ALL_ROWS, imageId }).map(({ requestId, outcome, confirmed }) => [requestId, outcome, confirmed]);
const rowOf = (store: LedgerStore, imageId = IMAGE) => store.history({ ...ALL_ROWS, imageId })[0];
const ADMITTED = { ok: true, value: null, isAfterNotDeleted: false, sameRequest: null };

describe('a row', () => {
  it('is unknown until it is settled, and is settled only once', () =>
    inStore((store) => {
      expect(reserve(store, 'r1', START_MS)).toEqual(ADMITTED);
      const reserved = enteredRow('r1', START_MS, at(45));
      expect(store.history(ALL_ROWS)).toEqual([reserved]);
      expect(store.settle(idOf('r1'), { ...settlement('deleted'), imageName: 'ci' }, START_MS + 7)).toEqual([]);
      expect(store.settle(idOf('r1'), settlement('rejected'), START_MS + 9)).toEqual([]);
      const settled = { settledAtMs: START_MS + 7, outcome: 'deleted', confirmed: true, imageName: 'ci', attempts: 1 };
      expect(store.history(ALL_ROWS)).toEqual([{ ...reserved, ...settled, upstreamRequestId: 'up-1' }]);
    }));

  it('keeps the subject of its caller, an inferred outcome and an unknown number of attempts', () =>
    inStore((store) => {
      store.reserve({ ...reservation('r1'), subject: 'repo:acme/x' }, ROOM, START_MS);
      store.settle(idOf('r1'), { ...settlement('deleted'), confirmed: false, attempts: null }, START_MS);
      expect(rowOf(store)).toMatchObject({ subject: 'repo:acme/x', confirmed: false, attempts: null });
    }));

  it('is settled by our own id, even if callers repeat request ids', () =>
    inStore((store) => {
      store.reserve({ ...reservation('same'), id: 'one' }, ROOM, START_MS);
      store.reserve({ ...reservation('same', 'm-other001'), id: 'two' }, ROOM, START_MS);
      store.settle('two', settlement('rejected'), START_MS);
      store.settle('nobody', settlement('deleted'), START_MS);
      store.settle('same', settlement('deleted'), START_MS);
      expect(store.history(ALL_ROWS).map(({ id, outcome }) => [id, outcome])).toEqual([
        ['two', 'rejected'],
        ['one', 'unknown'],
      ]);
    }));

  it('adds to the count of absences under an unlisted code if its settlement says so', () =>
    inStore((store) => {
      for (const [n, reported] of [{ unlistedAbsence: true }, { unlistedAbsence: false }, {}].entries()) {
        reserve(store, `r${n}`, START_MS, `m-image00${n}`);
        store.settle(idOf(`r${n}`), { ...settlement('already_absent'), ...reported }, START_MS);
      }
      expect(store.metrics(START_MS).totals['unlisted']).toBe(1);
    }));

  it('reads as unknown if this release does not know its outcome', () =>
    inStore((store, sql) => {
      reserve(store, 'r1', START_MS);
      sql.exec("UPDATE deletions SET outcome = 'unheard_of'");
      expect(store.history({ ...ALL_ROWS, requestId: 'r1' })).toMatchObject([{ outcome: 'unknown' }]);
    }));
});

describe('an image', () => {
  it('is taken while a request for it may still run', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      expect(reserve(store, 'r2', at(0))).toEqual(open('r1'));
      expect(reserve(store, 'r3', at(22.999), IMAGE, 'other')).toEqual(open('r1'));
      expect(reserve(store, 'r4', at(0), 'm-other001')).toEqual(ADMITTED);
      expect(outcomes(store)).toEqual([['r1', 'unknown', null]]);
    }));

  it.each(['deleted', 'already_absent', 'rejected', 'not_attempted'] as const)(
    'is free once the row is %s',
    (outcome) =>
      inStore((store) => {
        reserve(store, 'r1', at(0));
        store.settle(idOf('r1'), settlement(outcome), at(1));
        expect(reserve(store, 'r2', at(1)).ok).toBe(true);
      }),
  );

  it('stays taken until the last planned check if its settlement says unknown', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.settle(idOf('r1'), settlement('unknown'), at(1));
      expect(reserve(store, 'r2', at(3599.999))).toEqual(open('r1'));
      expect(reserve(store, 'r3', at(3600))).toEqual(ADMITTED);
      expect(outcomes(store)).toEqual([
        ['r3', 'unknown', null],
        ['r1', 'unknown', null],
      ]);
    }));

  it('is free once a check has found it, and the next reservation resolves the older row to not_deleted', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      expect(store.applyCheck(IMAGE, checkOf('found', at(46)), at(47))).toEqual([]);
      expect(outcomes(store)).toEqual([['r1', 'unknown', null]]);
      const { reserved, events } = store.reserve(reservation('r2'), ROOM, at(50));
      expect(reserved).toEqual({ ...ADMITTED, isAfterNotDeleted: true });
      expect(events).toMatchObject([
        { name: 'resolved', row: { requestId: 'r1', outcome: 'not_deleted', confirmed: null } },
      ]);
      expect(outcomes(store)).toEqual([
        ['r2', 'unknown', null],
        ['r1', 'not_deleted', null],
      ]);
    }));

  it('keeps its unknown row if a budget refuses the next deletion, even after a check has found it', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.applyCheck(IMAGE, checkOf('found', at(46)), at(47));
      const { reserved, events } = store.reserve(reservation('r2', IMAGE, 'other'), budgets(0), at(50));
      expect([reserved.ok, events]).toEqual([false, []]);
      expect(outcomes(store)).toEqual([['r1', 'unknown', null]]);
      store.applyCheck(IMAGE, checkOf('absent', at(120)), at(121));
      expect(outcomes(store)).toEqual([['r1', 'deleted', false]]);
    }));

  it('stays taken after a failed check, or one that began while the request could still run', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.applyCheck(IMAGE, checkOf('failed', at(46)), at(47));
      expect(store.applyCheck(IMAGE, checkOf('found', at(22.9)), at(47))).toEqual([]);
      expect(reserve(store, 'r2', at(50))).toEqual(open('r1'));
    }));

  it('stays taken until the request is over, even if a check has found it', () =>
    inStore((_store, sql) => {
      // With an earlier first check, the request is over earlier.
      const store = new LedgerStore(sql, [10, 60]);
      reserve(store, 'r1', at(0));
      expect(reserve(store, 'r2', at(9.999)).ok).toBe(false);
      store.applyCheck(IMAGE, checkOf('found', at(9.999)), at(10));
      expect(reserve(store, 'r3', at(10)).ok).toBe(false);
      store.applyCheck(IMAGE, checkOf('found', at(10)), at(10));
      expect(reserve(store, 'r4', at(10)).ok).toBe(true);
    }));

  it('stays taken if the clock goes back to when the request could still run, even if a check has found it', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.applyCheck(IMAGE, checkOf('found', at(46)), at(46));
      expect(reserve(store, 'r2', at(22.999))).toEqual(open('r1'));
    }));

  it('is taken if its row is in the future, which is the safe choice', () =>
    inStore((store) => {
      reserve(store, 'r1', at(86_400));
      expect(reserve(store, 'r2', at(0))).toEqual(open('r1'));
    }));

  it('reports the newest open row if a ledger of 1.0.0 has several', () =>
    inStore((store, sql) => {
      for (const n of [1, 2]) reserve(store, `r${n}`, at(n), `m-image00${n}`);
      sql.exec("UPDATE deletions SET image_id = 'm-custom01'");
      expect(reserve(store, 'r3', at(60))).toEqual(open('r2'));
    }));
});

describe('a refusal', () => {
  const nextMs = (store: LedgerStore) => store.nextCheckMs();

  it('makes the check of the open row due now, but not before its request is over', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      reserve(store, 'r2', at(22.999));
      expect(nextMs(store)).toBe(at(45));
      reserve(store, 'r3', at(23));
      expect(nextMs(store)).toBe(at(23));
    }));

  it('allows at most one check in five seconds', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.applyCheck(IMAGE, checkOf('failed', at(46)), at(46));
      reserve(store, 'r2', at(47));
      expect(nextMs(store)).toBe(at(51));
      reserve(store, 'r3', at(60));
      expect(nextMs(store)).toBe(at(51));
    }));

  it('during a check does not trigger another one right after it', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      reserve(store, 'r2', at(46));
      store.applyCheck(IMAGE, checkOf('failed', at(45)), at(48));
      expect(nextMs(store)).toBe(at(120));
      reserve(store, 'r3', at(49));
      expect(nextMs(store)).toBe(at(50));
    }));

  it('is counted, and adds no row', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      for (let n = 0; n < 3; n++) reserve(store, 'again', at(n));
      expect(store.metrics(at(3))).toMatchObject({ totals: { in_progress: 3 }, rows: 1, refusals: {} });
    }));
});

describe('the same request again', () => {
  it('gets the first row if it deleted the image', () =>
    inStore((store) => {
      store.reserve({ ...reservation('job'), id: 'first' }, ROOM, at(0));
      store.settle('first', settlement('deleted'), at(1));
      expect(store.reserve({ ...reservation('job'), id: 'second' }, ROOM, at(2)).reserved).toMatchObject({
        sameRequest: { id: 'first', isDeleted: true, confirmed: true, upstreamRequestId: 'up-1' },
      });
    }));

  it('gets the first row if it is still unknown', () =>
    inStore((store) => {
      store.reserve({ ...reservation('job'), id: 'first' }, ROOM, at(0));
      expect(store.reserve({ ...reservation('job'), id: 'second' }, ROOM, at(3600)).reserved).toMatchObject({
        sameRequest: { id: 'first', isDeleted: false, confirmed: false, upstreamRequestId: null },
      });
    }));

  it('does not match an unknown row that the reservation resolves to not_deleted', () =>
    inStore((store) => {
      store.reserve({ ...reservation('job'), id: 'first' }, ROOM, at(0));
      store.applyCheck(IMAGE, checkOf('found', at(46)), at(46));
      const { reserved } = store.reserve({ ...reservation('job'), id: 'second' }, ROOM, at(50));
      expect(reserved).toEqual({ ...ADMITTED, isAfterNotDeleted: true });
    }));

  it.each([
    ['from another caller', { caller: 'other' }],
    ['with another id', { requestId: 'other' }],
    ['for another image', { imageId: 'm-other001' }],
  ])('does not match a request %s', (_what, change) =>
    inStore((store) => {
      reserve(store, 'job', at(0));
      store.settle(idOf('job'), settlement('deleted'), at(1));
      const { reserved } = store.reserve({ ...reservation('job'), id: 'second', ...change }, ROOM, at(2));
      expect(reserved).toMatchObject({ ok: true, sameRequest: null });
    }),
  );

  it('does not match if another deletion came later', () =>
    inStore((store) => {
      for (const [n, caller] of ['a', 'b'].entries()) {
        reserve(store, `r${n}`, at(n), IMAGE, caller);
        store.settle(idOf(`r${n}`), settlement('deleted'), at(n));
      }
      const again = { ...reservation('r0', IMAGE, 'a'), id: 'again' };
      expect(store.reserve(again, ROOM, at(9)).reserved).toMatchObject({ sameRequest: null });
    }));
});

describe('a deletion after a not_deleted one', () => {
  const notDeleted = (store: LedgerStore) => {
    reserve(store, 'r1', at(0));
    store.applyCheck(IMAGE, checkOf('found', at(3600)), at(3600));
    expect(outcomes(store)).toEqual([['r1', 'not_deleted', null]]);
  };

  it.each(['rejected', 'not_attempted'] as const)('is marked as such, even if one in between was %s', (outcome) =>
    inStore((store) => {
      notDeleted(store);
      reserve(store, 'r2', at(4000));
      store.settle(idOf('r2'), settlement(outcome), at(4000));
      expect(reserve(store, 'r3', at(4001))).toMatchObject({ isAfterNotDeleted: true });
    }),
  );

  it.each(['deleted', 'already_absent'] as const)('is not marked if one in between was %s', (outcome) =>
    inStore((store) => {
      notDeleted(store);
      reserve(store, 'r2', at(4000));
      store.settle(idOf('r2'), settlement(outcome), at(4000));
      expect(reserve(store, 'r3', at(4001))).toMatchObject({ isAfterNotDeleted: false });
    }),
  );

  it('is marked as such, even if the image was gone before that one', () =>
    inStore((store) => {
      for (const [n, outcome] of (['deleted', 'already_absent'] as const).entries()) {
        reserve(store, `r${n}`, at(n));
        store.settle(idOf(`r${n}`), settlement(outcome), at(n));
      }
      reserve(store, 'r2', at(60));
      store.applyCheck(IMAGE, checkOf('found', at(3660)), at(3660));
      expect(reserve(store, 'r3', at(4000))).toMatchObject({ ok: true, isAfterNotDeleted: true });
    }));
});

describe('the settlement of a later deletion', () => {
  const second = (store: LedgerStore, settled: Settlement) => {
    reserve(store, 'r1', at(0), IMAGE, 'a');
    reserve(store, 'r2', at(3600), IMAGE, 'b');
    return store.settle(idOf('r2'), settled, at(3601));
  };

  it('that says deleted proves that the image was there, so an older unknown row becomes not_deleted', () =>
    inStore((store) => {
      expect(second(store, settlement('deleted'))).toMatchObject([
        { name: 'resolved', row: { requestId: 'r1', outcome: 'not_deleted', resolvedAtMs: at(3601) } },
      ]);
      expect(outcomes(store)).toEqual([
        ['r2', 'deleted', true],
        ['r1', 'not_deleted', null],
      ]);
    }));

  it('that says already_absent resolves an older unknown row to deleted', () =>
    inStore((store) => {
      expect(second(store, settlement('already_absent'))).toMatchObject([
        { name: 'resolved', row: { requestId: 'r1' } },
      ]);
      expect(outcomes(store)).toEqual([
        ['r2', 'already_absent', true],
        ['r1', 'deleted', false],
      ]);
    }));

  it.each<[string, Partial<Settlement>]>([
    ['an absence under an unlisted code', { outcome: 'already_absent', confirmed: false }],
    ['an absence after a lost attempt', { outcome: 'deleted', confirmed: false }],
    ['a refusal', { outcome: 'rejected', confirmed: null }],
    ['an unknown outcome', { outcome: 'unknown', confirmed: null }],
  ])('that says %s proves nothing about older rows', (_what, words) =>
    inStore((store) => {
      expect(second(store, { ...settlement('deleted'), ...words })).toEqual([]);
      expect(outcomes(store)[1]).toEqual(['r1', 'unknown', null]);
    }),
  );

  it.each([
    [22.999, 'unknown', []],
    [23, 'not_deleted', ['resolved']],
  ])('reserved %f seconds after an older row makes that %s: a request may run for 23', (afterS, outcome, events) =>
    inStore((store, sql) => {
      // Only a ledger of 1.0.0 can have two unknown rows this close together.
      reserve(store, 'r1', at(0));
      sql.exec("UPDATE deletions SET outcome = 'rejected'");
      reserve(store, 'r2', at(afterS));
      sql.exec("UPDATE deletions SET outcome = 'unknown'");
      expect(store.settle(idOf('r2'), settlement('deleted'), at(30)).map(({ name }) => name)).toEqual(events);
      expect(outcomes(store)[1]).toEqual(['r1', outcome, null]);
    }),
  );
});

describe('a check', () => {
  it('that finds the image absent resolves its unknown row to deleted, unconfirmed, and reports it', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      expect(store.applyCheck(IMAGE, checkOf('absent', at(45)), at(46))).toMatchObject([
        { name: 'resolved', row: { requestId: 'r1', outcome: 'deleted', confirmed: false, resolvedAtMs: at(46) } },
      ]);
      expect(rowOf(store)).toMatchObject({ outcome: 'deleted', confirmed: false, verified: null, settledAtMs: null });
      expect(store.nextCheckMs()).toBeNull();
      expect(store.metrics(at(46))).toMatchObject({
        resolutions: { deleted: 1 },
        deletions: { cleaner: { deleted: 1 } },
      });
    }));

  it('decides only rows whose request was over when it began', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      reserve(store, 'r2', at(3600));
      store.applyCheck(IMAGE, checkOf('absent', at(3610)), at(3611));
      expect(outcomes(store)).toEqual([
        ['r2', 'unknown', null],
        ['r1', 'deleted', false],
      ]);
    }));

  it('that begins while the request may still run decides nothing, and is repeated once the request is over', () =>
    inStore((store, sql) => {
      reserve(store, 'r1', at(0));
      // This is how the migration from 1.0.0 leaves a row whose request still runs.
      sql.exec('UPDATE deletions SET next_check_at = reserved_at');
      expect(store.dueImage([], at(1))).toBe(IMAGE);
      expect(store.applyCheck(IMAGE, checkOf('absent', at(1)), at(2))).toEqual([]);
      expect(outcomes(store)).toEqual([['r1', 'unknown', null]]);
      expect(store.nextCheckMs()).toBe(at(23));
      expect(store.dueImage([], at(22))).toBeNull();
    }));

  it('that finds the image decides nothing before the last planned check', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      for (const [second, next] of [
        [45, 120],
        [120, 900],
        [900, 3600],
      ] as const) {
        expect(store.applyCheck(IMAGE, checkOf('found', at(second)), at(second + 1))).toEqual([]);
        expect(store.nextCheckMs()).toBe(at(next));
      }
      expect(store.applyCheck(IMAGE, checkOf('found', at(3600)), at(3601))).toMatchObject([{ name: 'resolved' }]);
      expect(outcomes(store)).toEqual([['r1', 'not_deleted', null]]);
    }));

  it('that fails is repeated at the planned times, then every hour for a day, then every day', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      for (let n = 0; n < 40; n++) {
        const dueMs = store.nextCheckMs() ?? 0;
        store.applyCheck(IMAGE, checkOf('failed', dueMs), dueMs);
        const waitedS = ((store.nextCheckMs() ?? 0) - dueMs) / 1000;
        if (n < SCHEDULE.length - 1) expect(dueMs).toBe(at(SCHEDULE[n] ?? 0));
        else expect(waitedS).toBe(n < SCHEDULE.length - 1 + 24 ? 3_600 : 86_400);
      }
      expect(store.metrics(at(0)).totals['failed_checks']).toBe(40);
    }));

  it('reports a day of failed checks once', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      const events = [at(86_400), at(86_401), at(90_000)].map((nowMs) =>
        store.applyCheck(IMAGE, checkOf('failed', nowMs), nowMs).map(({ name }) => name),
      );
      expect(events).toEqual([[], ['unresolved'], []]);
      expect(store.metrics(at(0)).totals['overdue']).toBe(1);
    }));

  it('does not change a row that was settled while the image was read', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.settle(idOf('r1'), settlement('rejected'), at(46));
      expect(store.applyCheck(IMAGE, checkOf('absent', at(45)), at(47))).toEqual([]);
      expect(outcomes(store)).toEqual([['r1', 'rejected', null]]);
    }));

  it('fails for an absence under an unlisted code, and counts it', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.applyCheck(IMAGE, { ...checkOf('failed', at(45)), unlistedAbsence: true }, at(46));
      expect(store.metrics(at(46))).toMatchObject({ totals: { unlisted: 1, failed_checks: 1 } });
    }));

  it.each(['absent', 'found'] as const)('that says %s counts as neither failed nor unlisted', (finding) =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.applyCheck(IMAGE, checkOf(finding, at(45)), at(46));
      expect(store.metrics(at(46))).toMatchObject({ totals: { unlisted: 0, failed_checks: 0 } });
    }),
  );
});

describe('reading a deletion back', () => {
  const deleted = (store: LedgerStore) => {
    reserve(store, 'r1', at(0));
    store.settle(idOf('r1'), settlement('deleted'), at(1));
    expect(store.nextCheckMs()).toBe(at(45));
  };

  it('verifies it once a check finds the image gone', () =>
    inStore((store) => {
      deleted(store);
      expect(store.applyCheck(IMAGE, checkOf('absent', at(45)), at(46))).toEqual([]);
      expect(rowOf(store)).toMatchObject({ outcome: 'deleted', confirmed: true, verified: true, resolvedAtMs: null });
      expect(store.nextCheckMs()).toBeNull();
    }));

  it('disproves it if the image is still there at the last planned check', () =>
    inStore((store) => {
      deleted(store);
      for (const second of [45, 120, 900]) store.applyCheck(IMAGE, checkOf('found', at(second)), at(second));
      expect(rowOf(store)?.verified).toBeNull();
      expect(store.applyCheck(IMAGE, checkOf('found', at(3600)), at(3601))).toMatchObject([
        { name: 'disproved', row: { requestId: 'r1', outcome: 'deleted', confirmed: true, verified: false } },
      ]);
      expect(rowOf(store)).toMatchObject({ outcome: 'deleted', confirmed: true, verified: false });
      expect(store.metrics(at(0))).toMatchObject({ totals: { disproved: 1, unverified: 0 } });
      expect(store.nextCheckMs()).toBeNull();
      expect(reserve(store, 'r2', at(3602)).ok).toBe(true);
    }));

  it('ends without a result if every planned check fails', () =>
    inStore((store) => {
      deleted(store);
      for (const second of SCHEDULE) store.applyCheck(IMAGE, checkOf('failed', at(second)), at(second));
      expect(rowOf(store)?.verified).toBeNull();
      expect(store.metrics(at(0))).toMatchObject({ totals: { disproved: 0, unverified: 1 } });
      expect(store.nextCheckMs()).toBeNull();
    }));

  it.each(['absent', 'found'] as const)('ignores a check under another key that says %s', (finding) =>
    inStore((store) => {
      deleted(store);
      for (const second of SCHEDULE) {
        store.applyCheck(IMAGE, { ...checkOf(finding, at(second)), keyFingerprint: 'another1' }, at(second));
      }
      expect(rowOf(store)?.verified).toBeNull();
      expect(store.metrics(at(0))).toMatchObject({ totals: { disproved: 0, unverified: 1 } });
    }),
  );

  it('ignores a check that began before the request was over', () =>
    inStore((store) => {
      deleted(store);
      store.applyCheck(IMAGE, checkOf('absent', at(22.999)), at(46));
      expect(rowOf(store)?.verified).toBeNull();
    }));

  it('happens only if a request reported the deletion, not if a check inferred it', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.applyCheck(IMAGE, checkOf('absent', at(45)), at(46));
      store.settle(idOf('r1'), settlement('deleted'), at(47));
      expect(store.nextCheckMs()).toBeNull();
    }));

  it.each(['already_absent', 'rejected', 'not_attempted'] as const)('does not happen for a row that is %s', (outcome) =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      store.settle(idOf('r1'), settlement(outcome), at(1));
      expect(store.nextCheckMs()).toBeNull();
    }),
  );
});

describe('a final outcome', () => {
  const resolved = (store: LedgerStore, finding: 'absent' | 'found') => {
    reserve(store, 'r1', at(0));
    store.applyCheck(IMAGE, checkOf(finding, at(3600)), at(3600));
  };

  it("becomes confirmed if a late settlement has Baidu's answer", () =>
    inStore((store) => {
      resolved(store, 'absent');
      expect(store.settle(idOf('r1'), settlement('deleted'), at(3601))).toEqual([]);
      expect(rowOf(store)).toMatchObject({
        outcome: 'deleted',
        confirmed: true,
        resolvedAtMs: at(3600),
        settledAtMs: at(3601),
        upstreamRequestId: 'up-1',
      });
      expect(store.metrics(at(3601)).deletions).toEqual({ cleaner: { deleted: 1 } });
    }));

  it('stays unconfirmed if a late settlement only infers the same', () =>
    inStore((store) => {
      resolved(store, 'absent');
      store.settle(idOf('r1'), { ...settlement('deleted'), confirmed: false }, at(3601));
      expect(rowOf(store)).toMatchObject({ outcome: 'deleted', confirmed: false, settledAtMs: at(3601) });
    }));

  it('stays if a late settlement says unknown, but takes its code and attempts', () =>
    inStore((store) => {
      resolved(store, 'absent');
      expect(store.settle(idOf('r1'), { ...settlement('unknown'), code: 'upstream_timeout' }, at(3601))).toEqual([]);
      expect(rowOf(store)).toMatchObject({
        outcome: 'deleted',
        confirmed: false,
        code: 'upstream_timeout',
        attempts: 1,
      });
    }));

  it.each([
    ['absent', 'rejected'],
    ['absent', 'not_attempted'],
    ['found', 'deleted'],
    ['found', 'already_absent'],
  ] as const)('stays, with an error, if the image was %s and a late settlement says %s', (finding, outcome) =>
    inStore((store) => {
      resolved(store, finding);
      const before = outcomes(store);
      expect(store.settle(idOf('r1'), settlement(outcome), at(3601))).toMatchObject([
        { name: 'contradicted', row: { requestId: 'r1' }, settled: outcome },
      ]);
      expect(outcomes(store)).toEqual(before);
    }),
  );

  it.each([
    ['absent', 'already_absent'],
    ['found', 'rejected'],
    ['found', 'not_attempted'],
  ] as const)('stays, without an error, if the image was %s and a late settlement says %s', (finding, outcome) =>
    inStore((store) => {
      resolved(store, finding);
      const before = outcomes(store);
      expect(store.settle(idOf('r1'), settlement(outcome), at(3601))).toEqual([]);
      expect(outcomes(store)).toEqual(before);
    }),
  );
});

describe('a cancellation', () => {
  const never = { ...settlement('not_attempted'), attempts: 0 };

  it('settles the reserved row, which then no longer counts', () =>
    inStore((store) => {
      reserve(store, 'r1', START_MS);
      store.cancel(reservation('r1'), never, START_MS + 1);
      expect(store.history(ALL_ROWS)).toMatchObject([{ outcome: 'not_attempted', settledAtMs: START_MS + 1 }]);
      expect(store.peek('cleaner', 'm-other001', budgets(1), START_MS + 1).exhausted).toBeNull();
      expect(store.nextCheckMs()).toBeNull();
    }));

  it('that arrives before its reservation leaves a row, so the reservation fails', () =>
    inStore((store) => {
      store.cancel(reservation('r1'), never, START_MS);
      expect(() => reserve(store, 'r1', START_MS + 1)).toThrow('UNIQUE');
      expect(store.history(ALL_ROWS)).toMatchObject([{ requestId: 'r1', outcome: 'not_attempted', attempts: 0 }]);
      expect(store.peek('cleaner', IMAGE, budgets(1), START_MS + 1)).toMatchObject({ exhausted: null, open: null });
    }));

  it('ignores the lock and the budgets', () =>
    inStore((store) => {
      reserve(store, 'r1', START_MS);
      store.cancel(reservation('r2'), never, START_MS);
      expect(outcomes(store)[0]).toEqual(['r2', 'not_attempted', null]);
    }));

  it('does not change a settled row', () =>
    inStore((store) => {
      reserve(store, 'r1', START_MS);
      store.settle(idOf('r1'), settlement('deleted'), START_MS + 1);
      store.cancel(reservation('r1'), never, START_MS + 2);
      expect(store.history(ALL_ROWS)).toMatchObject([{ outcome: 'deleted', settledAtMs: START_MS + 1 }]);
    }));
});

describe('a budget', () => {
  it('counts exactly the last 24 hours, and says when there is room again', () =>
    inStore((store) => {
      for (let hour = 0; hour < 3; hour++)
        admits(store, `r${hour}`, `m-image0${hour}`, ROOM, START_MS + hour * HOUR_MS);
      const asked = (imageId: string, timeMs: number) =>
        store.reserve(reservation(imageId, imageId, 'a'), budgets(3), timeMs).reserved;
      expect(asked('m-image03', START_MS + 2 * HOUR_MS)).toEqual(exhausted('caller', 3, 22 * 3600));
      expect(asked('m-image03', START_MS + DAY_MS - 1)).toEqual(exhausted('caller', 3, 1));
      expect(asked('m-image03', START_MS + DAY_MS)).toEqual(ADMITTED);
      expect(asked('m-image04', START_MS + DAY_MS)).toEqual(exhausted('caller', 3, 3600));
    }));

  it('counts images, not requests, so one image can be tried again and again', () =>
    inStore((store) => {
      for (let n = 0; n < 10; n++) expect(admits(store, `r${n}`, 'm-image01', budgets(3), START_MS + n)).toBe(true);
      expect(admits(store, 'r10', 'm-image02', budgets(3), START_MS + 10)).toBe(true);
      expect(admits(store, 'r11', 'm-image03', budgets(3), START_MS + 11)).toBe(true);
      expect(admits(store, 'r12', 'm-image04', budgets(3), START_MS + 12)).toBe(false);
    }));

  it('that is used up admits an image that already counts', () =>
    inStore((store) => {
      admits(store, 'r1', 'm-image01', budgets(1), START_MS);
      expect(admits(store, 'r2', 'm-image01', budgets(1), START_MS + HOUR_MS, 'a', 'rejected')).toBe(true);
      expect(admits(store, 'r3', 'm-image02', budgets(1), START_MS + HOUR_MS)).toBe(false);
      expect(admits(store, 'r4', 'm-image01', budgets(1), START_MS + DAY_MS, 'a', 'rejected')).toBe(true);
      expect(admits(store, 'r5', 'm-image02', budgets(1), START_MS + DAY_MS)).toBe(true);
    }));

  it('counts an image for 24 hours from its newest deletion', () =>
    inStore((store) => {
      admits(store, 'r1', 'm-image01', budgets(1), START_MS);
      admits(store, 'r2', 'm-image01', budgets(1), START_MS + 5 * HOUR_MS);
      const asked = store.reserve(reservation('r3', 'm-image02', 'a'), budgets(1), START_MS + 6 * HOUR_MS);
      expect(asked.reserved).toEqual(exhausted('caller', 1, 23 * 3600));
    }));

  it.each([
    ['rejected', true],
    ['not_attempted', true],
    ['already_absent', true],
    ['deleted', false],
    ['unknown', false],
  ] as const)('is given back after the outcome %s: %s', (outcome, comesBack) =>
    inStore((store) => {
      store.reserve(reservation('r1'), budgets(1), START_MS);
      store.settle(idOf('r1'), settlement(outcome), START_MS);
      expect(store.peek('cleaner', 'm-other001', budgets(1), START_MS).exhausted === null).toBe(comesBack);
      expect(store.reserve(reservation('r2', 'm-other001'), budgets(1), START_MS).reserved.ok).toBe(comesBack);
    }),
  );

  it.each([
    ['found', true],
    ['absent', false],
  ] as const)('is given back after a check that finds the image %s: %s', (finding, comesBack) =>
    inStore((store) => {
      store.reserve(reservation('r1'), budgets(1), START_MS);
      store.applyCheck(IMAGE, checkOf(finding, at(3600)), at(3600));
      expect(store.reserve(reservation('r2', 'm-other001'), budgets(1), at(3600)).reserved.ok).toBe(comesBack);
    }),
  );

  it('of 0 refuses every deletion, even of an image that counts', () =>
    inStore((store) => {
      const asked = (given: Budgets) => store.reserve(reservation('x'), given, START_MS + 1).reserved;
      expect(asked(budgets(0))).toEqual(exhausted('caller', 0, 86_400));
      expect(asked(budgets(5, 0))).toEqual(exhausted('account', 0, 86_400));
      admits(store, 'r1', IMAGE, ROOM, START_MS, 'cleaner');
      expect(asked(budgets(0)).ok).toBe(false);
      expect(asked(budgets(5, 0)).ok).toBe(false);
      expect(store.history(ALL_ROWS)).toHaveLength(1);
    }));

  it('that is lowered admits nothing until enough images are older than 24 hours', () =>
    inStore((store) => {
      for (let hour = 0; hour < 5; hour++)
        admits(store, `r${hour}`, `m-image0${hour}`, ROOM, START_MS + hour * HOUR_MS);
      // Under a budget of 2, four of the five have to leave. The fourth was reserved at 03:00.
      const asked = (timeMs: number) => store.reserve(reservation('x', 'm-image05', 'a'), budgets(2), timeMs).reserved;
      expect(asked(START_MS + 5 * HOUR_MS)).toEqual(exhausted('caller', 2, 22 * 3600));
      expect(asked(START_MS + 27 * HOUR_MS - 1)).toEqual(exhausted('caller', 2, 1));
      expect(asked(START_MS + 27 * HOUR_MS).ok).toBe(true);
    }));

  it('counts a row in the future, but never asks for a wait of more than a day', () =>
    inStore((store) => {
      admits(store, 'r1', 'm-image01', ROOM, START_MS + 30 * DAY_MS);
      const asked = store.reserve(reservation('x', 'm-image02', 'a'), budgets(1), START_MS).reserved;
      expect(asked).toEqual(exhausted('caller', 1, 86_400));
    }));

  it('is separate for each caller', () =>
    inStore((store) => {
      expect(admits(store, 'r1', 'm-image01', budgets(1), START_MS, 'a')).toBe(true);
      expect(admits(store, 'r2', 'm-image02', budgets(1), START_MS, 'b')).toBe(true);
      expect(admits(store, 'r3', 'm-image03', budgets(1), START_MS, 'a')).toBe(false);
      // Another caller's deletions count for the account, not for this caller.
      expect(admits(store, 'r4', 'm-image01', budgets(1), START_MS, 'b')).toBe(false);
    }));
});

describe("the account's budget", () => {
  it('counts the images of all callers together, each image once', () =>
    inStore((store) => {
      expect(admits(store, 'r1', 'm-image01', budgets(9, 2), START_MS, 'a')).toBe(true);
      expect(admits(store, 'r2', 'm-image01', budgets(9, 2), START_MS, 'b')).toBe(true);
      expect(admits(store, 'r3', 'm-image02', budgets(9, 2), START_MS + HOUR_MS, 'b')).toBe(true);
      const refused = store.reserve(reservation('r4', 'm-image03', 'c'), budgets(9, 2), START_MS + 2 * HOUR_MS);
      expect(refused.reserved).toEqual(exhausted('account', 2, 22 * 3600));
      expect(admits(store, 'r5', 'm-image02', budgets(9, 2), START_MS + 2 * HOUR_MS, 'c')).toBe(true);
    }));

  it("is named in the refusal if its wait is longer than the caller's", () =>
    inStore((store) => {
      admits(store, 'r1', 'm-image01', ROOM, START_MS, 'a');
      admits(store, 'r2', 'm-image02', ROOM, START_MS + HOUR_MS, 'b');
      const nowMs = START_MS + 2 * HOUR_MS;
      const refusal = (caller: string, given: Budgets) => store.peek(caller, 'm-image03', given, nowMs).exhausted;
      expect(refusal('a', budgets(1, 1))).toEqual({ of: 'account', budget: 1, retryAfterS: 23 * 3600 });
      expect(refusal('b', budgets(1, 2))).toEqual({ of: 'caller', budget: 1, retryAfterS: 23 * 3600 });
    }));
});

describe('the history', () => {
  it('is filtered by caller, image, request, outcome and time, separately and together', () =>
    inStore((store) => {
      const rows = [
        ['r1', 'm-image01', 'a', 'deleted'],
        ['r2', 'm-image02', 'a', 'rejected'],
        ['r3', 'm-image03', 'b', 'unknown'],
        ['r4', 'm-image01', 'b', 'already_absent'],
        ['r4', 'm-image02', 'a', 'not_attempted'],
      ] as const;
      for (const [n, [requestId, imageId, caller, outcome]] of rows.entries()) {
        store.reserve({ ...reservation(requestId, imageId, caller), id: `id${n}` }, ROOM, START_MS + n);
        store.settle(`id${n}`, settlement(outcome), START_MS + n);
      }
      const found = (query: Partial<HistoryQuery>) => store.history({ ...ALL_ROWS, ...query }).map(({ id }) => id);
      expect(found({})).toEqual(['id4', 'id3', 'id2', 'id1', 'id0']);
      expect(found({ caller: 'a' })).toEqual(['id4', 'id1', 'id0']);
      expect(found({ imageId: 'm-image01' })).toEqual(['id3', 'id0']);
      expect(found({ requestId: 'r4' })).toEqual(['id4', 'id3']);
      expect(found({ outcome: 'unknown' })).toEqual(['id2']);
      expect(found({ sinceMs: START_MS + 1, untilMs: START_MS + 3 })).toEqual(['id2', 'id1']);
      expect(found({ caller: 'b', imageId: 'm-image01' })).toEqual(['id3']);
      expect(found({ caller: 'a', requestId: 'r4' })).toEqual(['id4']);
      expect(found({ caller: 'a', imageId: 'm-image02', requestId: 'r4' })).toEqual(['id4']);
      expect(found({ caller: 'a', imageId: 'm-image02', outcome: 'rejected' })).toEqual(['id1']);
      expect(found({ caller: 'a', outcome: 'unknown' })).toEqual([]);
      expect(found({ imageId: 'm-image01', outcome: 'deleted', requestId: 'r1', caller: 'a' })).toEqual(['id0']);
    }));

  it('finds one row among many with the same request id, and among many of the same image', () =>
    inStore((store) => {
      for (let n = 0; n < 150; n++) {
        store.reserve({ ...reservation('same', `m-image${100 + n}`), id: `id${n}` }, ROOM, START_MS + n);
        admits(store, `r${n}`, IMAGE, ROOM, START_MS + n, 'cleaner', 'rejected');
      }
      const found = (imageId: string, requestId: string) =>
        store.history({ ...ALL_ROWS, caller: 'cleaner', imageId, requestId }).map(({ id }) => id);
      expect(found('m-image117', 'same')).toEqual(['id17']);
      expect(found(IMAGE, 'r3')).toEqual([idOf('r3')]);
    }));

  it('is ordered by time and then by sequence, across pages, even if the clock went back', () =>
    inStore((store) => {
      const timesMs = [5, 3, 3, 9, 3, 1].map((n) => START_MS + n);
      for (const [n, timeMs] of timesMs.entries()) reserve(store, `r${n}`, timeMs, `m-image0${n}`);
      const expected = ['r3', 'r0', 'r4', 'r2', 'r1', 'r5'];
      for (const limit of [1, 2, 4]) {
        const found: string[] = [];
        let after: HistoryQuery['after'] = null;
        for (let pages = 0; pages < 7; pages++) {
          const page = store.history({ ...ALL_ROWS, after, limit });
          found.push(...page.map(({ requestId }) => requestId));
          after = page.at(-1) ?? after;
        }
        expect(found).toEqual(expected);
      }
    }));
});

describe('the last deletion of an image', () => {
  it('is its newest row with the outcome deleted, from any caller', () =>
    inStore((store) => {
      for (const [n, outcome] of (['deleted', 'deleted', 'rejected', 'already_absent'] as const).entries()) {
        reserve(store, `r${n}`, START_MS + n, IMAGE, `c${n}`);
        store.settle(idOf(`r${n}`), settlement(outcome), START_MS + 100 + n);
      }
      reserve(store, 'other', START_MS + 9, 'm-other001');
      const lastDeletion = { caller: 'c1', requestId: 'r1', atMs: START_MS + 101 };
      expect(store.peek('x', IMAGE, ROOM, START_MS + 200)).toEqual({ lastDeletion, open: null, exhausted: null });
      expect(reserve(store, 'r9', START_MS + 200)).toEqual({ ...ADMITTED, value: lastDeletion });
      expect(store.peek('x', 'm-other001', ROOM, START_MS + 200).lastDeletion).toBeNull();
    }));

  it('has the time of its reservation if only a check found it', () =>
    inStore((store) => {
      reserve(store, 'r1', START_MS);
      store.applyCheck(IMAGE, checkOf('absent', at(45)), at(45));
      expect(store.peek('x', IMAGE, ROOM, START_MS + HOUR_MS).lastDeletion?.atMs).toBe(START_MS);
    }));
});

describe('a preview of the ledger', () => {
  it('reports what blocks a deletion, and changes nothing', () =>
    inStore((store) => {
      reserve(store, 'r1', at(0));
      const outlook = {
        lastDeletion: null,
        open: { id: idOf('r1'), caller: 'cleaner', requestId: 'r1' },
        exhausted: null,
      };
      expect(store.peek('other', IMAGE, ROOM, at(50))).toEqual(outlook);
      expect(store.nextCheckMs()).toBe(at(45));
      expect(store.metrics(at(50)).totals['in_progress']).toBe(0);
    }));
});

describe('the images that are due', () => {
  it('come in the order of their due times, never-checked images first, without those under way', () =>
    inStore((store) => {
      for (const [n, imageId] of ['m-image01', 'm-image02', 'm-image03'].entries())
        reserve(store, `r${n}`, at(n), imageId);
      expect(store.dueImage([], at(44))).toBeNull();
      expect(store.dueImage([], at(60))).toBe('m-image01');
      expect(store.dueImage(['m-image01'], at(60))).toBe('m-image02');
      store.applyCheck('m-image01', checkOf('failed', at(60)), at(60));
      reserve(store, 'late', at(100), 'm-image04');
      expect(store.dueImage([], at(150))).toBe('m-image02');
      expect(store.dueImage(['m-image02', 'm-image03'], at(150))).toBe('m-image04');
      expect(store.dueImage(['m-image02', 'm-image03', 'm-image04'], at(150))).toBe('m-image01');
      expect(store.dueImage(['m-image02', 'm-image03', 'm-image04', 'm-image01'], at(150))).toBeNull();
    }));
});

describe('the removal of old rows', () => {
  const fill = (sql: SqlStorage, count: number, outcome: RowOutcome) =>
    sql.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
       INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at, outcome)
       SELECT ?2 || i, 'r' || i, 'c', 'm-x', 'f', i, i, ?2 FROM n`,
      count,
      outcome,
    );

  it('takes one batch at a time, and no younger row', () =>
    inStore((store, sql) => {
      fill(sql, REMOVAL_BATCH + 3, 'deleted');
      reserve(store, 'young', DAY_MS);
      expect(store.remove(DAY_MS)).toBe(REMOVAL_BATCH);
      expect(store.remove(DAY_MS)).toBe(3);
      expect(store.remove(DAY_MS)).toBe(0);
      expect(store.oldestMs()).toBe(DAY_MS);
    }));

  it('takes rows of every outcome, oldest first', () =>
    inStore((store, sql) => {
      expect(store.oldestMs()).toBeNull();
      const all = ['unknown', 'deleted', 'rejected', 'already_absent', 'not_attempted', 'not_deleted'] as const;
      for (const [n, outcome] of all.entries()) {
        fill(sql, 1, outcome);
        sql.exec('UPDATE deletions SET reserved_at = ? WHERE id = ?', START_MS + n, `${outcome}1`);
      }
      for (const n of all.keys()) {
        expect(store.oldestMs()).toBe(START_MS + n);
        expect(store.remove(START_MS + n + 1)).toBe(1);
      }
      expect(store.history(ALL_ROWS)).toEqual([]);
    }));

  it('takes rows without effect only if the ledger is too full, oldest first, and no more than needed', () =>
    inStore((store) => {
      const all = ['deleted', 'rejected', 'already_absent', 'not_attempted', 'rejected', 'deleted'] as const;
      for (const [n, outcome] of all.entries())
        admits(store, `r${n}`, `m-image0${n}`, ROOM, START_MS + n, 'a', outcome);
      reserve(store, 'unknown', START_MS + 9, 'm-image09');
      const removed = (maxRows: number) => store.removeWithoutEffect(START_MS + 4, maxRows);
      const left = () => store.history(ALL_ROWS).map(({ requestId }) => requestId);
      expect(removed(7)).toBe(0);
      expect(removed(5)).toBe(2);
      expect(left()).toEqual(['unknown', 'r5', 'r4', 'r3', 'r0']);
      expect(removed(1)).toBe(1);
      expect(left()).toEqual(['unknown', 'r5', 'r4', 'r0']);
      expect(store.metrics(START_MS + 9).rows).toBe(4);
    }));
});
