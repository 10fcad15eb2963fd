/** The runbook's SQL, on a real ledger. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import RUNBOOK from '../src/docs/RUNBOOK.md?raw';
import { ALL_ROWS, budgets, idOf, reservation, settlement } from './fixtures.ts';
import { freshLedger } from './harness.ts';

const statements = [...RUNBOOK.matchAll(/^ *```sql\n(.*?)^ *```$/gms)].flatMap(([, block = '']) =>
  block.trim().split(/;\s*/).filter(Boolean),
);
const [unknown = '', decide = '', count = '', checkAtOnce = ''] = statements;
type Stub = ReturnType<typeof freshLedger>;
const run = (ledger: Stub, sql: string) =>
  runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.sql.exec(sql).toArray());

describe('the SQL of the runbook', () => {
  it('shows unknown rows, writes an outcome that a person found, and counts budgets as the ledger does', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('r1', 'm-custom01'), budgets(9));
    await ledger.reserve(reservation('r2', 'm-custom02'), budgets(9));
    await ledger.reserve(reservation('r3', 'm-custom03'), budgets(9));
    await ledger.settle(idOf('r2'), settlement('rejected'));
    const reserved = expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(await run(ledger, unknown)).toMatchObject([
      { id: idOf('r1'), request_id: 'r1', caller: 'cleaner', image_id: 'm-custom01', reserved, last_checked: null },
      { id: idOf('r3') },
    ]);
    await run(ledger, decide.replace("'ID'", `'${idOf('r1')}'`));
    const [, , row] = await ledger.history(ALL_ROWS);
    expect(row).toMatchObject({ id: idOf('r1'), outcome: 'deleted', confirmed: false });
    expect(Math.abs(Date.now() - (row?.resolvedAtMs ?? 0))).toBeLessThan(60_000);
    expect(await run(ledger, count)).toEqual([{ caller: 'cleaner', images: 2 }]);
    await evictDurableObject(ledger);
    expect((await ledger.peek('cleaner', 'm-custom04', budgets(2))).exhausted).not.toBeNull();
    expect((await ledger.peek('cleaner', 'm-custom04', budgets(3))).exhausted).toBeNull();
  });

  it('brings forward a check that is due tomorrow', async () => {
    const ledger = freshLedger();
    await ledger.reserve(reservation('r1', 'm-custom01'), budgets(9));
    await run(
      ledger,
      'UPDATE deletions SET reserved_at = reserved_at - 10 * 86400000, next_check_at = reserved_at + 86400000',
    );
    await runDurableObjectAlarm(ledger);
    expect(await ledger.history(ALL_ROWS)).toMatchObject([{ outcome: 'unknown' }]);
    await run(ledger, checkAtOnce);
    await evictDurableObject(ledger);
    await runDurableObjectAlarm(ledger);
    expect(await ledger.history(ALL_ROWS)).toMatchObject([{ outcome: 'not_deleted' }]);
  });
});
