/** The ledger's rows and budgets, on the SQLite of a real Durable Object, with time as an argument. */
import { describe, expect, it } from 'vitest';
import type { Budgets, HistoryQuery } from '../../../src/worker/ledger/rows.ts';
import { SQL } from '../../../src/worker/ledger/schema.ts';
import type { Sql } from '../../../src/worker/ledger/sql.ts';
import { LedgerStore, REMOVAL_BATCH } from '../../../src/worker/ledger/store.ts';
import { ALL_ROWS, budgets, idOf, reservation, settlement } from '../../fixtures.ts';
import { insideLedger, storeIn } from '../../harness.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.parse('2026-11-23T00:00:00Z');
const ROOM = budgets(100);

/** Whether the budgets admit a deletion of this image, which is then entered. */
const admits = (store: LedgerStore, requestId: string, imageId: string, given: Budgets, nowMs: number, caller = 'a') =>
  store.reserve(reservation(requestId, imageId, caller), given, nowMs).ok;

const exhausted = (of: 'caller' | 'account', budget: number, retryAfterS: number) => ({
  ok: false,
  failure: { of, budget, retryAfterS },
});

/** The only row of the image. */
const rowOf = (store: LedgerStore, imageId = 'm-custom01') => store.history({ ...ALL_ROWS, imageId })[0];

/** Lets a look decide the fate of the only row of the image. */
function resolve(store: LedgerStore, outcome: 'deleted' | 'already_absent' | 'not_deleted', nowMs: number) {
  const steps = store
    .unknownOfImage('m-custom01')
    .map(({ seq }) => ({ seq, outcome, confirmed: outcome === 'not_deleted' ? null : (false as const) }));
  return store.apply('m-custom01', steps, nowMs);
}

describe('a row', () => {
  it('is unknown until it is settled, and is settled only once', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      expect(store.reserve(reservation('r1'), ROOM, START_MS)).toEqual({ ok: true, value: null });
      const reserved = {
        seq: 1,
        id: idOf('r1'),
        requestId: 'r1',
        caller: 'cleaner',
        subject: null,
        imageId: 'm-custom01',
        imageName: null,
        keyFingerprint: '9ae8a8b2',
        reservedAtMs: START_MS,
        settledAtMs: null,
        resolvedAtMs: null,
        outcome: 'unknown',
        confirmed: null,
        code: null,
        attempts: null,
        upstreamRequestId: null,
      };
      expect(store.history(ALL_ROWS)).toEqual([reserved]);
      store.settle(idOf('r1'), { ...settlement('deleted'), imageName: 'ci' }, START_MS + 7);
      store.settle(idOf('r1'), settlement('rejected'), START_MS + 9);
      const settled = { settledAtMs: START_MS + 7, outcome: 'deleted', confirmed: true, imageName: 'ci', attempts: 1 };
      expect(store.history(ALL_ROWS)).toEqual([{ ...reserved, ...settled, upstreamRequestId: 'up-1' }]);
    });
  });

  it('keeps the subject of its caller, an inference and an unknown number of attempts', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve({ ...reservation('r1'), subject: 'repo:acme/x' }, ROOM, START_MS);
      store.settle(idOf('r1'), { ...settlement('deleted'), confirmed: false, attempts: null }, START_MS);
      expect(rowOf(store)).toMatchObject({ subject: 'repo:acme/x', confirmed: false, attempts: null });
    });
  });

  it('is settled by our own id, even if a caller repeats its request id', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve({ ...reservation('same'), id: 'one' }, ROOM, START_MS);
      store.reserve({ ...reservation('same'), id: 'two' }, ROOM, START_MS);
      store.settle('two', settlement('rejected'), START_MS);
      store.settle('nobody', settlement('deleted'), START_MS);
      store.settle('same', settlement('deleted'), START_MS);
      expect(store.history(ALL_ROWS).map(({ id, outcome }) => [id, outcome])).toEqual([
        ['two', 'rejected'],
        ['one', 'unknown'],
      ]);
    });
  });

  it('has the time that the clock said, even if the clock goes back', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      store.reserve(reservation('r2'), ROOM, START_MS - HOUR_MS);
      expect(store.history(ALL_ROWS).map(({ requestId, reservedAtMs }) => [requestId, reservedAtMs])).toEqual([
        ['r1', START_MS],
        ['r2', START_MS - HOUR_MS],
      ]);
    });
  });
});

describe('a cancellation', () => {
  const never = { ...settlement('not_attempted'), attempts: 0 };

  it('settles the row of its reservation, which then counts no more', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      store.cancel(reservation('r1'), never, START_MS + 1);
      expect(store.history(ALL_ROWS)).toMatchObject([{ outcome: 'not_attempted', settledAtMs: START_MS + 1 }]);
      expect(store.peek('cleaner', 'm-other001', budgets(1), START_MS + 1).exhausted).toBeNull();
    });
  });

  it('that comes before its reservation leaves a row, with which the reservation fails', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.cancel(reservation('r1'), never, START_MS);
      expect(() => store.reserve(reservation('r1'), ROOM, START_MS + 1)).toThrow('UNIQUE');
      expect(store.history(ALL_ROWS)).toMatchObject([{ requestId: 'r1', outcome: 'not_attempted', attempts: 0 }]);
      expect(store.peek('cleaner', 'm-other001', budgets(1), START_MS + 1).exhausted).toBeNull();
    });
  });

  it('changes nothing in a row that is settled', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      store.settle(idOf('r1'), settlement('deleted'), START_MS + 1);
      store.cancel(reservation('r1'), never, START_MS + 2);
      expect(store.history(ALL_ROWS)).toMatchObject([{ outcome: 'deleted', settledAtMs: START_MS + 1 }]);
    });
  });
});

describe('a resolution', () => {
  it('decides an unknown outcome, says when, and returns the rows that it decided', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      const decided = resolve(store, 'deleted', START_MS + HOUR_MS);
      const fate = { requestId: 'r1', outcome: 'deleted', confirmed: false, resolvedAtMs: START_MS + HOUR_MS };
      expect(decided).toMatchObject([{ ...fate, settledAtMs: null }]);
      expect(store.history(ALL_ROWS)).toEqual(decided);
      expect(store.unknown()).toEqual([]);
    });
  });

  it('that decides nothing counts the looks', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      expect(store.unknown()).toEqual([
        { seq: 1, imageId: 'm-custom01', beganAtMs: START_MS, sent: false, looks: 0, lookedAtMs: null },
      ]);
      const decided = store.apply('m-custom01', [{ seq: 1, outcome: 'unknown', looks: 2 }], START_MS + 9);
      expect(decided).toEqual([]);
      expect(store.unknown()).toMatchObject([{ looks: 2, lookedAtMs: START_MS + 9 }]);
    });
  });

  it('leaves a row alone that was settled while the image was read', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      store.settle(idOf('r1'), settlement('rejected'), START_MS + 1);
      expect(store.apply('m-custom01', [{ seq: 1, outcome: 'deleted', confirmed: false }], START_MS + 2)).toEqual([]);
      expect(rowOf(store)).toMatchObject({ outcome: 'rejected', resolvedAtMs: null });
    });
  });

  it('is replaced by a settlement that comes later and knows more', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      resolve(store, 'not_deleted', START_MS + HOUR_MS);
      expect(store.peek('cleaner', 'm-other001', budgets(1), START_MS + HOUR_MS).exhausted).toBeNull();
      store.settle(idOf('r1'), settlement('deleted'), START_MS + 2 * HOUR_MS);
      const settledAtMs = START_MS + 2 * HOUR_MS;
      expect(rowOf(store)).toMatchObject({ outcome: 'deleted', confirmed: true, resolvedAtMs: null, settledAtMs });
      // It counts again, too.
      expect(store.peek('cleaner', 'm-other001', budgets(1), settledAtMs).exhausted).not.toBeNull();
    });
  });

  it('passes its deletion on to another row that the same look decided, if a settlement takes it away', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (const id of ['r1', 'r2', 'r3']) store.reserve(reservation(id), ROOM, START_MS);
      store.apply(
        'm-custom01',
        [
          { seq: 1, outcome: 'deleted', confirmed: false },
          { seq: 2, outcome: 'already_absent', confirmed: false },
          { seq: 3, outcome: 'already_absent', confirmed: false },
        ],
        START_MS + HOUR_MS,
      );
      store.settle(idOf('r1'), settlement('already_absent'), START_MS + 2 * HOUR_MS);
      const outcomes = () => store.history(ALL_ROWS).map(({ requestId, outcome }) => `${requestId} ${outcome}`);
      expect(outcomes()).toEqual(['r3 already_absent', 'r2 deleted', 'r1 already_absent']);
      expect(store.peek('cleaner', 'm-other001', budgets(1), START_MS + 2 * HOUR_MS).exhausted).not.toBeNull();
      store.settle(idOf('r3'), settlement('deleted'), START_MS + 3 * HOUR_MS);
      expect(outcomes()).toEqual(['r3 deleted', 'r2 already_absent', 'r1 already_absent']);
      // Somebody claims the deletion, so nothing is passed on.
      store.settle(idOf('r2'), settlement('rejected'), START_MS + 3 * HOUR_MS);
      expect(outcomes()).toEqual(['r3 deleted', 'r2 rejected', 'r1 already_absent']);
    });
  });

  it('is kept if the settlement that comes later says unknown, which adds what was done', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      resolve(store, 'deleted', START_MS + HOUR_MS);
      const late = { ...settlement('unknown'), code: 'upstream_timeout', attempts: 2 };
      store.settle(idOf('r1'), late, START_MS + 2 * HOUR_MS);
      expect(rowOf(store)).toMatchObject({
        outcome: 'deleted',
        confirmed: false,
        code: 'upstream_timeout',
        attempts: 2,
        resolvedAtMs: START_MS + HOUR_MS,
        settledAtMs: START_MS + 2 * HOUR_MS,
      });
    });
  });

  it('follows a settlement that says unknown, and knows whether a deletion was sent', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      store.settle(idOf('r1'), settlement('unknown'), START_MS + 1);
      expect(store.unknown()).toMatchObject([{ sent: true }]);
      resolve(store, 'not_deleted', START_MS + HOUR_MS);
      expect(rowOf(store)).toMatchObject({ outcome: 'not_deleted', confirmed: null, settledAtMs: START_MS + 1 });
    });
  });

  it('that gave an image to one row is taken back if Baidu confirms the deletion of another, which alone counts then', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1', 'm-custom01', 'a'), ROOM, START_MS);
      store.reserve(reservation('r2', 'm-custom01', 'b'), ROOM, START_MS);
      const [first] = store.unknownOfImage('m-custom01');
      const step = { seq: first?.seq ?? 0, outcome: 'deleted', confirmed: false } as const;
      store.apply('m-custom01', [step], START_MS + 1);
      store.settle(idOf('r2'), settlement('deleted'), START_MS + 2);
      expect(store.history(ALL_ROWS)).toMatchObject([
        { requestId: 'r2', outcome: 'deleted', confirmed: true, resolvedAtMs: null },
        { requestId: 'r1', outcome: 'already_absent', confirmed: false, resolvedAtMs: START_MS + 1 },
      ]);
      const isFull = (caller: string) => store.peek(caller, 'm-other001', budgets(1), START_MS + 2).exhausted !== null;
      expect([isFull('a'), isFull('b')]).toEqual([false, true]);
    });
  });

  it('is not what a request has told its caller: that stays, even if Baidu confirms another deletion', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      store.reserve(reservation('r2'), ROOM, START_MS);
      store.settle(idOf('r1'), { ...settlement('deleted'), confirmed: false }, START_MS + 1);
      store.settle(idOf('r2'), settlement('deleted'), START_MS + 2);
      expect(store.history(ALL_ROWS).map(({ outcome, confirmed }) => [outcome, confirmed])).toEqual([
        ['deleted', true],
        ['deleted', false],
      ]);
    });
  });

  it('can tell whether a row says already that it deleted the image', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      expect(store.isClaimed('m-custom01')).toBe(false);
      resolve(store, 'deleted', START_MS);
      expect([store.isClaimed('m-custom01'), store.isClaimed('m-other001')]).toEqual([true, false]);
    });
  });
});

describe('a budget', () => {
  it('counts exactly the last 24 hours, and tells when there is room again', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (let hour = 0; hour < 3; hour++)
        admits(store, `r${hour}`, `m-image0${hour}`, ROOM, START_MS + hour * HOUR_MS);
      const at = (imageId: string, timeMs: number) =>
        store.reserve(reservation(imageId, imageId, 'a'), budgets(3), timeMs);
      expect(at('m-image03', START_MS + 2 * HOUR_MS)).toEqual(exhausted('caller', 3, 22 * 3600));
      expect(at('m-image03', START_MS + DAY_MS - 1)).toEqual(exhausted('caller', 3, 1));
      expect(at('m-image03', START_MS + DAY_MS)).toEqual({ ok: true, value: null });
      expect(at('m-image04', START_MS + DAY_MS)).toEqual(exhausted('caller', 3, 3600));
    });
  });

  it('counts images and not requests, so that one image can be tried again and again', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (let n = 0; n < 10; n++) expect(admits(store, `r${n}`, 'm-image01', budgets(3), START_MS + n)).toBe(true);
      expect(admits(store, 'r10', 'm-image02', budgets(3), START_MS + 10)).toBe(true);
      expect(admits(store, 'r11', 'm-image03', budgets(3), START_MS + 11)).toBe(true);
      expect(admits(store, 'r12', 'm-image04', budgets(3), START_MS + 12)).toBe(false);
    });
  });

  it('that is full admits an image that counts already, until that image counts no more', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      admits(store, 'r1', 'm-image01', budgets(1), START_MS);
      expect(admits(store, 'r2', 'm-image01', budgets(1), START_MS + HOUR_MS)).toBe(true);
      store.settle(idOf('r1'), settlement('rejected'), START_MS + HOUR_MS);
      expect(admits(store, 'r3', 'm-image01', budgets(1), START_MS + HOUR_MS)).toBe(true);
      for (const id of ['r2', 'r3']) store.settle(idOf(id), settlement('rejected'), START_MS + HOUR_MS);
      expect(admits(store, 'r4', 'm-image02', budgets(1), START_MS + HOUR_MS)).toBe(true);
      expect(admits(store, 'r5', 'm-image01', budgets(1), START_MS + HOUR_MS)).toBe(false);
    });
  });

  it('counts an image from its newest deletion on', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      admits(store, 'r1', 'm-image01', budgets(1), START_MS);
      admits(store, 'r2', 'm-image01', budgets(1), START_MS + 5 * HOUR_MS);
      const refused = store.reserve(reservation('r3', 'm-image02', 'a'), budgets(1), START_MS + 6 * HOUR_MS);
      expect(refused).toEqual(exhausted('caller', 1, 23 * 3600));
      // The newest one turns out to have done nothing, so the older one counts.
      store.settle(idOf('r2'), settlement('not_deleted'), START_MS + 6 * HOUR_MS);
      const sooner = store.reserve(reservation('r4', 'm-image02', 'a'), budgets(1), START_MS + 6 * HOUR_MS);
      expect(sooner).toEqual(exhausted('caller', 1, 18 * 3600));
    });
  });

  it.each([
    ['rejected', true],
    ['not_attempted', true],
    ['already_absent', true],
    ['not_deleted', true],
    ['deleted', false],
    ['unknown', false],
  ] as const)(
    'is given back after the outcome %s: %s, also to a store that starts anew',
    async (outcome, comesBack) => {
      await insideLedger((sql) => {
        const store = storeIn(sql);
        store.reserve(reservation('r1'), budgets(1), START_MS);
        store.settle(idOf('r1'), settlement(outcome), START_MS);
        for (const each of [store, storeIn(sql)]) {
          expect(each.peek('cleaner', 'm-other001', budgets(1), START_MS).exhausted === null).toBe(comesBack);
        }
        expect(store.reserve(reservation('r2', 'm-other001'), budgets(1), START_MS).ok).toBe(comesBack);
      });
    },
  );

  it.each([
    ['not_deleted', true],
    ['already_absent', true],
    ['deleted', false],
  ] as const)('is given back after a look that finds %s: %s', async (outcome, comesBack) => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), budgets(1), START_MS);
      resolve(store, outcome, START_MS + 1);
      expect(store.reserve(reservation('r2', 'm-other001'), budgets(1), START_MS + 1).ok).toBe(comesBack);
    });
  });

  it('of 0 refuses every deletion, even of an image that counts', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      expect(store.reserve(reservation('r1'), budgets(0), START_MS)).toEqual(exhausted('caller', 0, 86_400));
      expect(store.reserve(reservation('r1'), budgets(5, 0), START_MS)).toEqual(exhausted('account', 0, 86_400));
      store.reserve(reservation('r1'), ROOM, START_MS);
      expect(store.reserve(reservation('r2'), budgets(0), START_MS + 1).ok).toBe(false);
      expect(store.reserve(reservation('r2'), budgets(5, 0), START_MS + 1).ok).toBe(false);
      expect(store.history(ALL_ROWS)).toHaveLength(1);
    });
  });

  it('that is lowered admits nobody until enough images have left the last 24 hours', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (let hour = 0; hour < 5; hour++)
        admits(store, `r${hour}`, `m-image0${hour}`, ROOM, START_MS + hour * HOUR_MS);
      // Under a budget of 2, four of the five have to leave. The fourth was reserved at 03:00.
      const at = (timeMs: number) => store.reserve(reservation('x', 'm-image05', 'a'), budgets(2), timeMs);
      expect(at(START_MS + 5 * HOUR_MS)).toEqual(exhausted('caller', 2, 22 * 3600));
      expect(at(START_MS + 27 * HOUR_MS - 1)).toEqual(exhausted('caller', 2, 1));
      expect(at(START_MS + 27 * HOUR_MS).ok).toBe(true);
    });
  });

  it('holds for each caller by itself', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      expect(admits(store, 'r1', 'm-image01', budgets(1), START_MS, 'a')).toBe(true);
      expect(admits(store, 'r2', 'm-image02', budgets(1), START_MS, 'b')).toBe(true);
      expect(admits(store, 'r3', 'm-image03', budgets(1), START_MS, 'a')).toBe(false);
      // What another caller deletes counts for the account, and not for this caller.
      expect(admits(store, 'r4', 'm-image01', budgets(1), START_MS, 'b')).toBe(false);
    });
  });
});

describe("the account's budget", () => {
  it('counts the images of all callers together, each image once', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      expect(admits(store, 'r1', 'm-image01', budgets(9, 2), START_MS, 'a')).toBe(true);
      expect(admits(store, 'r2', 'm-image01', budgets(9, 2), START_MS, 'b')).toBe(true);
      expect(admits(store, 'r3', 'm-image02', budgets(9, 2), START_MS + HOUR_MS, 'b')).toBe(true);
      const refused = store.reserve(reservation('r4', 'm-image03', 'c'), budgets(9, 2), START_MS + 2 * HOUR_MS);
      expect(refused).toEqual(exhausted('account', 2, 22 * 3600));
      expect(admits(store, 'r5', 'm-image02', budgets(9, 2), START_MS + 2 * HOUR_MS, 'c')).toBe(true);
    });
  });

  it('is the one that is named if its wait is longer than that of the caller', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      admits(store, 'r1', 'm-image01', ROOM, START_MS, 'a');
      admits(store, 'r2', 'm-image02', ROOM, START_MS + HOUR_MS, 'b');
      const nowMs = START_MS + 2 * HOUR_MS;
      const refusal = (caller: string, given: Budgets) => store.peek(caller, 'm-image03', given, nowMs).exhausted;
      expect(refusal('a', budgets(1, 1))).toEqual({ of: 'account', budget: 1, retryAfterS: 23 * 3600 });
      expect(refusal('b', budgets(1, 2))).toEqual({ of: 'caller', budget: 1, retryAfterS: 23 * 3600 });
    });
  });
});

describe('a clock that jumped forward and came back', () => {
  const JUMP_MS = START_MS + 10 * DAY_MS;

  it.each([
    ['the same store', false],
    ['a store that starts anew each time', true],
  ])('blocks a budget for 24 hours after it came back, and not until that date, in %s', async (_what, startsAnew) => {
    await insideLedger((sql) => {
      let store = storeIn(sql);
      const at = (requestId: string, imageId: string, timeMs: number) => {
        if (startsAnew) store = storeIn(sql);
        return store.reserve(reservation(requestId, imageId), budgets(1), timeMs);
      };
      expect(at('r1', 'm-image01', JUMP_MS).ok).toBe(true);
      expect(at('r2', 'm-image02', START_MS)).toEqual(exhausted('caller', 1, 86_400));
      expect(at('r2', 'm-image02', START_MS + HOUR_MS)).toEqual(exhausted('caller', 1, 23 * 3600));
      expect(at('r2', 'm-image02', START_MS + DAY_MS - 1)).toEqual(exhausted('caller', 1, 1));
      expect(at('r2', 'm-image02', START_MS + DAY_MS).ok).toBe(true);
      // When the clock gets to the time of the jump, that row counts no more either.
      expect(at('r3', 'm-image03', JUMP_MS + 1).ok).toBe(true);
    });
  });

  it('keeps what happened before it in the count', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      admits(store, 'r1', 'm-image01', budgets(2), START_MS);
      admits(store, 'r2', 'm-image02', budgets(2), JUMP_MS);
      expect(admits(store, 'r3', 'm-image03', budgets(2), START_MS + HOUR_MS)).toBe(false);
      expect(admits(store, 'r3', 'm-image03', budgets(2), START_MS + DAY_MS)).toBe(true);
    });
  });

  it('is found out even if it came back to a time at which the ledger had counted before', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.peek('a', 'm-image01', budgets(1), START_MS);
      admits(store, 'r1', 'm-image01', budgets(1), START_MS + 30 * HOUR_MS);
      expect(admits(store, 'r2', 'm-image02', budgets(1), START_MS + HOUR_MS)).toBe(false);
      expect(admits(store, 'r2', 'm-image02', budgets(1), START_MS + HOUR_MS + DAY_MS)).toBe(true);
    });
  });

  it('moves the looks at an unknown row to the time of its return', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      admits(store, 'r1', 'm-image01', ROOM, JUMP_MS);
      store.peek('a', 'm-image01', ROOM, START_MS);
      expect(store.unknown()).toMatchObject([{ beganAtMs: START_MS }]);
      expect(store.history(ALL_ROWS)).toMatchObject([{ reservedAtMs: JUMP_MS }]);
    });
  });

  it.each([0, 1, HOUR_MS, DAY_MS, 10 * DAY_MS])(
    'by %i ms makes nobody wait for less than a second or more than a day',
    async (jumpMs) => {
      await insideLedger((sql) => {
        const store = storeIn(sql);
        admits(store, 'r1', 'm-image01', budgets(1), START_MS + jumpMs);
        for (const laterMs of [0, 1, 999, 1_000, DAY_MS - 1]) {
          const { exhausted: full } = store.peek('a', 'm-image02', budgets(1), START_MS + laterMs);
          expect(full?.retryAfterS).toBeGreaterThanOrEqual(1);
          expect(full?.retryAfterS).toBeLessThanOrEqual(86_400);
        }
      });
    },
  );
});

describe('the counts in memory', () => {
  /** A store, and how often it has taken the counts from the rows. */
  const watched = (sql: Sql) => {
    const taken = { times: 0 };
    const exec: Sql['exec'] = (query, ...bindings) => {
      if (query === SQL.counting) taken.times++;
      return sql.exec(query, ...bindings);
    };
    return { store: new LedgerStore({ exec }), taken };
  };

  it('hold for two days, whatever is entered, and are taken anew after that', async () => {
    await insideLedger((sql) => {
      const { store, taken } = watched(sql);
      const timesAfter = (nowMs: number) => {
        store.noticeClock(nowMs);
        return taken.times;
      };
      expect(timesAfter(START_MS)).toBe(1);
      expect(timesAfter(START_MS)).toBe(1);
      store.reserve(reservation('r1'), ROOM, START_MS + HOUR_MS);
      expect(timesAfter(START_MS + HOUR_MS)).toBe(1);
      expect(timesAfter(START_MS + 2 * DAY_MS)).toBe(1);
      expect(timesAfter(START_MS + 2 * DAY_MS + 1)).toBe(2);
      expect(timesAfter(START_MS + 4 * DAY_MS + 1)).toBe(2);
    });
  });

  it('do not hold for a time before they were taken, for which older rows count', async () => {
    await insideLedger((sql) => {
      storeIn(sql).reserve(reservation('r1'), ROOM, START_MS);
      const { store, taken } = watched(sql);
      const isFull = (nowMs: number) => store.peek('cleaner', 'm-other001', budgets(1), nowMs).exhausted !== null;
      expect(isFull(START_MS + 30 * HOUR_MS)).toBe(false);
      expect(isFull(START_MS + HOUR_MS)).toBe(true);
      expect(taken.times).toBe(2);
    });
  });
});

describe('the history', () => {
  it('is filtered by caller, image, request, outcome and time, separately and together', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      const outcomes = ['deleted', 'rejected', 'unknown'] as const;
      for (let n = 0; n < 12; n++) {
        const requestId = `r${n}`;
        store.reserve(reservation(requestId, `m-image${n % 2}0`, `c${n % 4}`), ROOM, START_MS + n * HOUR_MS);
        const outcome = outcomes[n % 3];
        if (outcome !== undefined && outcome !== 'unknown')
          store.settle(idOf(requestId), settlement(outcome), START_MS);
      }
      const ids = (query: Partial<HistoryQuery>) =>
        store.history({ ...ALL_ROWS, ...query }).map(({ requestId }) => Number(requestId.slice(1)));
      expect(ids({})).toEqual([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
      expect(ids({ limit: 2 })).toEqual([11, 10]);
      expect(ids({ imageId: 'm-image10' })).toEqual([11, 9, 7, 5, 3, 1]);
      expect(ids({ outcome: 'unknown' })).toEqual([11, 8, 5, 2]);
      expect(ids({ imageId: 'm-image10', outcome: 'deleted' })).toEqual([9, 3]);
      expect(ids({ sinceMs: START_MS + 9 * HOUR_MS })).toEqual([11, 10, 9]);
      expect(ids({ untilMs: START_MS + 2 * HOUR_MS })).toEqual([1, 0]);
      expect(ids({ sinceMs: START_MS + 2 * HOUR_MS, untilMs: START_MS + 5 * HOUR_MS })).toEqual([4, 3, 2]);
      expect(ids({ sinceMs: START_MS + 3 * HOUR_MS, outcome: 'deleted', imageId: 'm-image10' })).toEqual([9, 3]);
      expect(ids({ sinceMs: START_MS + 99 * HOUR_MS })).toEqual([]);
      expect(ids({ imageId: 'm-absent01' })).toEqual([]);
      expect(ids({ caller: 'c1' })).toEqual([9, 5, 1]);
      expect(ids({ caller: 'c1', outcome: 'deleted' })).toEqual([9]);
      expect(ids({ caller: 'c1', imageId: 'm-image00' })).toEqual([]);
      expect(ids({ caller: 'c1', imageId: 'm-image10', untilMs: START_MS + 9 * HOUR_MS })).toEqual([5, 1]);
      expect(ids({ requestId: 'r4' })).toEqual([4]);
      expect(ids({ requestId: 'r4', caller: 'c0', imageId: 'm-image00', outcome: 'rejected' })).toEqual([4]);
      expect(ids({ requestId: 'r4', caller: 'c1' })).toEqual([]);
      expect(ids({ requestId: 'r4', imageId: 'm-image10' })).toEqual([]);
      expect(ids({ requestId: 'r4', outcome: 'deleted' })).toEqual([]);
      expect(ids({ requestId: 'r4', sinceMs: START_MS + 5 * HOUR_MS })).toEqual([]);
    });
  });

  it('is ordered by time and then by sequence, also over pages, whatever the clock did', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      const hours = [5, 5, 9, 1, 5, 1, 9, 2, 5];
      const outcomes = ['deleted', 'rejected', 'unknown', 'already_absent', 'not_attempted', 'not_deleted'] as const;
      for (const [n, hour] of hours.entries()) {
        store.reserve(reservation(`r${n}`), ROOM, START_MS + hour * HOUR_MS);
        store.settle(idOf(`r${n}`), settlement(outcomes[n % 6] ?? 'unknown'), START_MS + hour * HOUR_MS);
      }
      const whole = store.history(ALL_ROWS);
      expect(whole.map(({ requestId }) => requestId)).toEqual(['r6', 'r2', 'r8', 'r4', 'r1', 'r0', 'r7', 'r5', 'r3']);
      for (const limit of [1, 2, 4]) {
        const pages = [];
        for (let after: HistoryQuery['after'] = null; ; ) {
          const page = store.history({ ...ALL_ROWS, limit, after });
          const last = page.at(-1);
          if (last === undefined) break;
          pages.push(...page);
          after = { reservedAtMs: last.reservedAtMs, seq: last.seq };
        }
        expect(pages).toEqual(whole);
      }
    });
  });
});

describe('the last deletion of an image', () => {
  it('is its newest row with the outcome deleted, whoever the caller was', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      for (const [n, outcome] of (['deleted', 'deleted', 'rejected', 'already_absent'] as const).entries()) {
        store.reserve(reservation(`r${n}`, 'm-custom01', `c${n}`), ROOM, START_MS + n);
        store.settle(idOf(`r${n}`), settlement(outcome), START_MS + 100 + n);
      }
      store.reserve(reservation('other', 'm-other001'), ROOM, START_MS + 9);
      const lastDeletion = { caller: 'c1', requestId: 'r1', atMs: START_MS + 101 };
      expect(store.peek('x', 'm-custom01', ROOM, START_MS + 200)).toEqual({ lastDeletion, exhausted: null });
      expect(store.reserve(reservation('r9'), ROOM, START_MS + 200)).toEqual({ ok: true, value: lastDeletion });
      expect(store.peek('x', 'm-other001', ROOM, START_MS + 200).lastDeletion).toBeNull();
    });
  });

  it('that only a look has found is dated from its reservation', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      resolve(store, 'deleted', START_MS + HOUR_MS);
      expect(store.peek('x', 'm-custom01', ROOM, START_MS + HOUR_MS).lastDeletion?.atMs).toBe(START_MS);
    });
  });
});

describe('the removal of old rows', () => {
  it('takes one batch at a time, and nothing that is younger', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      sql.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at)
         SELECT 'id' || i, 'r' || i, 'c', 'm-x', 'f', i, i FROM n`,
        REMOVAL_BATCH + 3,
      );
      store.reserve(reservation('young'), budgets(100, 100_000), DAY_MS);
      expect(store.remove(DAY_MS)).toBe(REMOVAL_BATCH);
      expect(store.remove(DAY_MS)).toBe(3);
      expect(store.remove(DAY_MS)).toBe(0);
      expect(store.oldestMs()).toBe(DAY_MS);
    });
  });

  it('takes rows of every outcome, and the oldest row may have any', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      expect(store.oldestMs()).toBeNull();
      const outcomes = ['unknown', 'deleted', 'rejected', 'already_absent', 'not_attempted', 'not_deleted'] as const;
      for (const [n, outcome] of outcomes.entries()) {
        store.reserve(reservation(`r${n}`), ROOM, START_MS + n);
        if (outcome !== 'unknown') store.settle(idOf(`r${n}`), settlement(outcome), START_MS + n);
      }
      for (const n of outcomes.keys()) {
        expect(store.oldestMs()).toBe(START_MS + n);
        expect(store.remove(START_MS + n + 1)).toBe(1);
      }
      expect(store.history(ALL_ROWS)).toEqual([]);
    });
  });
});

describe('a row whose outcome is unknown', () => {
  it('counts as sent if a bug ended the counting, and not if nothing was settled', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      expect(store.unknown().map(({ sent }) => sent)).toEqual([false]);
      store.settle(idOf('r1'), { ...settlement('unknown'), attempts: null }, START_MS);
      store.reserve(reservation('r2'), ROOM, START_MS);
      store.settle(idOf('r2'), { ...settlement('unknown'), attempts: 0 }, START_MS);
      expect(store.unknown().map(({ sent }) => sent)).toEqual([true, false]);
    });
  });

  it('may also be one with an outcome that this release does not know', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      sql.exec("UPDATE deletions SET outcome = 'of a later release'");
      expect(store.history({ ...ALL_ROWS, requestId: 'r1' })).toMatchObject([{ outcome: 'unknown' }]);
    });
  });

  it('does not wait for the date of a clock that was ahead, once that is noticed', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS + 365 * DAY_MS);
      store.noticeClock(START_MS);
      expect(store.unknown().map(({ beganAtMs }) => beganAtMs)).toEqual([START_MS]);
      expect(rowOf(store)?.reservedAtMs).toBe(START_MS + 365 * DAY_MS);
    });
  });

  it('does not wait for the date of a look by a clock that was ahead, once that is noticed', async () => {
    await insideLedger((sql) => {
      const store = storeIn(sql);
      store.reserve(reservation('r1'), ROOM, START_MS);
      store.apply('m-custom01', [{ seq: 1, outcome: 'unknown', looks: 4 }], START_MS + 365 * DAY_MS);
      store.noticeClock(START_MS + 365 * DAY_MS);
      store.noticeClock(START_MS + HOUR_MS);
      expect(store.unknown().map(({ lookedAtMs }) => lookedAtMs)).toEqual([START_MS + HOUR_MS]);
    });
  });
});
