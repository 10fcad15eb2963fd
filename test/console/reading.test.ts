import { describe, expect, it } from 'vitest';
import type { DeletionJson } from '../../src/client/index.ts';
import { OtherCallerError, Reading } from '../../src/console/reading.ts';
import { deletionRow } from '../fixtures.ts';

/** Rows of the caller `cleaner` with the request ids 0, 1, 2, …, and then `end`. */
async function* source(count: number, end: () => void = () => undefined, caller = 'cleaner') {
  for (let n = 0; n < count; n++) yield deletionRow({ requestId: `${n}`, caller });
  end();
}
const idsOf = (rows: readonly DeletionJson[]) => rows.map(({ requestId }) => requestId);

describe('a reading', () => {
  it('reads only as many rows as asked for, continues, and knows its end', async () => {
    const reading = new Reading(source(3), null);
    await reading.pull(2);
    expect([idsOf(reading.rows), reading.isOver]).toEqual([['0', '1'], false]);
    await reading.pull(3);
    expect([idsOf(reading.rows), reading.isOver]).toEqual([['0', '1', '2'], false]);
    await reading.pull(9);
    expect([idsOf(reading.rows), reading.isOver]).toEqual([['0', '1', '2'], true]);
  });

  it('keeps the order if it is called twice at once', async () => {
    const reading = new Reading(source(9), null);
    await Promise.all([reading.pull(3), reading.pull(6)]);
    expect(idsOf(reading.rows)).toEqual(['0', '1', '2', '3', '4', '5']);
  });

  it('that fails is broken, and never over', async () => {
    const reading = new Reading(
      source(1, () => {
        throw new Error('lost');
      }),
      null,
    );
    await expect(reading.pull(9)).rejects.toThrow('lost');
    expect([reading.isBroken, reading.isOver]).toEqual([true, false]);
  });

  it('refuses a row of another caller, unless it may read all callers', async () => {
    const own = new Reading(source(1), 'cleaner');
    await own.pull(9);
    expect(own.rows).toHaveLength(1);
    const other = new Reading(source(1, undefined, 'other'), 'cleaner');
    await expect(other.pull(9)).rejects.toBeInstanceOf(OtherCallerError);
    expect(other.rows).toEqual([]);
  });
});
