/** The budgets counted in SQL, compared with a model that counts rows in a list, for rows of any time and outcome. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUDGET_WINDOW_MS, countedImages, exhaustedBudget } from '../../../src/worker/ledger/budgets.ts';
import { ROW_OUTCOMES } from '../../../src/worker/outcome.ts';
import { insideLedger } from '../../harness.ts';

const NOW_MS = Date.parse('2026-11-23T00:00:00Z');
const SINCE_MS = NOW_MS - BUDGET_WINDOW_MS;
const CALLERS = ['a', 'b'] as const;
const IMAGES = ['m-image01', 'm-image02', 'm-image03', 'm-image04'] as const;

const row = fc.record({
  caller: fc.constantFrom(...CALLERS),
  imageId: fc.constantFrom(...IMAGES),
  outcome: fc.constantFrom(...ROW_OUTCOMES, 'deleted' as const),
  atMs: fc.oneof(
    fc.integer({ min: SINCE_MS - 2, max: SINCE_MS + 2 }),
    fc.integer({ min: SINCE_MS, max: NOW_MS }),
    fc.integer({ min: NOW_MS, max: NOW_MS + 3 * BUDGET_WINDOW_MS }),
  ),
});
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never;

/** The newest time of each image that counts. */
function counted(rows: readonly Row[], caller: string | null): Map<string, number> {
  const images = new Map<string, number>();
  for (const each of rows) {
    const counts = (each.outcome === 'deleted' || each.outcome === 'unknown') && each.atMs > SINCE_MS;
    if (!counts || (caller !== null && each.caller !== caller)) continue;
    images.set(each.imageId, Math.max(each.atMs, images.get(each.imageId) ?? 0));
  }
  return images;
}

/** The seconds until there is room, or `null` if there is room now. */
function waitS(images: ReadonlyMap<string, number>, imageId: string, budget: number): number | null {
  if (budget === 0 && images.size === 0) return 86_400;
  if ((budget > 0 && images.has(imageId)) || images.size < budget) return null;
  const leaves = [...images.values()].sort((a, b) => a - b)[images.size - budget] ?? NOW_MS;
  return Math.min(Math.max(Math.ceil((leaves + BUDGET_WINDOW_MS - NOW_MS) / 1000), 1), 86_400);
}

describe('the budgets', () => {
  it('match the model', () =>
    insideLedger((sql) => {
      fc.assert(
        fc.property(fc.array(row, { maxLength: 12 }), fc.nat(3), fc.nat(4), (rows, ofCaller, ofAccount) => {
          sql.exec('DELETE FROM deletions');
          for (const [n, { caller, imageId, outcome, atMs }] of rows.entries()) {
            sql.exec(
              `INSERT INTO deletions (id, request_id, caller, image_id, key_fingerprint, reserved_at, began_at, outcome)
               VALUES (?1, 'r', ?2, ?3, 'f', ?4, ?4, ?5)`,
              String(n),
              caller,
              imageId,
              atMs,
              outcome,
            );
          }
          for (const caller of CALLERS) {
            for (const imageId of IMAGES) {
              const callerS = waitS(counted(rows, caller), imageId, ofCaller);
              const accountS = waitS(counted(rows, null), imageId, ofAccount);
              const isCaller = callerS !== null && callerS >= (accountS ?? 0);
              const expected = isCaller
                ? { of: 'caller', budget: ofCaller, retryAfterS: callerS }
                : accountS && { of: 'account', budget: ofAccount, retryAfterS: accountS };
              const budgets = { caller: ofCaller, account: ofAccount };
              expect(exhaustedBudget(sql, caller, imageId, budgets, NOW_MS)).toEqual(expected);
            }
          }
          const callers = CALLERS.map((caller) => [caller, counted(rows, caller).size] as const);
          expect(countedImages(sql, NOW_MS)).toEqual({
            account: counted(rows, null).size,
            callers: Object.fromEntries(callers.filter(([, size]) => size > 0)),
          });
        }),
        { numRuns: 200 },
      );
    }));
});
