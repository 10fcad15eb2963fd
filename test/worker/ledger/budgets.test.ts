import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUDGET_WINDOW_MS, BudgetBook, CountedImages } from '../../../src/worker/ledger/budgets.ts';

const DAY_MS = BUDGET_WINDOW_MS;

describe('counted images', () => {
  it('count each image once, from the time of its newest row', () => {
    const counted = new CountedImages();
    counted.add('a', 10);
    counted.add('a', 30);
    counted.add('b', 20);
    expect([counted.count(0), counted.count(15), counted.count(25), counted.count(30)]).toEqual([2, 2, 1, 0]);
    expect([counted.has('a', 29), counted.has('a', 30), counted.has('c', 0)]).toEqual([true, false, false]);
    expect(counted.newestMs()).toBe(30);
  });

  it('fall back to the older row when the newest is taken back', () => {
    const counted = new CountedImages();
    counted.add('a', 10);
    counted.add('a', 30);
    counted.remove('a', 30);
    expect([counted.count(5), counted.count(10), counted.newestMs()]).toEqual([1, 0, 10]);
    counted.remove('a', 10);
    expect([counted.count(0), counted.newestMs()]).toEqual([0, null]);
  });

  it('ignore the removal of what was never added', () => {
    const counted = new CountedImages();
    counted.add('a', 10);
    counted.remove('a', 11);
    counted.remove('b', 10);
    expect(counted.count(0)).toBe(1);
  });

  it('agree with counting everything anew, whatever the order of times', () => {
    const step = fc.record({
      remove: fc.boolean(),
      image: fc.constantFrom('a', 'b', 'c', 'd'),
      atMs: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 0, max: 20 }), (steps, sinceMs) => {
        const counted = new CountedImages();
        let rows: [string, number][] = [];
        for (const { remove, image, atMs } of steps) {
          const index = rows.findIndex(([known, time]) => known === image && time === atMs);
          if (remove) {
            counted.remove(image, atMs);
            rows = rows.filter((_, other) => other !== index);
          } else {
            counted.add(image, atMs);
            rows.push([image, atMs]);
          }
        }
        const counting = new Set(rows.filter(([, atMs]) => atMs > sinceMs).map(([image]) => image));
        expect(counted.count(sinceMs)).toBe(counting.size);
        for (const image of ['a', 'b', 'c', 'd']) expect(counted.has(image, sinceMs)).toBe(counting.has(image));
        const times = rows.map(([, atMs]) => atMs);
        expect(counted.newestMs()).toBe(times.length === 0 ? null : Math.max(...times));
      }),
    );
  });
});

describe('the wait for a budget', () => {
  it('is for the image that has to stop counting', () => {
    const counted = new CountedImages();
    for (const [index, image] of ['a', 'b', 'c'].entries()) counted.add(image, (index + 1) * 1_000);
    const nowMs = 10_000;
    expect(counted.retryAfterS(4, nowMs)).toBeNull();
    expect(counted.retryAfterS(3, nowMs)).toBe((1_000 + DAY_MS - nowMs) / 1_000);
    expect(counted.retryAfterS(1, nowMs)).toBe((3_000 + DAY_MS - nowMs) / 1_000);
  });

  it('lasts until the image stops counting, and is at least one second', () => {
    const counted = new CountedImages();
    counted.add('a', 0);
    expect(counted.retryAfterS(1, DAY_MS - 1)).toBe(1);
    expect(counted.retryAfterS(1, DAY_MS)).toBeNull();
  });

  it('is a day for a budget of 0, and never longer', () => {
    expect(new CountedImages().retryAfterS(0, 5)).toBe(86_400);
    const ahead = new CountedImages();
    ahead.add('a', 50 * DAY_MS);
    expect(ahead.retryAfterS(1, DAY_MS)).toBe(86_400);
  });
});

describe('the book of all budgets', () => {
  const budgets = (caller: number, account: number) => ({ caller, account });

  it('counts an image of two callers twice for them and once for the account', () => {
    const book = new BudgetBook();
    book.add('x', 'a', 10);
    book.add('y', 'a', 20);
    expect(book.exhausted('x', 'b', budgets(1, 10), 30)).toMatchObject({ of: 'caller', budget: 1 });
    expect(book.exhausted('y', 'b', budgets(1, 10), 30)).toMatchObject({ of: 'caller', budget: 1 });
    expect(book.exhausted('z', 'b', budgets(1, 2), 30)).toBeNull();
    expect(book.exhausted('z', 'b', budgets(1, 1), 30)).toMatchObject({ of: 'account', budget: 1 });
  });

  it('lets an image pass that counts already, unless the budget is 0', () => {
    const book = new BudgetBook();
    book.add('x', 'a', 10);
    expect(book.exhausted('x', 'a', budgets(1, 1), 20)).toBeNull();
    expect(book.exhausted('x', 'a', budgets(0, 1), 20)).toMatchObject({ of: 'caller', budget: 0 });
    expect(book.exhausted('x', 'a', budgets(1, 0), 20)).toMatchObject({ of: 'account', budget: 0 });
    // It counts for the account, but not yet for this caller.
    expect(book.exhausted('y', 'a', budgets(1, 1), 20)).toBeNull();
  });

  it('names the budget with the longer wait if both are used up', () => {
    const book = new BudgetBook();
    book.add('y', 'a', 1_000);
    book.add('x', 'b', 2_000);
    expect(book.exhausted('x', 'c', budgets(1, 2), 3_000)).toMatchObject({ of: 'caller' });
    expect(book.exhausted('y', 'c', budgets(1, 1), 3_000)).toMatchObject({ of: 'account' });
  });

  it('counts nothing any more that is taken back', () => {
    const book = new BudgetBook();
    book.add('x', 'a', 10);
    book.remove('x', 'a', 10);
    book.remove('nobody', 'a', 10);
    expect([book.exhausted('x', 'b', budgets(1, 1), 20), book.newestMs()]).toEqual([null, null]);
  });
});
