/** The ledger compared with a model of a few lines: over random sequences of operations, and with callers who race each other. */
import { runInDurableObject } from 'cloudflare:test';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BUDGET_WINDOW_MS } from '../../../src/worker/ledger/budgets.ts';
import { type Look, stepsAfterLook } from '../../../src/worker/ledger/resolution.ts';
import type { Budgets, HistoryQuery, Settlement } from '../../../src/worker/ledger/rows.ts';
import type { Sql } from '../../../src/worker/ledger/sql.ts';
import { LedgerStore } from '../../../src/worker/ledger/store.ts';
import { ROW_OUTCOMES, type RowOutcome } from '../../../src/worker/outcome.ts';
import { ALL_ROWS, idOf, reservation } from '../../fixtures.ts';
import { freshLedger } from '../../harness.ts';

const BUDGETS: Budgets = { caller: 2, account: 3 };
const RETENTION_MS = 3 * BUDGET_WINDOW_MS;
const START_MS = Date.parse('2026-11-23T00:00:00Z');
const CALLERS = ['a', 'b'] as const;
const IMAGES = ['m-image01', 'm-image02', 'm-image03', 'm-image04'] as const;
const AFTER_S = [45, 120];
const DEADLINE_MS = 23_000;
const TIMEOUT_MS = 60_000;

interface ModelRow {
  readonly requestId: string;
  readonly caller: string;
  readonly imageId: string;
  readonly reservedAtMs: number;
  /** `reservedAtMs`, until a clock that was ahead turns out to have been so. */
  beganAtMs: number;
  outcome: RowOutcome;
  confirmed: boolean | null;
  settled: boolean;
}

/** The ledger in its simplest form: a list of rows. */
interface Model {
  nowMs: number;
  rows: ModelRow[];
  requests: number;
}

/** The real ledger. A restart makes a new store on the same storage. */
interface Real {
  store: LedgerStore;
  readonly sql: Sql;
}

const counts = ({ outcome }: ModelRow) => outcome === 'deleted' || outcome === 'unknown';

/** The images that count against a budget, each with the time from which its newest row counts. */
function counted({ rows, nowMs }: Model, caller: string | null): Map<string, number> {
  const images = new Map<string, number>();
  for (const row of rows.filter(counts)) {
    const isInside = row.beganAtMs > nowMs - BUDGET_WINDOW_MS;
    if (!isInside || (caller !== null && row.caller !== caller)) continue;
    images.set(row.imageId, Math.max(row.beganAtMs, images.get(row.imageId) ?? 0));
  }
  return images;
}

/** The seconds until one more image fits into a budget, or `null` if it fits now. */
function waitS(model: Model, images: Map<string, number>, imageId: string, budget: number): number | null {
  if (images.has(imageId) || images.size < budget) return null;
  const times = [...images.values()].sort((a, b) => a - b);
  const freeMs = (times[images.size - budget] ?? Number.NaN) + BUDGET_WINDOW_MS;
  return Math.ceil((freeMs - model.nowMs) / 1000);
}

/** A clock that was ahead is found out as soon as the ledger counts at an earlier time. */
function discover(model: Model): void {
  for (const row of model.rows) {
    if (row.reservedAtMs > model.nowMs && row.beganAtMs > model.nowMs) row.beganAtMs = model.nowMs;
  }
}

const newestFirst = (rows: readonly ModelRow[]) =>
  rows
    .map((row, seq) => ({ row, seq }))
    .sort((one, other) => other.row.reservedAtMs - one.row.reservedAtMs || other.seq - one.seq)
    .map(({ row }) => row);

function check(model: Model, { store }: Real): void {
  const filters: Partial<HistoryQuery>[] = [
    {},
    { caller: 'a' },
    { imageId: 'm-image01' },
    { outcome: 'unknown' },
    { caller: 'b', outcome: 'deleted' },
    { requestId: 'r1' },
  ];
  for (const filter of filters) {
    const fits = (row: ModelRow) =>
      (filter.caller === undefined || row.caller === filter.caller) &&
      (filter.imageId === undefined || row.imageId === filter.imageId) &&
      (filter.outcome === undefined || row.outcome === filter.outcome) &&
      (filter.requestId === undefined || row.requestId === filter.requestId);
    const found = store.history({ ...ALL_ROWS, ...filter });
    expect(found.map(({ requestId, outcome, confirmed }) => [requestId, outcome, confirmed])).toEqual(
      newestFirst(model.rows)
        .filter(fits)
        .map(({ requestId, outcome, confirmed }) => [requestId, outcome, confirmed]),
    );
  }
  discover(model);
  for (const caller of CALLERS) {
    for (const imageId of IMAGES) {
      const ofCaller = waitS(model, counted(model, caller), imageId, BUDGETS.caller);
      const ofAccount = waitS(model, counted(model, null), imageId, BUDGETS.account);
      const retryAfterS = ofCaller === null && ofAccount === null ? null : Math.max(ofCaller ?? 0, ofAccount ?? 0);
      const { exhausted } = store.peek(caller, imageId, BUDGETS, model.nowMs);
      expect(exhausted?.retryAfterS ?? null).toBe(retryAfterS);
      if (exhausted === null) continue;
      expect(exhausted.of).toBe((ofCaller ?? 0) >= (ofAccount ?? 0) ? 'caller' : 'account');
      expect(exhausted.retryAfterS).toBeGreaterThanOrEqual(1);
      expect(exhausted.retryAfterS).toBeLessThanOrEqual(86_400);
    }
  }
}

class Reserve implements fc.Command<Model, Real> {
  readonly caller: string;
  readonly imageId: string;
  constructor(caller: string, imageId: string) {
    this.caller = caller;
    this.imageId = imageId;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    const { caller, imageId } = this;
    const requestId = `r${model.requests++}`;
    discover(model);
    const isFull =
      waitS(model, counted(model, caller), imageId, BUDGETS.caller) !== null ||
      waitS(model, counted(model, null), imageId, BUDGETS.account) !== null;
    const last = newestFirst(model.rows).find((row) => row.imageId === imageId && row.outcome === 'deleted');
    const reserved = real.store.reserve(reservation(requestId, imageId, caller), BUDGETS, model.nowMs);
    expect(reserved.ok).toBe(!isFull);
    if (reserved.ok) {
      expect(reserved.value?.requestId).toBe(last?.requestId);
      model.rows.push({
        requestId,
        caller,
        imageId,
        reservedAtMs: model.nowMs,
        beganAtMs: model.nowMs,
        outcome: 'unknown',
        confirmed: null,
        settled: false,
      });
    }
    check(model, real);
  }
  toString = () => `reserve(${this.caller}, ${this.imageId})`;
}

const confirmedBy = (outcome: RowOutcome) => (outcome === 'deleted' || outcome === 'already_absent' ? true : null);
const settlementOf = (outcome: RowOutcome): Settlement => ({
  outcome,
  confirmed: confirmedBy(outcome),
  code: null,
  attempts: 1,
  upstreamRequestId: null,
  imageName: null,
});

class Settle implements fc.Command<Model, Real> {
  readonly which: number;
  readonly outcome: RowOutcome;
  constructor(which: number, outcome: RowOutcome) {
    this.which = which;
    this.outcome = outcome;
  }
  check = (model: Readonly<Model>) => model.rows.length > 0;
  run(model: Model, real: Real): void {
    const row = model.rows[this.which % model.rows.length];
    if (row === undefined) return;
    const { outcome } = this;
    real.store.settle(idOf(row.requestId), settlementOf(outcome), model.nowMs);
    // A second settlement changes nothing, and one that says unknown leaves a fate as it is.
    if (!row.settled && outcome !== 'unknown') Object.assign(row, { outcome, confirmed: confirmedBy(outcome) });
    row.settled = true;
    check(model, real);
  }
  toString = () => `settle(${this.which}, ${this.outcome})`;
}

class Resolve implements fc.Command<Model, Real> {
  readonly imageId: string;
  readonly look: Look;
  constructor(imageId: string, look: Look) {
    this.imageId = imageId;
    this.look = look;
  }
  check = () => true;
  run(model: Model, { store, sql }: Real): void {
    const { imageId, look } = this;
    const unknown = store.unknownOfImage(imageId);
    const known = model.rows.filter((row) => row.imageId === imageId && row.outcome === 'unknown');
    expect(unknown).toHaveLength(known.length);
    const steps = stepsAfterLook(look, unknown, store.isClaimed(imageId), AFTER_S, model.nowMs);
    const wasClaimed = store.isClaimed(imageId);
    const decided = store.apply(imageId, steps, model.nowMs);
    for (const { requestId, outcome, confirmed } of decided) {
      const row = known.find((each) => each.requestId === requestId);
      if (row === undefined) throw new Error('a fate for a row that was known');
      Object.assign(row, { outcome, confirmed });
    }
    const claims = decided.filter(({ outcome }) => outcome === 'deleted');
    expect(claims).toHaveLength(look === 'absent' && !wasClaimed && decided.length > 0 ? 1 : 0);
    if (look === 'failed') expect(decided).toEqual([]);
    check(model, { store, sql });
  }
  toString = () => `look(${this.imageId}, ${this.look})`;
}

/** Lets time pass, or sets the clock back. */
class Wait implements fc.Command<Model, Real> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    model.nowMs += this.ms;
    check(model, real);
  }
  toString = () => `wait(${this.ms})`;
}

class Retain implements fc.Command<Model, Real> {
  check = () => true;
  run(model: Model, real: Real): void {
    const beforeMs = model.nowMs - RETENTION_MS;
    const old = model.rows.filter(({ reservedAtMs }) => reservedAtMs < beforeMs);
    expect(real.store.remove(beforeMs)).toBe(old.length);
    model.rows = model.rows.filter((row) => !old.includes(row));
    const times = model.rows.map(({ reservedAtMs }) => reservedAtMs);
    expect(real.store.oldestMs()).toBe(times.length === 0 ? null : Math.min(...times));
    check(model, real);
  }
  toString = () => 'retain';
}

class Restart implements fc.Command<Model, Real> {
  check = () => true;
  run(model: Model, real: Real): void {
    real.store = new LedgerStore(real.sql);
    real.store.migrate();
    check(model, real);
  }
  toString = () => 'restart';
}

function emptyStore(sql: Sql): LedgerStore {
  sql.exec('DELETE FROM deletions');
  return new LedgerStore(sql);
}

it(
  'the ledger does what its model does, in every order of operations, whatever the clock does',
  async () => {
    const reserve = fc
      .tuple(fc.constantFrom(...CALLERS), fc.constantFrom(...IMAGES))
      .map(([caller, imageId]) => new Reserve(caller, imageId));
    const commands = fc.commands(
      [
        reserve,
        reserve,
        fc.tuple(fc.nat(9), fc.constantFrom(...ROW_OUTCOMES)).map(([which, outcome]) => new Settle(which, outcome)),
        fc
          .tuple(fc.constantFrom(...IMAGES), fc.constantFrom<Look>('absent', 'there', 'failed'))
          .map(([imageId, look]) => new Resolve(imageId, look)),
        fc.nat(BUDGET_WINDOW_MS).map((ms) => new Wait(ms)),
        fc.constantFrom(0, 1, 45_000, 120_000, BUDGET_WINDOW_MS - 1, BUDGET_WINDOW_MS).map((ms) => new Wait(ms)),
        fc
          .constantFrom(
            -1,
            -1_000,
            -BUDGET_WINDOW_MS / 2,
            -BUDGET_WINDOW_MS,
            10 * BUDGET_WINDOW_MS,
            -10 * BUDGET_WINDOW_MS,
          )
          .map((ms) => new Wait(ms)),
        fc.constant(new Retain()),
        fc.constant(new Restart()),
      ],
      { maxCommands: 40 },
    );
    await runInDurableObject(freshLedger(), (_ledger, { storage: { sql } }) => {
      fc.assert(
        fc.property(commands, (run) => {
          const real: Real = { store: emptyStore(sql), sql };
          fc.modelRun(() => ({ model: { nowMs: START_MS, rows: [], requests: 0 }, real }), run);
        }),
        { numRuns: 150 },
      );
    });
  },
  TIMEOUT_MS,
);

/** How the attempts of one deletion end: what happens to the image, and what is settled; `null` if the Worker dies before that. */
interface Ending {
  readonly deletes: boolean;
  readonly settles: RowOutcome | null;
}
const ENDINGS: readonly Ending[] = [
  { deletes: true, settles: 'deleted' },
  { deletes: true, settles: 'unknown' },
  { deletes: true, settles: null },
  { deletes: false, settles: 'rejected' },
  { deletes: false, settles: 'unknown' },
  { deletes: false, settles: null },
];

it(
  'callers who race for two budgets exceed none, and each deletion gets one fate, also with the resolver among them',
  async () => {
    const order = fc.record({
      caller: fc.constantFrom(...CALLERS),
      imageId: fc.constantFrom(...IMAGES),
      ending: fc.constantFrom(...ENDINGS),
    });
    const orders = fc.array(order, { minLength: 2, maxLength: 8 });
    const budgets = fc.record({ caller: fc.constantFrom(1, 2), account: fc.constantFrom(1, 2, 3) });
    await runInDurableObject(freshLedger(), async (_ledger, { storage: { sql } }) => {
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), orders, budgets, async (scheduler, given, limits) => {
          const store = emptyStore(sql);
          const clock = { nowMs: START_MS };
          const standing = new Set<string>(IMAGES);
          const deletedBy = new Map<string, string>();
          /** Each call to the ledger and to Baidu takes as long as the scheduler likes, on the way there and on the way back. */
          const remote = async <T>(what: string, act: () => T): Promise<T> => {
            await scheduler.schedule(Promise.resolve(), `${what}, there`);
            const result = act();
            await scheduler.schedule(Promise.resolve(), `${what}, back`);
            return result;
          };
          /** When each request began that may still be at work at Baidu. */
          const atWork = new Map<string, number>();
          const run = async ({ caller, imageId, ending }: (typeof given)[number], n: number) => {
            const id = `r${n}`;
            await scheduler.schedule(Promise.resolve(), `arrive ${id}`);
            atWork.set(id, clock.nowMs);
            const reserved = await remote(`reserve ${id}`, () =>
              store.reserve(reservation(id, imageId, caller), limits, clock.nowMs),
            );
            if (!reserved.ok) {
              atWork.delete(id);
              return;
            }
            const wasThere = await remote(`delete ${id}`, () => {
              const isThere = standing.has(imageId);
              if (ending.deletes && isThere) {
                standing.delete(imageId);
                deletedBy.set(imageId, caller);
              }
              return isThere;
            });
            atWork.delete(id);
            if (ending.settles === null) return;
            const isAbsent = ending.settles === 'deleted' && !wasThere;
            const settlement = settlementOf(isAbsent ? 'already_absent' : ending.settles);
            await remote(`settle ${id}`, () => store.settle(idOf(id), settlement, clock.nowMs));
          };
          const resolver = async () => {
            for (const afterS of [...AFTER_S, 3_600]) {
              const nextMs = Math.max(clock.nowMs, START_MS + afterS * 1000);
              // No request works beyond its deadline, and the first look comes after every deadline.
              const isBusy = () => [...atWork.values()].some((beganMs) => nextMs - beganMs >= DEADLINE_MS);
              do await scheduler.schedule(Promise.resolve(), 'the alarm');
              while (isBusy());
              clock.nowMs = nextMs;
              for (const imageId of new Set(store.unknown().map((row) => row.imageId))) {
                const look = await remote(`look ${imageId}`, () => (standing.has(imageId) ? 'there' : 'absent'));
                const unknown = store.unknownOfImage(imageId);
                const steps = stepsAfterLook(look, unknown, store.isClaimed(imageId), AFTER_S, clock.nowMs);
                store.apply(imageId, steps, clock.nowMs);
              }
            }
          };

          await scheduler.waitFor(Promise.all(given.map(run)));
          expect(deletedBy.size).toBeLessThanOrEqual(limits.account);
          for (const caller of CALLERS) {
            const own = [...deletedBy.values()].filter((each) => each === caller);
            expect(own.length).toBeLessThanOrEqual(limits.caller);
          }
          // Now the resolver is among them: it looks at what was left, while more requests come for the same images.
          await scheduler.waitFor(Promise.all([resolver(), ...given.map((each, n) => run(each, n + given.length))]));
          expect(deletedBy.size).toBeLessThanOrEqual(limits.account);

          clock.nowMs = START_MS + 2 * 3_600_000;
          await scheduler.waitFor(resolver());
          const rows = store.history(ALL_ROWS);
          expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
          expect(rows.filter(({ outcome }) => outcome === 'unknown')).toEqual([]);
          for (const imageId of IMAGES) {
            const claims = rows.filter((row) => row.imageId === imageId && row.outcome === 'deleted');
            if (standing.has(imageId)) expect(claims).toEqual([]);
            else expect(claims.length, `who deleted ${imageId}`).toBeGreaterThanOrEqual(1);
            // Of those that nobody confirmed, one claims the deletion.
            expect(claims.filter(({ confirmed }) => confirmed === false).length).toBeLessThanOrEqual(1);
          }
        }),
        { numRuns: 150 },
      );
    });
  },
  TIMEOUT_MS,
);
