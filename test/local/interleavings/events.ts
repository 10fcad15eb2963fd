/**
 * Every event that can follow a state, with the next state and what is wrong in it.
 *
 * A request takes a step of its table, the ledger is called as the Worker calls it, and Baidu gives any answer that its record allows.
 */
import type { Reservation, Reserved, Settlement } from '../../../src/worker/ledger/rows.ts';
import type { Check } from '../../../src/worker/ledger/schedule.ts';
import { HOUR_MS } from '../../../src/worker/time.ts';
import type { ReadAnswer } from './answers.ts';
import type { Findings } from './checks.ts';
import type { Code } from './code.ts';
import type { Problem } from './invariants.ts';
import { type Setting, wrongEnd, wrongRefusal, wrongRows, wrongSend } from './judge.ts';
import { type Applied, isOpen, type Ledger, Ledgers } from './ledgers.ts';
import { inputKey, isLoss, type Position, type Requests, replyKey } from './requests.ts';
import {
  type CheckUnderWay,
  ending,
  IDLE,
  isAlive,
  lastMs,
  overSlot,
  type Scenario,
  type Slot,
  type Spec,
  type State,
  withCheck,
  withSlot,
} from './state.ts';

/** The code that a search runs. */
export interface Subject {
  readonly code: Code;
  readonly findings: Findings;
  readonly requests: { readonly reading: Requests; readonly plain: Requests };
}
/** The longest that a check takes. */
const CHECK_MS = 3_000;
const SOMEBODY_ELSE = -1;
const KEY = 'key-1';
const OTHER_KEY = 'key-2';
const REPORT = { code: 'again', attempts: 9, upstreamRequestId: 'again', imageName: 'again' };
/** Settlements that may arrive for a row already settled. */
const REPEATED = [
  { outcome: 'deleted', confirmed: true, ...REPORT },
  { outcome: 'rejected', confirmed: null, ...REPORT },
  { outcome: 'unknown', confirmed: null, ...REPORT },
] as const satisfies readonly Settlement[];

/** An event that can follow a state. */
export interface Step {
  readonly event: string;
  /** The event as a path shows it: with the deletion or image. */
  readonly label: string;
  readonly state: State;
  readonly problems: readonly Problem[];
}

export class Events {
  readonly ledgers: Ledgers;
  readonly images: readonly string[];
  readonly #subject: Subject;
  readonly #scenario: Scenario;
  readonly #setting: Setting;
  /** The ledgers whose settled rows have been settled again. */
  readonly #written = new Set<Ledger>();
  #steps: Step[] = [];

  constructor(subject: Subject, scenario: Scenario) {
    const { specs, budgets, rules } = scenario;
    this.#subject = subject;
    this.#scenario = scenario;
    this.ledgers = new Ledgers(subject.code, rules.schedule);
    this.images = [...new Set(specs.map(({ image }) => image))];
    this.#setting = { specs, budgets, rules, images: this.images, names: specs.map((_, index) => `d${index + 1}`) };
  }

  /** Everything that can follow a state. */
  after(state: State): Step[] {
    this.#steps = [];
    for (const [index, slot] of state.slots.entries()) {
      if (slot.phase === 'idle') this.#reserve(state, index);
      if (slot.phase === 'reply') this.#reply(state, index, slot);
      if (slot.phase === 'waits') this.#goOn(state, index, slot);
      if (slot.phase === 'writes') this.#write(state, index, slot);
      if (isAlive(slot)) this.#lose(state, index, slot, 'kill', 'is killed');
      this.#takeEffect(state, index, slot);
    }
    for (const [index, image] of this.images.entries()) {
      this.#check(state, index, image);
      if (this.#scenario.hasStrangers && state.gone[index] === null) {
        this.#add(
          'deleted by someone else',
          `someone else deletes ${image}`,
          this.#withGone(state, index, SOMEBODY_ELSE),
        );
      }
    }
    this.#writeAgain(state);
    this.#pass(state);
    return this.#steps;
  }

  #add(event: string, label: string, state: State, problems: readonly Problem[] = []): void {
    this.#steps.push({ event, label, state, problems });
  }

  #reserve(state: State, index: number): void {
    // Deletions begin in one order. Any other order is this scenario with names swapped, or a scenario of its own.
    if (state.slots[index - 1]?.phase === 'idle' || state.nowMs > lastMs(this.#scenario.rules)) return;
    const spec = this.#spec(index);
    const { specs, budgets } = this.#scenario;
    const { nowMs } = state;
    const { ledger, result, problems } = this.ledgers.apply(state.ledger, nowMs, {
      key: `reserve ${index}`,
      act: (store) => {
        const { reserved, events } = store.reserve(this.#reservation(index), budgets, nowMs);
        return { result: reserved, events };
      },
      counts: (reserved) => (reserved.ok ? [] : [refusalCounter(reserved)]),
    });
    const isOwn =
      !result.ok && result.failure.open?.requestId === spec.requestId && result.failure.open.caller === spec.caller;
    const reply = replyKey(result, isOwn);
    const isAgain = specs.some((other, at) => {
      const isSame = other.caller === spec.caller && other.requestId === spec.requestId && other.image === spec.image;
      return at !== index && isSame && state.slots[at]?.phase !== 'idle';
    });
    const who = `${this.nameOf(index)} ${isAgain ? '(the same request again)' : ''}`.trim();
    const hastens = !result.ok && result.failure.open !== undefined && ledger !== state.ledger;
    if (hastens && !this.#isPlannedTime(state, spec.image)) return;
    const moved = { ...state, ledger };
    const changes = [...problems, ...wrongRows(state, moved, null, this.#setting)];
    if (!result.ok) {
      const { end = null } = this.#requests(index).get(reply) ?? {};
      if (end === null) throw new Error('A refused request does not end.');
      const refusal = wrongRefusal(state, result.failure, spec, end, this.#setting);
      const event = result.failure.open === undefined ? 'refusal by a budget' : 'refusal';
      this.#add(event, `${who} is refused`, moved, [...changes, ...refusal]);
      return;
    }
    const earlier = state.ledger.rows.filter(({ imageId }) => imageId === spec.image).at(-1);
    const slot: Slot = {
      ...IDLE,
      phase: 'reply',
      reservedAtMs: nowMs,
      reply,
      noticesRepeats: spec.reads || ledger.rows.find(({ id }) => id === earlier?.id)?.outcome === 'not_deleted',
    };
    const event = isAgain ? 'the same request again' : 'reserve';
    this.#add(event, `${who} reserves`, withSlot(moved, index, slot), changes);
  }

  #reply(state: State, index: number, slot: Slot): void {
    const requests = this.#requests(index);
    const position = requests.get(inputKey(slot.reply, this.#isLate(state, slot)));
    if (position === undefined) throw new Error(`There is no position for the reply "${slot.reply}".`);
    this.#arrive(
      'reply',
      `${this.nameOf(index)} gets the reply to its reservation`,
      state,
      index,
      slot,
      position,
      null,
    );
    const lost = requests.get('reply lost');
    if (lost === undefined || slot.losses >= this.#scenario.maxLosses || !this.#scenario.isComplete) return;
    const label = `${this.nameOf(index)} loses the reply to its reservation`;
    this.#arrive('reply lost', label, state, index, { ...slot, losses: this.#lossesOf(slot, true) }, lost, null);
  }

  /** Ends what a request waits for, in each possible way. */
  #goOn(state: State, index: number, slot: Slot): void {
    const { position } = slot;
    const isThere = state.gone[this.#imageOf(index)] === null;
    const name = this.nameOf(index);
    if (position?.waitsFor === 'pause') {
      this.#answer('the pause ends', `the pause of ${name} ends`, state, index, slot, 'goes on');
    }
    if (position?.waitsFor === 'GET') {
      const truth = isThere ? 'found' : 'absent';
      for (const answer of [
        truth,
        'absent, something else',
        ...(this.#scenario.isComplete ? ['absent, unlisted'] : []),
      ]) {
        this.#answer(`read: ${answer}`, `the read of ${name} is answered: ${answer}`, state, index, slot, answer);
      }
    }
    if (position?.waitsFor !== 'DELETE') return;
    for (const [answer, variant] of this.#answers(slot, isThere)) {
      if (isLoss(answer) && slot.losses >= this.#scenario.maxLosses) continue;
      const mayAct = isLoss(answer) && slot.attempt === 'nothing yet' && isThere;
      const after: Slot = {
        ...slot,
        attempt: null,
        mayActLate: slot.mayActLate || mayAct,
        losses: this.#lossesOf(slot, isLoss(answer)),
      };
      this.#answer(
        `DELETE: ${answer}${variant}`,
        `the DELETE of ${name} is answered: ${answer}${variant}`,
        state,
        index,
        after,
        answer,
      );
    }
  }

  /** The answers to a deletion that Baidu's record allows. */
  #answers({ attempt, noticesRepeats }: Slot, isThere: boolean): (readonly [answer: string, variant: string])[] {
    const { isComplete } = this.#scenario;
    const rare = (...answers: (readonly [string, string])[]) => (isComplete ? answers : []);
    if (attempt === 'deleted') {
      return [
        ['done', ''],
        ['lost', ' after the effect'],
        ...rare(['error', ' after the effect'], ['garbled', ' after the effect']),
        // A proxy sent it twice, and this answers the second.
        ...(noticesRepeats ? rare(['absent', ', because it was repeated']) : []),
      ];
    }
    return [
      ...(isThere ? [] : [['absent', ''] as const]),
      ['absent, something else', ''],
      ['refused', ''],
      ['lost', ''],
      ...rare(['throttled', ''], ['error', ''], ['garbled', ''], ['absent, unlisted', '']),
      ...(isThere ? rare(['done', ' without effect']) : []),
    ];
  }

  #answer(event: string, label: string, state: State, index: number, slot: Slot, answer: string): void {
    const key = inputKey(answer, this.#isLate(state, slot));
    const position = slot.position?.next.get(key);
    if (position === undefined) throw new Error(`There is no position after "${key}".`);
    this.#arrive(event, label, state, index, slot, position, answer);
  }

  /** Moves a request to its next position, where it may send a deletion or end. */
  #arrive(
    event: string,
    label: string,
    state: State,
    index: number,
    slot: Slot,
    position: Position,
    answer: string | null,
  ): void {
    const { end } = position;
    if (end !== null) {
      const by = state.gone[this.#imageOf(index)] ?? null;
      const problems = wrongEnd(end, answer, slot, by === index ? 'this' : by);
      this.#add(event, label, withSlot(state, index, ending(slot, end)), problems);
      return;
    }
    const isSending = position.waitsFor === 'DELETE';
    const sent: Slot = isSending
      ? { ...slot, phase: 'waits', position, isSent: true, attempt: 'nothing yet' }
      : { ...slot, phase: 'waits', position };
    const problems = isSending ? wrongSend(state, index, slot, this.#setting) : [];
    this.#add(event, label, withSlot(state, index, sent), problems);
  }

  /** A settlement or a cancellation arrives or is lost. */
  #write(state: State, index: number, slot: Slot): void {
    const { message } = slot.end ?? {};
    if (message === undefined || message === null || slot.end === null) return;
    const { kind, settlement } = message;
    const name = this.nameOf(index);
    const { nowMs } = state;
    const applied = this.ledgers.apply(state.ledger, nowMs, {
      key: `${kind} ${index} ${slot.end.messageId}`,
      settles: { id: name, words: settlement },
      act: (store) => ({
        result: null,
        events:
          kind === 'settle'
            ? store.settle(name, settlement, nowMs)
            : store.cancel(this.#reservation(index), settlement, nowMs),
      }),
      counts: (_, { rows }) => {
        const isFirst = rows.some(({ id, settledAtMs }) => id === name && settledAtMs === null);
        return settlement.unlistedAbsence === true && isFirst ? ['unlisted||'] : [];
      },
    });
    const isLate = this.#isOver(state, index, nowMs);
    const what = kind === 'cancel' ? 'cancellation' : 'settlement';
    const event = `${isLate && kind === 'settle' ? 'late ' : ''}${what}`;
    const next = withSlot({ ...state, ledger: applied.ledger }, index, overSlot(slot));
    const seen = isDone(settlement) ? this.#withSeenAfter(next, index) : next;
    const problems = [...applied.problems, ...wrongRows(state, seen, null, this.#setting)];
    this.#add(event, `the ${what} of ${name} arrives`, seen, problems);
    this.#lose(state, index, slot, `${what} lost`, `loses its ${what}`);
  }

  /** A second settlement of a row changes nothing. */
  #writeAgain(state: State): void {
    const { ledger, nowMs } = state;
    if (this.#written.has(ledger)) return;
    this.#written.add(ledger);
    for (const { id, settledAtMs } of ledger.rows) {
      for (const settlement of settledAtMs === null ? [] : REPEATED) {
        const applied = this.ledgers.apply(ledger, nowMs, {
          key: `again ${id} ${settlement.outcome}`,
          settles: { id, words: settlement },
          act: (store) => ({ result: null, events: store.settle(id, settlement, nowMs) }),
          counts: () => [],
        });
        const label = `a settlement of ${id} arrives again: ${settlement.outcome}`;
        this.#add('settlement again', label, { ...state, ledger: applied.ledger }, applied.problems);
      }
    }
  }

  /** A process is killed, or its message is lost. */
  #lose(state: State, index: number, slot: Slot, event: string, does: string): void {
    if (slot.losses >= this.#scenario.maxLosses) return;
    const mayAct = slot.attempt === 'nothing yet' && state.gone[this.#imageOf(index)] === null;
    const over: Slot = { ...overSlot(slot), mayActLate: slot.mayActLate || mayAct };
    this.#add(event, `${this.nameOf(index)} ${does}`, withSlot(state, index, over));
  }

  /** Baidu deletes the image: by the current attempt, or by one that nobody waits for any more. */
  #takeEffect(state: State, index: number, slot: Slot): void {
    const image = this.#imageOf(index);
    if (state.gone[image] !== null) return;
    const gone = (after: Slot) => withSlot(this.#withGone(state, image, index), index, after);
    const name = this.nameOf(index);
    if (slot.attempt === 'nothing yet') {
      const after = gone({ ...slot, attempt: 'deleted', mayActLate: false });
      this.#add('effect', `the DELETE of ${name} takes effect`, after, wrongRows(state, after, null, this.#setting));
    }
    if (slot.mayActLate) {
      const after = gone({ ...slot, mayActLate: false });
      this.#add(
        'late effect',
        `a DELETE of ${name} that was lost takes effect`,
        after,
        wrongRows(state, after, null, this.#setting),
      );
    }
  }

  #check(state: State, image: number, id: string): void {
    const { nowMs, ledger, checks } = state;
    const check = checks[image] ?? null;
    if (check === null) {
      const underWay = this.images.filter((_, at) => checks[at] !== null);
      if (ledger.nextCheckMs === null || ledger.nextCheckMs > nowMs) return;
      const due = this.ledgers.ask(ledger, `due ${nowMs} ${underWay.join()}`, (store) =>
        store.dueImage(underWay, nowMs),
      );
      if (due !== id) return;
      const begun = { beganAtMs: nowMs, isFound: false, isOtherAccount: false };
      // If no time passes, a check that begins first is like one that begins when it reads.
      const isSlow = this.#scenario.hasSplitChecks || this.#nextMs(state) <= nowMs + CHECK_MS;
      if (isSlow) this.#add('check begins', `a check of ${id} begins`, withCheck(state, image, begun));
      this.#read(state, image, id, begun);
      const isUnknown = ledger.rows.some(({ outcome }) => outcome === 'unknown');
      if (this.#scenario.isComplete && !isUnknown) {
        this.#endCheck(state, image, id, { ...begun, isOtherAccount: true }, 'absent');
      }
    } else if (check.isFound) {
      this.#endCheck(state, image, id, check, 'found');
    } else {
      this.#read(state, image, id, check);
    }
  }

  /** Baidu answers a check. An image that it found may be gone when the check ends. An image that is gone stays gone. */
  #read(state: State, image: number, id: string, check: CheckUnderWay): void {
    const isThere = state.gone[image] === null;
    const mayGo = state.slots.some(
      ({ attempt, mayActLate }, index) => this.#imageOf(index) === image && (attempt !== null || mayActLate),
    );
    this.#endCheck(state, image, id, check, isThere ? 'found' : 'absent');
    if (isThere && mayGo) {
      this.#add(
        'check that found ends later',
        `a check of ${id} finds it`,
        withCheck(state, image, { ...check, isFound: true }),
      );
    }
    this.#endCheck(state, image, id, check, 'error');
    if (!this.#scenario.isComplete) return;
    if (isThere) this.#endCheck(state, image, id, check, 'undocumented');
    this.#endCheck(state, image, id, check, 'absent, something else');
    this.#endCheck(state, image, id, check, 'absent, unlisted');
  }

  #endCheck(state: State, image: number, id: string, check: CheckUnderWay, seen: ReadAnswer): void {
    const { nowMs, ledger } = state;
    const { maxFailedChecks } = this.#scenario;
    const isFailed = seen !== 'found' && seen !== 'absent';
    if (isFailed && state.failedChecks >= maxFailedChecks) return;
    const failedChecks = state.failedChecks + Number(isFailed && Number.isFinite(maxFailedChecks));
    const { beganAtMs, isOtherAccount } = check;
    const made = this.#checkBy(seen, beganAtMs, isOtherAccount ? OTHER_KEY : KEY, nowMs);
    const { ledger: checked, problems } = this.#applyCheck(ledger, nowMs, id, made);
    const next = withCheck({ ...state, ledger: checked, failedChecks }, image, null);
    const over = (slot: Slot, index: number) =>
      this.#imageOf(index) === image && this.#isOver(state, index, beganAtMs) ? { ...slot, isSeenAfter: true } : slot;
    const after = seen === 'found' ? { ...next, slots: next.slots.map(over) } : next;
    const wrong = wrongRows(state, after, { ...check, seen }, this.#setting);
    const slow = nowMs > beganAtMs ? 'slow ' : '';
    const by = isOtherAccount ? ', by another account' : '';
    this.#add(`${slow}check: ${seen}${by}`, `a check of ${id} ends: ${seen}${by}`, after, [...problems, ...wrong]);
  }

  /** When something is next due, or may end. */
  #nextMs({ nowMs, ledger, slots }: State): number {
    const { schedule, deadlineMs, overMs } = this.#scenario.rules;
    const planned = schedule.map((afterS) => afterS * 1000);
    const open = ledger.rows.filter(isOpen);
    const alive = slots.filter(isAlive);
    const times = [
      ...open.flatMap(({ reservedAtMs }) => [overMs, ...planned].map((afterMs) => reservedAtMs + afterMs)),
      ...alive.flatMap(({ reservedAtMs }) => [deadlineMs, overMs].map((afterMs) => reservedAtMs + afterMs)),
      ...(ledger.nextCheckMs === null ? [] : [ledger.nextCheckMs]),
    ];
    const newestMs = Math.max(...[...open, ...alive].map(({ reservedAtMs }) => reservedAtMs));
    const nextMs = Math.min(...times.filter((timeMs) => timeMs > nowMs));
    return nextMs > newestMs + (planned.at(-1) ?? 0) + HOUR_MS ? Number.POSITIVE_INFINITY : nextMs;
  }

  /** Time passes until something is due or may end. */
  #pass(state: State): void {
    const { nowMs, slots, checks } = state;
    const { schedule, deadlineMs } = this.#scenario.rules;
    const nextMs = this.#nextMs(state);
    // An attempt has a time limit, and no request hangs until the first check.
    const isWaiting = slots.filter(isAlive).some(({ position, reservedAtMs }) => {
      const standsForMs = this.#scenario.isComplete ? (schedule[0] ?? 0) * 1000 : deadlineMs;
      const endsAfterMs = position !== null && position.waitsFor !== 'pause' ? deadlineMs : standsForMs;
      return nextMs > reservedAtMs + endsAfterMs;
    });
    const isChecking = checks.some((check) => check !== null && nextMs > check.beganAtMs + CHECK_MS);
    if (isWaiting || isChecking || !Number.isFinite(nextMs)) return;
    this.#add('time passes', `${(nextMs - nowMs) / 1000} s pass`, { ...state, nowMs: nextMs });
  }

  /** Applies a check that begins and ends at this time. */
  check(from: Ledger, nowMs: number, image: string, seen: ReadAnswer): Applied<null> {
    return this.#applyCheck(from, nowMs, image, this.#checkBy(seen, nowMs, KEY));
  }

  #applyCheck(from: Ledger, nowMs: number, image: string, check: Check): Applied<null> {
    const { finding, unlistedAbsence, beganAtMs, keyFingerprint } = check;
    return this.ledgers.apply(from, nowMs, {
      key: `check ${image} ${beganAtMs} ${finding} ${unlistedAbsence} ${keyFingerprint}`,
      act: (store) => ({ result: null, events: store.applyCheck(image, check, nowMs) }),
      counts: () => [...(finding === 'failed' ? ['failed_checks||'] : []), ...(unlistedAbsence ? ['unlisted||'] : [])],
    });
  }

  #checkBy(seen: ReadAnswer, beganAtMs: number, keyFingerprint: string, nowMs = beganAtMs): Check {
    const { finding, unlistedAbsence, isFromItsBegin } = this.#subject.findings[seen];
    return { finding, unlistedAbsence, beganAtMs: isFromItsBegin ? beganAtMs : nowMs, keyFingerprint };
  }

  /** A deletion was done, so the image was still there when older requests for it were over. */
  #withSeenAfter(state: State, index: number): State {
    const { reservedAtMs = 0 } = state.ledger.rows.find(({ id }) => id === this.nameOf(index)) ?? {};
    const slots = state.slots.map((slot, at) => {
      const isOther = at !== index && this.#imageOf(at) === this.#imageOf(index);
      return isOther && this.#isOver(state, at, reservedAtMs) ? { ...slot, isSeenAfter: true } : slot;
    });
    return { ...state, slots };
  }

  #withGone(state: State, image: number, by: number): State {
    const slots = state.slots.map((slot, index) =>
      this.#imageOf(index) === image ? { ...slot, mayActLate: false } : slot,
    );
    return { ...state, slots, gone: state.gone.map((was, at) => (at === image ? by : was)) };
  }

  /** Whether the row of a deletion exists and its request was over at this time. */
  #isOver({ ledger }: State, index: number, timeMs: number): boolean {
    const row = ledger.rows.find(({ id }) => id === this.nameOf(index));
    return row !== undefined && row.reservedAtMs + this.#scenario.rules.overMs <= timeMs;
  }

  /** Losses are counted only if they are limited. */
  #lossesOf({ losses }: Slot, isLoss: boolean): number {
    return isLoss && Number.isFinite(this.#scenario.maxLosses) ? losses + 1 : losses;
  }

  /**
   * Whether an unknown row of the image is at a planned time. A refusal brings a check forward only then, because between these times
   * the same would happen again every five seconds.
   */
  #isPlannedTime({ ledger, nowMs }: State, image: string): boolean {
    const { schedule, overMs } = this.#scenario.rules;
    const times = [overMs, ...schedule.map((afterS) => afterS * 1000)];
    return ledger.rows.some(
      ({ imageId, outcome, reservedAtMs }) =>
        imageId === image && outcome === 'unknown' && times.includes(nowMs - reservedAtMs),
    );
  }

  #isLate({ nowMs }: State, { reservedAtMs }: Slot): boolean {
    return nowMs >= reservedAtMs + this.#scenario.rules.deadlineMs;
  }

  #reservation(index: number): Reservation {
    const { caller, requestId, image } = this.#spec(index);
    return { id: this.nameOf(index), requestId, caller, subject: null, imageId: image, keyFingerprint: KEY };
  }

  #requests(index: number): Requests {
    const { reading, plain } = this.#subject.requests;
    return this.#spec(index).reads ? reading : plain;
  }

  #spec(index: number): Spec {
    const spec = this.#scenario.specs[index];
    if (spec === undefined) throw new Error(`There is no deletion ${index}.`);
    return spec;
  }

  /** The id of a deletion's row. */
  nameOf(index: number): string {
    return this.#setting.names[index] ?? '';
  }

  #imageOf(index: number): number {
    return this.images.indexOf(this.#spec(index).image);
  }
}

function isDone({ outcome, confirmed }: Settlement): boolean {
  return outcome === 'deleted' && confirmed === true;
}

function refusalCounter(reserved: Extract<Reserved, { ok: false }>): string {
  const { open, of } = reserved.failure;
  return open === undefined ? `refusals||${of}` : 'in_progress||';
}
