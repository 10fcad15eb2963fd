/**
 * A breadth-first search of every state that several deletions can reach.
 *
 * A state consists of the rows, the progress of each request, what Baidu has done and may still do, and the running check. It
 * also has the time since the oldest of these that still matters. Each event leads to another state, and no state is entered
 * twice.
 */
import { Events, type Subject } from './events.ts';
import type { Invariant, Problem } from './invariants.ts';
import { isOpen } from './ledgers.ts';
import { wrongFuture } from './liveness.ts';
import { IDLE, isAlive, keyOf, type Scenario, type State } from './state.ts';

export interface Violation {
  readonly invariant: Invariant;
  readonly text: string;
  readonly path: readonly string[];
}

export interface Report {
  readonly states: number;
  readonly ledgers: number;
  readonly events: ReadonlyMap<string, number>;
  /** The first violation of each invariant. No other has a shorter path. */
  readonly violations: ReadonlyMap<Invariant, Violation>;
}

/** How a state was first reached. */
interface Origin {
  readonly before: number;
  readonly label: string;
}

export class Search {
  readonly #scenario: Scenario;
  readonly #events: Events;
  readonly #futures = new Map<string, readonly Problem[]>();

  constructor(subject: Subject, scenario: Scenario) {
    this.#scenario = scenario;
    this.#events = new Events(subject, scenario);
  }

  /** Searches every state, or stops at the first violation of `wanted`. A state with a violation has no successors. */
  run(wanted: readonly Invariant[], stopsAtFirst = false): Report {
    const known = new Set<string>();
    const states: State[] = [];
    const origins: Origin[] = [];
    const events = new Map<string, number>();
    const violations = new Map<Invariant, Violation>();
    const enter = (state: State, origin: Origin) => {
      const key = keyOf(state);
      if (known.has(key)) return;
      known.add(key);
      states.push(state);
      origins.push(origin);
    };
    const isBroken = (problems: readonly Problem[], path: () => string[]) => {
      const broken = problems.filter(({ invariant }) => wanted.includes(invariant));
      for (const { invariant, text } of broken) {
        if (!violations.has(invariant)) violations.set(invariant, { invariant, text, path: path() });
      }
      return broken.length > 0;
    };
    enter(this.#start(), { before: 0, label: '' });
    // The list grows during the loop.
    for (const [index, state] of states.entries()) {
      if (stopsAtFirst && violations.size > 0) break;
      if (isBroken(this.#future(state, wanted), () => pathTo(index, origins))) continue;
      for (const { event, label, state: next, problems } of this.#events.after(state)) {
        events.set(event, (events.get(event) ?? 0) + 1);
        if (isBroken(problems, () => [...pathTo(index, origins), label])) continue;
        enter(this.#anchored(next), { before: index, label });
      }
    }
    return { states: states.length, ledgers: this.#events.ledgers.size, events, violations };
  }

  #start(): State {
    const { specs } = this.#scenario;
    return {
      nowMs: 0,
      ledger: this.#events.ledgers.empty,
      slots: specs.map(() => IDLE),
      gone: this.#events.images.map(() => null),
      checks: this.#events.images.map(() => null),
      failedChecks: 0,
    };
  }

  /** The same state with the time counted from the oldest thing that still matters. */
  #anchored(state: State): State {
    const { ledger, slots, checks, nowMs } = state;
    const times = [
      ...ledger.rows.filter(isOpen).map(({ reservedAtMs }) => reservedAtMs),
      ...slots.filter(isAlive).map(({ reservedAtMs }) => reservedAtMs),
      ...checks.flatMap((check) => check?.beganAtMs ?? []),
    ];
    const byMs = Math.min(nowMs, ...times);
    return {
      ...state,
      nowMs: nowMs - byMs,
      ledger: this.#events.ledgers.earlier(ledger, byMs),
      slots: slots.map((slot, index) => {
        const { outcome } = ledger.rows.find(({ id }) => id === this.#events.nameOf(index)) ?? {};
        // For a row with any other final outcome, it does not matter whether the image was seen.
        const isSeenAfter = slot.isSeenAfter && (outcome === 'unknown' || outcome === 'not_deleted');
        return { ...slot, isSeenAfter, reservedAtMs: isAlive(slot) ? slot.reservedAtMs - byMs : 0 };
      }),
      checks: checks.map((check) => check && { ...check, beganAtMs: check.beganAtMs - byMs }),
    };
  }

  #future({ ledger, gone, nowMs }: State, wanted: readonly Invariant[]): readonly Problem[] {
    if (!wanted.some((each) => each === 'final' || each === 'verified' || each === 'free')) return [];
    const key = `${ledger.id} ${nowMs} ${gone.map((by) => by === null).join()}`;
    const problems =
      this.#futures.get(key) ??
      wrongFuture(
        { ledger, nowMs, isThere: (image) => gone[this.#events.images.indexOf(image)] === null },
        this.#scenario.rules,
        this.#events,
      );
    this.#futures.set(key, problems);
    return problems;
  }
}

function pathTo(index: number, origins: readonly Origin[]): string[] {
  const labels: string[] = [];
  for (let at = index; at > 0; at = origins[at]?.before ?? 0) labels.unshift(origins[at]?.label ?? '');
  return labels;
}
