/** Which ledger row has a deletion's final outcome, and what the caller gets from it. */
import { describe, expect, it } from 'vitest';
import { concluded, finalRowIn } from '../../src/client/final-outcome.ts';
import { type DeletionJson, ProblemError, type RowOutcome } from '../../src/client/index.ts';
import { ROW_OUTCOMES } from '../../src/worker/outcome.ts';
import { deletionRow } from '../fixtures.ts';

const AT_MS = Date.parse('2026-11-25T08:00:00Z');
const SOUGHT = { imageId: 'm-custom01', requestId: 'job-1', sinceMs: AT_MS };

const row = (outcome: RowOutcome, fields: Partial<DeletionJson> = {}) =>
  deletionRow({ outcome, confirmed: outcome === 'deleted' || outcome === 'already_absent' ? true : null, ...fields });
const outcomeIn = (...rows: DeletionJson[]) => finalRowIn(rows, SOUGHT)?.outcome;

describe('the final outcome in the rows', () => {
  it("is our only row's outcome, unless that is unknown", () => {
    for (const outcome of ROW_OUTCOMES) {
      expect(outcomeIn(row(outcome))).toBe(outcome === 'unknown' ? undefined : outcome);
    }
  });

  it('is unknown without a row', () => {
    expect(outcomeIn()).toBeUndefined();
  });

  it.each<[string, Partial<DeletionJson>]>([
    ['another image', { imageId: 'm-custom02' }],
    ['another request', { requestId: 'job-1.2' }],
    ['an earlier call', { reservedAt: '2026-11-25T07:59:59.999Z' }],
  ])('is not taken from the row of %s', (_what, change) => {
    expect(outcomeIn(row('deleted', change))).toBeUndefined();
    expect(outcomeIn(row('deleted', change), row('rejected'))).toBe('rejected');
    expect(outcomeIn(row('rejected'), row('deleted', change))).toBe('rejected');
  });

  it('is deleted if any row says so', () => {
    for (const outcome of ROW_OUTCOMES) {
      expect(outcomeIn(row(outcome), row('deleted'))).toBe('deleted');
      expect(outcomeIn(row('deleted'), row(outcome))).toBe('deleted');
    }
  });

  it('is unknown if rows disagree', () => {
    const others = ROW_OUTCOMES.filter((outcome) => outcome !== 'deleted');
    for (const one of others) {
      for (const other of others) {
        const agreed = one === other && one !== 'unknown' ? one : undefined;
        expect(outcomeIn(row(one), row(other)), `${one} and ${other}`).toBe(agreed);
      }
    }
  });
});

describe('what the caller gets', () => {
  const toldOf = (outcome: RowOutcome, change: Partial<DeletionJson> = {}, allowMissing = false): unknown => {
    try {
      return concluded(row(outcome, change), allowMissing);
    } catch (error) {
      return error;
    }
  };

  it('is a success if the image was deleted, confirmed or not', () => {
    for (const confirmed of [true, false]) {
      const success = {
        id: 'm-custom01',
        outcome: 'deleted',
        confirmed,
        requestId: 'job-1',
        upstreamRequestId: 'up-1',
      };
      expect(toldOf('deleted', { confirmed })).toEqual(success);
    }
    expect(toldOf('deleted', { confirmed: null })).toMatchObject({ confirmed: false });
  });

  it('is a success if the image was absent and allowMissing is set', () => {
    expect(toldOf('already_absent', {}, true)).toMatchObject({ outcome: 'already_absent', confirmed: true });
    const error = toldOf('already_absent', { code: 'upstream_timeout' });
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ code: 'image_not_found', outcome: 'already_absent', retryable: false });
  });

  it.each(['rejected', 'not_attempted', 'not_deleted'] as const)('is a failure if the row says %s', (outcome) => {
    for (const allowMissing of [true, false]) {
      const error = toldOf(outcome, { code: 'upstream_throttled' }, allowMissing);
      expect(error).toBeInstanceOf(ProblemError);
      expect(error).toMatchObject({
        code: 'upstream_throttled',
        outcome,
        retryable: false,
        requestId: 'job-1',
        problem: null,
      });
    }
  });

  it('has no code if the row has no code or an invalid one', () => {
    expect(toldOf('not_deleted')).toMatchObject({ code: null });
    expect(toldOf('not_deleted', { code: '<b>' })).toMatchObject({ code: null });
  });
});
