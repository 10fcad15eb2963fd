/**
 * What must hold in every state.
 *
 * - `lock`: no deletion of an image is sent while another of it may run, nor before a check has found the image or all planned ones are
 *   over; none is sent without a row, or when its request is over.
 * - `no-false-outcome`: no answer and no row says what Baidu's record contradicts.
 * - `budget`: no more images are deleted than the budgets allow, and none is refused while there is room.
 * - `final-words`: a final outcome stays; after it only `confirmed` and `verified` change, once. What the log must show has its line.
 * - `counters`: rows and counters agree.
 * - `final`, `verified`, `free`: if Baidu answers from now on, each unknown row becomes final, each deletion is read back, and each image
 *   is free in time.
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

/** What is wrong, by the invariant that it breaks. */
export interface Problem {
  readonly invariant: Invariant;
  readonly text: string;
}
