/**
 * A state of a search: how far each deletion is, what Baidu has done and may still do, and the check under way.
 *
 * The ledger's rows are the product's. All else here is the search's own record, against which the rows are judged.
 */
import type { Budgets } from '../../../src/worker/ledger/rows.ts';
import type { Schedule } from '../../../src/worker/ledger/schedule.ts';
import type { Ledger } from './ledgers.ts';
import type { End, Position } from './requests.ts';

/** One deletion that may be sent. */
export interface Spec {
  readonly caller: string;
  readonly requestId: string;
  readonly image: string;
  /** Whether a rule needs the image's name, so that the image is read first. */
  readonly reads: boolean;
}

/** What may happen, and how often. */
export interface Scenario {
  readonly title: string;
  readonly specs: readonly Spec[];
  readonly budgets: Budgets;
  readonly rules: Rules;
  /** How often an attempt, a process or a message of one deletion may be lost. */
  readonly maxLosses: number;
  /** How many checks may fail. */
  readonly maxFailedChecks: number;
  /**
   * Whether rare events happen, too: a reservation whose reply is lost, a request that hangs, responses of every class, and
   * checks by another account. Also a deletion that a proxy repeats, or that Baidu confirms but does not do.
   */
  readonly isComplete: boolean;
  /** Whether other events may come between the start of a check and its read, even if no time passes. */
  readonly hasSplitChecks: boolean;
  /** Whether someone may delete an image without the gateway. */
  readonly hasStrangers: boolean;
}

/** How far one deletion is. */
export interface Slot {
  /** `reply`: the row exists, and the reply is on its way. `waits`: at a position. `writes`: the settlement is on its way. */
  readonly phase: 'idle' | 'reply' | 'waits' | 'writes' | 'over';
  readonly reservedAtMs: number;
  /** The reservation's reply, as `replyKey` returns it. */
  readonly reply: string;
  readonly position: Position | null;
  readonly end: End | null;
  /** Whether a `DELETE` was sent. */
  readonly isSent: boolean;
  /** What the current attempt has done; `null` without one. */
  readonly attempt: 'nothing yet' | 'deleted' | null;
  /** Whether an abandoned attempt may still take effect. */
  readonly mayActLate: boolean;
  /** Whether the image was seen after this request was over: by a check, or because a later deletion was done. */
  readonly isSeenAfter: boolean;
  /** Whether the contract promises to notice that a proxy repeated this deletion. */
  readonly noticesRepeats: boolean;
  readonly losses: number;
}

/** A check whose read has started. */
export interface CheckUnderWay {
  readonly beganAtMs: number;
  /** Whether Baidu has answered that the image is there. */
  readonly isFound: boolean;
  readonly isOtherAccount: boolean;
}

/** Who deleted an image: the deletion with this index, or someone else (-1). `null`: the image exists. */
export type Gone = number | null;

export interface State {
  readonly nowMs: number;
  readonly ledger: Ledger;
  readonly slots: readonly Slot[];
  /** By image. */
  readonly gone: readonly Gone[];
  readonly checks: readonly (CheckUnderWay | null)[];
  /** Counted only if it is limited. */
  readonly failedChecks: number;
}

/** The times of requests and checks. */
export interface Rules {
  readonly schedule: Schedule;
  readonly deadlineMs: number;
  /** When a request is over. */
  readonly overMs: number;
}

/** A deletion not yet sent. */
export const IDLE: Slot = {
  phase: 'idle',
  reservedAtMs: 0,
  reply: '',
  position: null,
  end: null,
  isSent: false,
  attempt: null,
  mayActLate: false,
  isSeenAfter: false,
  noticesRepeats: false,
  losses: 0,
};

/** When the last planned check of a row is, in milliseconds after its reservation. */
export function lastMs({ schedule }: Rules): number {
  return (schedule.at(-1) ?? 0) * 1000;
}

/** Whether the request still runs. */
export function isAlive({ phase }: Slot): boolean {
  return phase === 'reply' || phase === 'waits';
}

/** The request has ended, and sends no more deletions. */
export function ending({ mayActLate, isSeenAfter, losses }: Slot, end: End): Slot {
  return { ...IDLE, phase: 'writes', end, mayActLate, isSeenAfter, losses };
}

/** The request is over, and none of its messages is on its way. */
export function overSlot({ mayActLate, isSeenAfter }: Slot): Slot {
  return { ...IDLE, phase: 'over', mayActLate, isSeenAfter };
}

export function withSlot(state: State, index: number, slot: Slot): State {
  return { ...state, slots: state.slots.map((was, at) => (at === index ? slot : was)) };
}

export function withCheck(state: State, image: number, check: CheckUnderWay | null): State {
  return { ...state, checks: state.checks.map((was, at) => (at === image ? check : was)) };
}

/** Identifies a state. */
export function keyOf({ nowMs, ledger, slots, gone, checks, failedChecks }: State): string {
  return `${nowMs} ${ledger.id} ${slots.map(slotKey).join('/')} ${gone.join()} ${checks.map(checkKey).join()} ${failedChecks}`;
}

function slotKey(slot: Slot): string {
  const {
    phase,
    reservedAtMs,
    reply,
    position,
    end,
    attempt,
    isSent,
    mayActLate,
    isSeenAfter,
    noticesRepeats,
    losses,
  } = slot;
  const flags = (isSent ? 1 : 0) + (mayActLate ? 2 : 0) + (isSeenAfter ? 4 : 0) + (noticesRepeats ? 8 : 0);
  let key = `${phase} ${flags} ${losses}`;
  if (phase === 'reply') key += ` ${reservedAtMs} ${reply}`;
  if (position !== null) key += ` ${reservedAtMs} ${position.id} ${attempt}`;
  if (end !== null) key += ` ${end.messageId}`;
  return key;
}

function checkKey(check: CheckUnderWay | null): string {
  return check === null ? '' : `${check.beganAtMs}${check.isFound}${check.isOtherAccount}`;
}
