/**
 * A list of deletions, read only as far as needed.
 *
 * Promises: after a failed read it never claims to be complete; a row of another caller is an error for a caller that may see
 * only its own, because someone else has signed in meanwhile.
 */
import type { DeletionJson } from '../client/index.ts';

/** The gateway takes us for another caller than when we signed in. */
export class OtherCallerError extends Error {}

export class Reading {
  readonly #source: AsyncIterator<DeletionJson, void>;
  /** Whose rows there may be; `null`: anybody's. */
  readonly #caller: string | null;
  readonly rows: DeletionJson[] = [];
  /** Whether all rows have been read. */
  isOver = false;
  /** Whether a read has failed. Then another reading has to begin. */
  isBroken = false;

  constructor(source: AsyncIterator<DeletionJson, void>, caller: string | null) {
    this.#source = source;
    this.#caller = caller;
  }

  /** Reads until there are so many rows, or no more. @throws OtherCallerError, or what the source throws */
  async pull(count: number): Promise<void> {
    try {
      while (!this.isOver && this.rows.length < count) {
        const next = await this.#source.next();
        if (next.done === true) this.isOver = true;
        else if (this.#caller === null || next.value.caller === this.#caller) this.rows.push(next.value);
        else throw new OtherCallerError();
      }
    } catch (thrown) {
      this.isBroken = true;
      throw thrown;
    }
  }
}
