/**
 * Everything that one deletion can do, as a table: the real `deleteImage`, run to each of its awaits, with every way in which that
 * await can end.
 *
 * A promise cannot be forked, but a deletion depends only on its inputs. So it is run from the start for each list of inputs, and the
 * table records what it asks for next. Equivalent positions are merged. The search then steps through the table and runs nothing twice.
 */
import { vi } from 'vitest';
import type { Ledger, Reserved, Settlement } from '../../../src/worker/ledger/rows.ts';
import type { RowOutcome } from '../../../src/worker/outcome.ts';
import { platformRuntime } from '../../../src/worker/platform.ts';
import type { OutgoingRequest, Runtime } from '../../../src/worker/runtime.ts';
import { DELETE_ANSWERS, type DeleteAnswer, IMAGE_NAME, READ_ANSWERS } from './answers.ts';
import type { Code } from './code.ts';
import { gatewayOf, IMAGE_ID, START_MS } from './gateway.ts';

/** An outcome, and whether Baidu confirmed it. */
export interface Words {
  readonly outcome: RowOutcome;
  readonly confirmed: boolean | null;
}

/** How a deletion ends: the answer to the caller, and what is written to the ledger. */
export interface End {
  readonly id: number;
  /** Equal for ends that write the same. */
  readonly messageId: number;
  readonly answer: Words;
  /** Whether the answer repeats the outcome of the same request, sent earlier. */
  readonly isOfFirst: boolean;
  /** `cancel` if the reply of the reservation was lost. `null` if the reservation was refused. */
  readonly message: { readonly kind: 'settle' | 'cancel'; readonly settlement: Settlement } | null;
}

/** A position of a deletion: what it waits for, and the next position for each way that can end. */
export interface Position {
  readonly id: number;
  readonly waitsFor: 'DELETE' | 'GET' | 'pause' | 'nothing';
  /** By `inputKey`: the name of the input, and whether it comes after the deadline. */
  readonly next: ReadonlyMap<string, Position>;
  readonly end: End | null;
}

/** The first position, by `replyKey`. */
export type Requests = ReadonlyMap<string, Position>;

interface Input {
  readonly name: string;
  readonly isLate: boolean;
  readonly reserved?: Reserved;
}

type Asked = { readonly waitsFor: 'DELETE' | 'GET' | 'pause' } | { readonly waitsFor: 'nothing'; readonly end: End };

const never = () => new Promise<never>(() => undefined);
const INPUTS = {
  DELETE: Object.keys(DELETE_ANSWERS),
  // Any failed read ends the deletion before it is sent.
  GET: ['found', 'absent', 'absent, unlisted', 'absent, something else'],
  pause: ['goes on'],
};

/** The name of an input in `Position.next`. */
export function inputKey(name: string, isLate: boolean): string {
  return isLate ? `${name}, late` : name;
}

/** The part of a reservation's reply that affects a deletion. `isOwn`: whether the open row is of the same request. */
export function replyKey(reserved: Reserved, isOwn: boolean): string {
  if (!reserved.ok) {
    if (reserved.failure.open === undefined) return 'refused by a budget';
    return isOwn ? 'refused, same request' : 'refused';
  }
  const { isAfterNotDeleted, sameRequest } = reserved;
  const first = sameRequest && `${sameRequest.isDeleted ? 'deleted' : 'unknown'} ${sameRequest.confirmed}`;
  return `reserved${isAfterNotDeleted ? ', after not_deleted' : ''}${first === null ? '' : `, first ${first}`}`;
}

const SAME_REQUESTS = [null, [true, true], [true, false], [false, false]] as const;
const REFUSAL = { of: 'caller', budget: 1, retryAfterS: 5 } as const;

/** Every result of a reservation, admitted or refused. */
function replies(caller: string, requestId: string): (readonly [key: string, reserved: Reserved])[] {
  const admitted = [false, true].flatMap((isAfterNotDeleted) =>
    SAME_REQUESTS.map((same): Reserved => {
      const [isDeleted = false, confirmed = false] = same ?? [];
      const sameRequest = same && { id: 'id-first', isDeleted, confirmed, upstreamRequestId: null };
      return { ok: true, value: null, isAfterNotDeleted, sameRequest };
    }),
  );
  const refusedBy = (of: string): Reserved => ({
    ok: false,
    failure: { ...REFUSAL, open: { id: 'id-open', caller: of, requestId } },
  });
  return [
    ...admitted.map((reserved) => [replyKey(reserved, false), reserved] as const),
    [replyKey(refusedBy(caller), true), refusedBy(caller)],
    [replyKey(refusedBy('other'), false), refusedBy('other')],
    ['refused by a budget', { ok: false, failure: REFUSAL }],
  ];
}

/** The numbered ends and positions of one version of the code. */
export class RequestTables {
  readonly #code: Code;
  readonly #deadlineMs: number;
  readonly #positions = new Map<string, Position>();
  readonly #ends = new Map<string, End>();
  readonly #messages = new Map<string, number>();

  constructor(code: Code, deadlineMs: number) {
    this.#code = code;
    this.#deadlineMs = deadlineMs;
  }

  /** @param reads whether a rule needs the image's name, so that the deletion reads the image first */
  async build(reads: boolean): Promise<Requests> {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const requests = new Map<string, Position>();
      for (const [key, reserved] of replies('caller', 'request')) {
        for (const isLate of reserved.ok ? [false, true] : [false]) {
          const position = await this.#explore(reads, [{ name: 'reply', isLate, reserved }]);
          requests.set(inputKey(key, isLate), position);
        }
      }
      return requests.set('reply lost', await this.#explore(reads, [{ name: 'reply lost', isLate: false }]));
    } finally {
      vi.useRealTimers();
    }
  }

  async #explore(reads: boolean, inputs: readonly Input[]): Promise<Position> {
    const asked = await this.#run(reads, inputs);
    if (asked.waitsFor === 'nothing') return this.#position(asked.waitsFor, new Map(), asked.end);
    const next = new Map<string, Position>();
    const wasLate = inputs.some(({ isLate }) => isLate);
    for (const name of INPUTS[asked.waitsFor]) {
      for (const isLate of wasLate ? [true] : [false, true]) {
        next.set(inputKey(name, isLate), await this.#explore(reads, [...inputs, { name, isLate }]));
      }
    }
    return this.#position(asked.waitsFor, next, null);
  }

  #position(waitsFor: Position['waitsFor'], next: ReadonlyMap<string, Position>, end: End | null): Position {
    const key = JSON.stringify([waitsFor, [...next].map(([name, { id }]) => [name, id]), end?.id]);
    const known = this.#positions.get(key) ?? { id: this.#positions.size, waitsFor, next, end };
    this.#positions.set(key, known);
    return known;
  }

  #end(answer: Words, isOfFirst: boolean, message: End['message']): End {
    const { outcome, confirmed, unlistedAbsence } = message?.settlement ?? {};
    const messageKey = JSON.stringify([message?.kind, outcome, confirmed, unlistedAbsence === true]);
    const messageId = this.#messages.get(messageKey) ?? this.#messages.size;
    this.#messages.set(messageKey, messageId);
    const key = JSON.stringify([messageId, answer, isOfFirst]);
    const known = this.#ends.get(key) ?? { id: this.#ends.size, messageId, answer, isOfFirst, message };
    this.#ends.set(key, known);
    return known;
  }

  /** Runs a deletion with these inputs. Resolves with what it asks for after the last. */
  #run(reads: boolean, inputs: readonly Input[]): Promise<Asked> {
    const { deleteImage, outcomeOf } = this.#code;
    const { promise, resolve, reject } = Promise.withResolvers<Asked>();
    let nowMs = START_MS;
    let taken = 0;
    let message: End['message'] = null;
    const pass = (isLate: boolean) => {
      if (isLate && nowMs < START_MS + this.#deadlineMs) nowMs = START_MS + this.#deadlineMs;
    };
    const take = (waitsFor: 'DELETE' | 'GET' | 'pause'): Input | null => {
      const input = inputs[taken++];
      if (input === undefined) resolve({ waitsFor });
      return input ?? null;
    };
    const write = (kind: 'settle' | 'cancel') => async (_: unknown, settlement: Settlement) => {
      message = { kind, settlement };
    };
    const ledger: Partial<Ledger> = {
      reserve: async () => {
        const input = inputs[taken++];
        pass(input?.isLate === true);
        if (input?.reserved === undefined) throw new Error('The reply was lost.');
        return input.reserved;
      },
      settle: write('settle'),
      cancel: write('cancel'),
    };
    const runtime: Runtime = {
      now: () => nowMs,
      random: () => 0.5,
      randomUUID: () => 'id-this',
      sleep: async () => {
        const input = take('pause');
        if (input === null) return never();
        pass(input.isLate);
      },
      startTimer: platformRuntime.startTimer,
      fetch: async (url, request) => {
        if (!url.endsWith(`/v2/image/${IMAGE_ID}`)) throw new Error(`Unexpected call of ${url}.`);
        const input = take(request.method);
        if (input === null) return never();
        if (input.name === 'lost' && input.isLate) return this.#timedOut(request, () => pass(true));
        pass(input.isLate);
        return answerTo(request.method, input.name);
      },
      log: () => undefined,
    };
    const gateway = gatewayOf(this.#code, runtime, { deadlineMs: this.#deadlineMs, ledger });
    const request = {
      id: 'id-this',
      requestId: 'request',
      caller: { id: 'caller', scopes: new Set(['images:delete'] as const), names: null, dailyDeletions: null },
      subject: null,
      imageId: IMAGE_ID,
      allowMissing: false,
      expectName: reads ? IMAGE_NAME : null,
    };
    deleteImage(gateway, request, () => undefined).then(({ result, first, thrown }) => {
      if (thrown !== undefined) return reject(thrown);
      const answer = result.ok ? result.value : { outcome: outcomeOf(result.failure), confirmed: null };
      resolve({ waitsFor: 'nothing', end: this.#end(answer, first !== undefined, message) });
    }, reject);
    return promise;
  }

  /** Makes an attempt time out. */
  #timedOut({ signal }: OutgoingRequest, pass: () => void): Promise<never> {
    if (signal === undefined) throw new Error('An attempt without a signal never ends.');
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        pass();
        reject(signal.reason);
      });
      vi.advanceTimersByTime(this.#deadlineMs);
    });
  }
}

function answerTo(method: OutgoingRequest['method'], name: string): Response {
  const answers: Readonly<Record<string, ((imageId: string) => Response) | null>> =
    method === 'DELETE' ? DELETE_ANSWERS : READ_ANSWERS;
  const answer = answers[name];
  if (answer === undefined || answer === null) throw new Error('Network connection lost.');
  return answer(IMAGE_ID);
}

/** Whether an answer leaves open what the attempt did, or may still do. */
export function isLoss(answer: string): boolean {
  const losses: readonly DeleteAnswer[] = ['lost', 'error', 'garbled'];
  return losses.some((loss) => loss === answer);
}
