/**
 * A list of deletions, read lazily.
 *
 * Promises: never claims to be complete after a failed read. If a caller may see only its own rows, another caller's row is an error:
 * someone else has signed in meanwhile.
 */
import type { DeletionJson } from '../client/index.ts';

/** The gateway now takes us for a different caller. */
export class OtherCallerError extends Error {}

export class Reading {
  readonly #source: AsyncIterator<DeletionJson, void>;
  /** The only caller whose rows are allowed; `null`: anyone's. */
  readonly #caller: string | null;
  readonly rows: DeletionJson[] = [];
  /** Whether all rows have been read. */
  isOver = false;
  /** Whether a read has failed. Then a new `Reading` is needed. */
  isBroken = false;

  constructor(source: AsyncIterator<DeletionJson, void>, caller: string | null) {
    this.#source = source;
    this.#caller = caller;
  }

  /** Reads until there are `count` rows, or no more. @throws OtherCallerError, or what the source throws */
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
