/**
 * What must hold in every state.
 *
 * - `lock`: a deletion is sent only if no other of its image may still run, and a check has found the image or all planned checks are
 *   over. It is never sent without a row, or after its request is over.
 * - `no-false-outcome`: Baidu's record contradicts no answer and no row.
 * - `budget`: no more images are deleted than the budgets allow, and no deletion is refused while there is room.
 * - `final-words`: a final outcome never changes. After it, only `confirmed` and `verified` change, once each, and the log has the lines
 *   it must have.
 * - `counters`: rows and counters agree.
 * - `final`, `verified`, `free`: if Baidu answers from now on, each unknown row becomes final, each deletion is read back, and each image
 *   becomes free in time.
 */
export const INVARIANTS = [
  'lock',
  'no-false-outcome',
  'budget',
  'final-words',
  'counters',
  'final',
  'verified',
  'free',
] as const;
export type Invariant = (typeof INVARIANTS)[number];

/** A violation of an invariant. */
export interface Problem {
  readonly invariant: Invariant;
  readonly text: string;
}
