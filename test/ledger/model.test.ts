/** The ledger compared with a model of a few lines, over random sequences of operations. */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BUDGET_WINDOW_MS, LedgerStore, type Sql } from '../../src/ledger/store.ts';
import { ROW_OUTCOMES, type RowOutcome } from '../../src/outcome.ts';

const BUDGET = 3;
const RETENTION_MS = 40 * 60 * 60 * 1000;
const IMAGES = ['m-image01', 'm-image02'] as const;

interface ModelRow {
  requestId: string;
  imageId: string;
  atMs: number;
  outcome: RowOutcome;
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
  sql: Sql;
  seqs: Map<string, number>;
}

const counted = ({ rows, nowMs }: Model) =>
  rows.filter(
    ({ atMs, outcome }) => atMs > nowMs - BUDGET_WINDOW_MS && outcome !== 'rejected' && outcome !== 'not_attempted',
  );

function check(model: Model, real: Real): void {
  for (const imageId of [null, ...IMAGES]) {
    for (const outcome of [null, 'unknown', 'deleted'] as const) {
      const query = {
        imageId,
        outcome,
        sinceMs: model.nowMs - BUDGET_WINDOW_MS,
        untilMs: null,
        beforeSeq: null,
        limit: 500,
      };
      const expected = model.rows.filter(
        (row) =>
          row.atMs >= model.nowMs - BUDGET_WINDOW_MS &&
          (imageId === null || row.imageId === imageId) &&
          (outcome === null || row.outcome === outcome),
      );
      expect(real.store.history(query).map(({ requestId }) => requestId)).toEqual(
        expected.map(({ requestId }) => requestId).reverse(),
      );
    }
  }
  expect(counted(model).length).toBeLessThanOrEqual(BUDGET);
  expect(real.store.retryAfterS(BUDGET, model.nowMs) === null).toBe(counted(model).length < BUDGET);
}

class Reserve implements fc.Command<Model, Real> {
  readonly imageId: string;
  constructor(imageId: string) {
    this.imageId = imageId;
  }
  check = () => true;
  run(model: Model, real: Real): void {
    const requestId = `r${model.requests++}`;
    const counting = counted(model);
    const reserved = real.store.reserve({ requestId, imageId: this.imageId, keyFingerprint: 'f' }, BUDGET, model.nowMs);
    if (counting.length < BUDGET) {
      if (!('seq' in reserved)) throw new Error('refused within the budget');
      real.seqs.set(requestId, reserved.seq);
      model.rows.push({ requestId, imageId: this.imageId, atMs: model.nowMs, outcome: 'unknown', settled: false });
    } else {
      const freeMs = Math.min(...counting.map(({ atMs }) => atMs)) + BUDGET_WINDOW_MS;
      expect(reserved).toEqual({ retryAfterS: Math.ceil((freeMs - model.nowMs) / 1000) });
    }
    check(model, real);
  }
  toString = () => `reserve(${this.imageId})`;
}

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
    const seq = real.seqs.get(row.requestId);
    if (seq === undefined) throw new Error('no such row');
    const facts = { code: null, attempts: 1, upstreamRequestId: null, imageName: null };
    real.store.settle(seq, { outcome: this.outcome, ...facts }, model.nowMs);
    // A second settlement changes nothing, so budget that was given back stays given back.
    if (!row.settled) Object.assign(row, { outcome: this.outcome, settled: true });
    check(model, real);
  }
  toString = () => `settle(${this.which}, ${this.outcome})`;
}

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
    const oldestMs = real.store.remove(beforeMs);
    model.rows = model.rows.filter(({ atMs }) => atMs >= beforeMs);
    expect(oldestMs).toBe(model.rows[0]?.atMs ?? null);
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

it('the ledger does what its model does, in every order of operations', async () => {
  const commands = fc.commands(
    [
      fc.constantFrom(...IMAGES).map((imageId) => new Reserve(imageId)),
      fc.constantFrom(...IMAGES).map((imageId) => new Reserve(imageId)),
      fc.tuple(fc.nat(9), fc.constantFrom(...ROW_OUTCOMES)).map(([which, outcome]) => new Settle(which, outcome)),
      fc.nat(BUDGET_WINDOW_MS).map((ms) => new Wait(ms)),
      fc.constantFrom(0, 1, BUDGET_WINDOW_MS - 1, BUDGET_WINDOW_MS).map((ms) => new Wait(ms)),
      fc.constant(new Retain()),
      fc.constant(new Restart()),
    ],
    { maxCommands: 60 },
  );
  await runInDurableObject(env.LEDGER.getByName('model'), (_ledger, ctx) => {
    const sql = ctx.storage.sql;
    fc.assert(
      fc.property(commands, (run) => {
        sql.exec('DROP TABLE IF EXISTS deletions; DROP TABLE IF EXISTS schema_version');
        const store = new LedgerStore(sql);
        store.migrate();
        fc.modelRun(
          () => ({
            model: { nowMs: Date.parse('2026-11-23T00:00:00Z'), rows: [], requests: 0 },
            real: { store, sql, seqs: new Map() },
          }),
          run,
        );
      }),
      { numRuns: 200 },
    );
  });
}, 60_000);
