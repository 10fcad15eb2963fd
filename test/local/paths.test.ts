/**
 * Every path of a deletion through the real code: each response or loss at each attempt, a kill at each step, and each result
 * of the settlement. Then come the checks.
 *
 * The app, the ledger's store and the checks are the real ones, and SQLite is SQLite; the emulator keeps its own record of
 * what it deleted. Clock, network, pauses and randomness are arguments, so the test decides how each step ends.
 */
import { describe, expect, it } from 'vitest';
import { createApp } from '../../src/worker/app.ts';
import { parseCallers } from '../../src/worker/callers/table.ts';
import type { Config } from '../../src/worker/config.ts';
import { createGateway } from '../../src/worker/create-gateway.ts';
import { checkImage } from '../../src/worker/deletions/check.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import type { Ledger } from '../../src/worker/ledger/rows.ts';
import type { Sql } from '../../src/worker/ledger/sql.ts';
import { LedgerStore } from '../../src/worker/ledger/store.ts';
import { platformRuntime } from '../../src/worker/platform.ts';
import type { Runtime } from '../../src/worker/runtime.ts';
import { checkAnswer } from '../answers.ts';
import { Emulator, type FaultName, LATER_MS } from '../emulator/emulator.ts';
import { joint } from '../emulator/joint.ts';
import { CALLERS, EMULATOR_CREDENTIALS, KEYS } from '../fixtures.ts';
import { sqliteInMemory } from './sqlite.ts';

/** How Baidu answers an attempt: one of each kind that the code could tell apart. `healthy` is a correct answer. */
const ANSWERS = [
  'healthy',
  'drop_before',
  'drop_after',
  'drop_and_later',
  'hang_after',
  'html_502_after',
  'internal_error_after',
  'request_timeout_408_after',
  'shared_on_502',
  'cut_200',
  'stalled_200',
  'cut_404',
  'stalled_409',
  'html_200',
  'bare_200_after',
  'redirect',
  'throttled',
  'iam_signature_invalid',
  'route_unknown',
  'undocumented_code',
  'user_unknown',
  'account_unknown',
  'throttled_504_after',
] as const satisfies readonly (FaultName | 'healthy')[];
type AnswerName = (typeof ANSWERS)[number];

/** The image at the start. */
const IMAGES = ['m-custom01', 'm-absent01', 'm-shared01'] as const;

/** The steps at which the process can be killed, before or after they take effect. */
type Step = 'reserve' | 'cancel' | 'fetch 1' | 'fetch 2' | 'settle';
const WHENS = ['before', 'after'] as const;
type Kill = { readonly step: Step; readonly when: (typeof WHENS)[number] } | null;

/** How the reservation ends. `late`: it arrives after everything else that the request does. */
const LOST_RESERVATIONS = ['lost', 'late'] as const;
type ReserveEnd = 'done' | (typeof LOST_RESERVATIONS)[number];
/** How the calls to the ledger end. `lost`: it was done, but the reply was lost. */
const SETTLEMENTS = [['done'], ['lost', 'done'], ['failed', 'done'], ['failed', 'failed'], ['lost', 'lost']] as const;
type CallEnd = 'done' | 'lost' | 'failed';

/** How the reads of the checks end. */
const FAILING_READS = ['failing at first', 'always failing', 'without configuration'] as const;
type Reads = 'healthy' | (typeof FAILING_READS)[number];

const SCHEDULE_S = [45, 3_600];
/** A failed check is repeated an hour after the last planned one. */
const REPEATED_CHECK_S = 2 * 3_600;
const START_MS = Date.now();
const never = () => new Promise<never>(() => undefined);
const PASS = { limit: async () => ({ success: true }) };
const CALLERS_TABLE = parseCallers([{ name: 'CALLERS', json: JSON.stringify(CALLERS) }], []).callers;
const TIMEOUT_MS = 180_000;
const AUTHORIZATION = { Authorization: `Bearer ${KEYS.cleaner}` };

interface Path {
  readonly imageId: string;
  readonly answers: readonly AnswerName[];
  readonly kill: Kill;
  readonly settles: readonly CallEnd[];
  readonly reserve: ReserveEnd;
}

/** What an answer or a row says about an image. */
interface Claim {
  readonly outcome: unknown;
  readonly confirmed: unknown;
}

/** Everything that outlives a process: the clock, Baidu, the ledger on disk, the log. */
class World {
  readonly emulator = new Emulator(
    EMULATOR_CREDENTIALS,
    (ms) => (ms === LATER_MS ? this.#goOnLater() : never()),
    async () => null,
  );
  readonly send = joint((request) => this.emulator.fetch(request));
  readonly records: string[] = [];
  readonly store: LedgerStore;
  readonly #sql: Sql;
  #nowMs = START_MS;
  /** The number of deletions still running at Baidu. They are done after the first check. */
  #goingOn = 0;
  #finishLater: () => void = () => undefined;
  readonly #later = new Promise<void>((resolve) => {
    this.#finishLater = resolve;
  });

  constructor(sql: Sql) {
    sql.exec('DELETE FROM deletions');
    this.#sql = sql;
    this.store = new LedgerStore(sql, SCHEDULE_S);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Baidu's clock follows ours. */
  waitUntil(afterS: number): void {
    this.#nowMs = START_MS + afterS * 1000;
    this.emulator.clockOffsetMs = this.#nowMs - Date.now();
  }

  /** Runs the checks that are due at these times. */
  async check(reads: Reads, checksS: readonly number[]): Promise<void> {
    const { config, runtime } = new Process(this, null, []);
    const gateway = createGateway(config, runtime);
    for (const [index, afterS] of checksS.entries()) {
      this.waitUntil(afterS);
      if (reads === 'always failing' || (reads === 'failing at first' && index === 0)) {
        this.emulator.misbehave('internal_error', 'internal_error');
      }
      // With a broken configuration the ledger does nothing.
      for (let imageId = this.#due(reads); imageId !== null; imageId = this.#due(reads)) {
        this.store.applyCheck(imageId, await checkImage(gateway, imageId, runtime), this.#nowMs);
      }
      this.#finishLater();
      await this.#later;
      this.emulator.faults.length = 0;
    }
  }

  #due(reads: Reads): string | null {
    return reads === 'without configuration' ? null : this.store.dueImage([], this.#nowMs);
  }

  #goOnLater(): Promise<void> {
    this.#goingOn++;
    return this.#later;
  }

  /** Baidu's next answers, in order. */
  meet(answers: readonly AnswerName[]): void {
    for (const name of answers) {
      if (name === 'healthy') this.emulator.faults.push({ deletes: true, answer: 'normal' });
      else this.emulator.misbehave(name);
    }
  }

  /** What the newest row of the image says, or `undefined` if there is none. */
  row(imageId: string): Claim | undefined {
    const query = 'SELECT outcome, confirmed FROM deletions WHERE image_id = ? ORDER BY seq DESC LIMIT 1';
    const [row] = this.#sql.exec(query, imageId).toArray();
    if (row === undefined) return undefined;
    return { outcome: row['outcome'], confirmed: row['confirmed'] === null ? null : row['confirmed'] === 1 };
  }

  /** Everything that the rest of a path can depend on: the newest row, and what Baidu did or may still do. */
  situation(imageId: string): string {
    const columns = 'outcome, confirmed, settled_at, resolved_at, next_check_at, looked_at, found_at';
    const query = `SELECT ${columns} FROM deletions WHERE image_id = ? ORDER BY seq DESC LIMIT 1`;
    const isThere = this.emulator.images.has(imageId);
    return JSON.stringify([this.#sql.exec(query, imageId).toArray(), isThere, this.deletions(imageId), this.#goingOn]);
  }

  /** Our calls that deleted the image, by the emulator's own record. */
  deletions(imageId: string): number {
    return this.emulator.calls.filter(({ deleted, path }) => deleted && path.endsWith(imageId)).length;
  }
}

/** One life of the Worker. Once killed, it does nothing and receives nothing. */
class Process {
  attempts = 0;
  isKilled = false;
  readonly #world: World;
  readonly #kill: Kill;
  readonly #settles: readonly CallEnd[];
  readonly #reserve: ReserveEnd;
  #settled = 0;
  #late: () => unknown = () => undefined;
  #die: () => void = () => undefined;
  readonly #death = new Promise<void>((resolve) => {
    this.#die = resolve;
  });

  constructor(world: World, kill: Kill, settles: readonly CallEnd[], reserve: ReserveEnd = 'done') {
    this.#world = world;
    this.#kill = kill;
    this.#settles = settles;
    this.#reserve = reserve;
  }

  readonly runtime: Runtime = {
    now: () => this.#world.nowMs,
    random: () => 0.5,
    randomUUID: () => crypto.randomUUID(),
    sleep: async () => undefined,
    startTimer: platformRuntime.startTimer,
    fetch: (url, request) => {
      this.attempts++;
      return this.#at(this.attempts === 1 ? 'fetch 1' : 'fetch 2', () => this.#world.send(new Request(url, request)));
    },
    log: (_severity, line) => {
      if (!this.isKilled) this.#world.records.push(line);
    },
  };

  readonly #ledger: Ledger = {
    reserve: (reservation, budgets) =>
      this.#at('reserve', async () => {
        const enter = () => this.#world.store.reserve(reservation, budgets, this.#world.nowMs).reserved;
        if (this.#reserve === 'late') this.#late = enter;
        if (this.#reserve === 'lost') enter();
        if (this.#reserve !== 'done') throw new Error('The reply was lost.');
        return enter();
      }),
    cancel: (reservation, settlement) =>
      this.#at('cancel', async () => {
        this.#world.store.cancel(reservation, settlement, this.#world.nowMs);
      }),
    settle: (id, settlement) =>
      this.#at('settle', async () => {
        const end = this.#settles[this.#settled++] ?? 'done';
        if (end !== 'failed') this.#world.store.settle(id, settlement, this.#world.nowMs);
        if (end !== 'done') throw new Error('The reply was lost.');
      }),
    peek: never,
    history: never,
    metrics: never,
  };

  readonly config: Config = {
    credentials: EMULATOR_CREDENTIALS,
    endpoint: 'https://bcc.bj.baidubce.com',
    attemptTimeoutMs: 1,
    deadlineMs: 5_000,
    policy: { deletionsEnabled: true, protectedImages: new Set(), protectedNames: [] },
    dailyDeletions: 1,
    dailyDeletionsTotal: 100,
    rateLimiters: { burst: PASS, sustained: PASS },
    ledger: { getByName: () => this.#ledger },
  };

  /** Delivers a late reservation. */
  arrive(): void {
    try {
      this.#late();
    } catch (error) {
      // The cancellation has already used its id.
      if (!String(error).includes('UNIQUE')) throw error;
    }
  }

  /** Sends one deletion. `null` if the process was killed before it answered. */
  async delete(imageId: string): Promise<Claim | null> {
    const works: Promise<unknown>[] = [];
    const ctx = {
      waitUntil: (work: Promise<unknown>) => works.push(work),
      passThroughOnException: () => undefined,
      props: {},
    };
    const parsed = { callers: CALLERS_TABLE, assets: null, problems: [], config: this.config, version: null };
    const app = createApp(parsed, this.runtime);
    const request = new Request(`https://gateway.test/images/${imageId}`, { method: 'DELETE', headers: AUTHORIZATION });
    const answering = Promise.resolve(app.fetch(request, { by: 'http' }, ctx)).then(async (response) => {
      const text = await response.text();
      checkAnswer('DELETE', request.url, response, text);
      return parseJson(text);
    });
    const body = await Promise.race([answering, this.#death]);
    for (let done = 0; done < works.length; done++) await Promise.race([works[done], this.#death]);
    return isRecord(body) ? { outcome: body['outcome'], confirmed: body['confirmed'] } : null;
  }

  async #at<T>(step: Step, effect: () => Promise<T>): Promise<T> {
    if (this.isKilled) return never();
    const isHere = this.#kill?.step === step;
    if (isHere && this.#kill?.when === 'before') return this.#end();
    if (!isHere) return effect();
    await effect().catch(() => undefined);
    return this.#end();
  }

  #end(): Promise<never> {
    this.isKilled = true;
    this.#die();
    return never();
  }
}

/** What is false in a row or an answer, by the emulator's record. */
function falsehood(world: World, imageId: string, { outcome, confirmed }: Claim): string | null {
  const isGone = !world.emulator.images.has(imageId);
  const byUs = world.deletions(imageId) > 0;
  switch (outcome) {
    case 'deleted':
      if (confirmed === true) return isGone && byUs ? null : 'says that Baidu deleted it, but Baidu did not';
      return isGone ? null : 'says that it is gone, but it exists';
    case 'already_absent':
      return isGone && !byUs ? null : 'says that it was absent, but it existed';
    case 'rejected':
    case 'not_attempted':
      return byUs ? 'says that nothing was done, but the image was deleted' : null;
    case 'not_deleted':
      return isGone ? 'says that it exists, but it is gone' : null;
    case 'unknown':
      return null;
    default:
      return `has the outcome ${String(outcome)}`;
  }
}

/** Sends the deletion of a path. Returns what is wrong up to its end. */
async function send(world: World, { imageId, answers, kill, settles, reserve }: Path): Promise<string[]> {
  const wrong: string[] = [];
  world.meet(answers);
  const process = new Process(world, kill, settles, reserve);
  const answer = await process.delete(imageId);
  process.arrive();
  world.emulator.faults.length = 0;
  const falseAnswer = answer === null ? null : falsehood(world, imageId, answer);
  if (falseAnswer !== null) wrong.push(`the answer ${falseAnswer}`);
  const audits = world.records.filter((line) => line.includes('"event.name":"audit"')).length;
  if (audits !== (process.isKilled ? 0 : 1)) wrong.push(`${audits} audit records`);
  return wrong;
}

/** Runs the checks and a second deletion. Returns what is wrong afterwards. */
async function finish(world: World, imageId: string, reads: Reads): Promise<string[]> {
  const wrong: string[] = [];
  const check = (who: string) => {
    const row = world.row(imageId);
    const problem = row === undefined ? null : falsehood(world, imageId, row);
    if (problem !== null) wrong.push(`${who} ${problem}`);
    return row;
  };
  await world.check(reads, SCHEDULE_S.slice(0, -1));
  check('the row, before the last check,');
  // Before the last check, a budget of one allows only one deleted image.
  await new Process(world, null, []).delete('m-custom02');
  const deleted = world.deletions(imageId) + world.deletions('m-custom02');
  if (deleted > 1) wrong.push(`a budget of 1 deleted ${deleted} images`);

  await world.check(reads, [...SCHEDULE_S.slice(-1), REPEATED_CHECK_S]);
  const row = check('the row');
  if (row?.outcome === 'unknown' && (reads === 'healthy' || reads === 'failing at first')) {
    wrong.push('the row is unknown at the end');
  }
  if (row === undefined && world.deletions(imageId) > 0) wrong.push('a deletion without a row');
  return wrong;
}

/** How often the code attempts a deletion whose first answer is `first`. */
async function attemptsAfter(sql: Sql, imageId: string, first: AnswerName): Promise<number> {
  const world = new World(sql);
  world.meet([first]);
  const process = new Process(world, null, []);
  await process.delete(imageId);
  return process.attempts;
}

/** Every path of a deletion of one image. A path ends with a kill. */
async function pathsOf(sql: Sql, imageId: string): Promise<Path[]> {
  const paths: Path[] = [];
  const add = (answers: readonly AnswerName[], kill: Kill, settles: readonly CallEnd[] = []) =>
    paths.push({ imageId, answers, kill, settles, reserve: 'done' });
  const addWhole = (answers: readonly AnswerName[]) => {
    for (const when of WHENS) add(answers, { step: 'settle', when });
    for (const settles of SETTLEMENTS) add(answers, null, settles);
  };
  for (const when of WHENS) add([], { step: 'reserve', when });
  for (const reserve of LOST_RESERVATIONS) {
    const kills = [null, ...WHENS.map((when) => ({ step: 'cancel', when }) as const)];
    for (const kill of kills) paths.push({ imageId, answers: [], kill, settles: [], reserve });
  }
  add([], { step: 'fetch 1', when: 'before' });
  for (const first of ANSWERS) {
    add([first], { step: 'fetch 1', when: 'after' });
    if ((await attemptsAfter(sql, imageId, first)) === 1) {
      addWhole([first]);
      continue;
    }
    add([first], { step: 'fetch 2', when: 'before' });
    for (const second of ANSWERS) {
      add([first, second], { step: 'fetch 2', when: 'after' });
      addWhole([first, second]);
    }
  }
  return paths;
}

describe('every path of a deletion', () => {
  it.each(IMAGES)(
    'of %s reports nothing false, and leaves no outcome unknown that can be found',
    async (imageId) => {
      const sql = sqliteInMemory();
      new LedgerStore(sql, SCHEDULE_S).migrate();
      const wrong: string[] = [];
      /** Situations already finished, with each kind of reads. Equal ones continue equally. */
      const known = new Set<string>();
      let paths = 0;
      for (const path of await pathsOf(sql, imageId)) {
        let world = new World(sql);
        const problems = await send(world, path);
        const situation = world.situation(imageId);
        // No check changes a final outcome, so one kind of reads is enough.
        const isUnknown = world.row(imageId)?.outcome === 'unknown';
        for (const reads of ['healthy', ...(isUnknown ? FAILING_READS : [])] as const) {
          paths++;
          if (known.has(situation + reads)) continue;
          known.add(situation + reads);
          problems.push(...(await finish(world, imageId, reads)).map((problem) => `reads ${reads}: ${problem}`));
          world = new World(sql);
          await send(world, path);
        }
        wrong.push(...problems.map((problem) => `${JSON.stringify(path)}, ${problem}`));
      }
      process.stdout.write(
        `${paths} paths of a deletion of ${imageId}, ${known.size} of them different after its request\n`,
      );
      expect(wrong).toEqual([]);
      expect(paths).toBeGreaterThan(1_000);
    },
    TIMEOUT_MS,
  );
});
