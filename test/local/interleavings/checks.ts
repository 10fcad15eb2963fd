/**
 * What a check concludes from each of Baidu's answers: the real `checkImage`, run once for each.
 *
 * A check depends only on what it reads, so the search applies these findings to the ledger and reads nothing.
 */
import type { Check } from '../../../src/worker/ledger/schedule.ts';
import { platformRuntime } from '../../../src/worker/platform.ts';
import type { Runtime } from '../../../src/worker/runtime.ts';
import { READ_ANSWERS, type ReadAnswer } from './answers.ts';
import type { Code } from './code.ts';
import { gatewayOf, IMAGE_ID, START_MS } from './gateway.ts';

/** `isFromItsBegin`: whether the check uses the time when its read began, not the time of the response. */
export interface Seen extends Pick<Check, 'finding' | 'unlistedAbsence'> {
  readonly isFromItsBegin: boolean;
}

export type Findings = Readonly<Record<ReadAnswer, Seen>>;

const READ_MS = 1_000;

export async function findingsOf(code: Code): Promise<Findings> {
  return {
    found: await seenBy(code, 'found'),
    undocumented: await seenBy(code, 'undocumented'),
    absent: await seenBy(code, 'absent'),
    'absent, something else': await seenBy(code, 'absent, something else'),
    'absent, unlisted': await seenBy(code, 'absent, unlisted'),
    error: await seenBy(code, 'error'),
  };
}

async function seenBy(code: Code, answer: ReadAnswer): Promise<Seen> {
  let nowMs = START_MS;
  const runtime: Runtime = {
    now: () => nowMs,
    random: () => 0.5,
    randomUUID: () => 'id-this',
    sleep: async () => undefined,
    startTimer: platformRuntime.startTimer,
    fetch: async () => {
      nowMs += READ_MS;
      return READ_ANSWERS[answer](IMAGE_ID);
    },
    log: () => undefined,
  };
  const check = await code.checkImage(gatewayOf(code, runtime), IMAGE_ID, runtime);
  const { finding, unlistedAbsence, beganAtMs } = check;
  return { finding, unlistedAbsence, isFromItsBegin: beganAtMs === START_MS };
}
