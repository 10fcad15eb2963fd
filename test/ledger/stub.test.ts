/** How the gateway deals with a ledger that fails, restarts or answers late. */
import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import type { Settlement } from '../../src/ledger/rows.ts';
import { KEYS } from '../fixtures.ts';
import { bearer, createHarness, GATEWAY, historyPage, problemOf } from '../harness.ts';

describe('a ledger that fails', () => {
  const ledgerThat = (fails: { reserve?: boolean; settle?: boolean }, settlements: Settlement[] = []) => ({
    getByName: () => ({
      reserve: async () => {
        if (fails.reserve) throw new Error('down');
        return { seq: 1 };
      },
      settle: async (_seq: number, _imageId: string, settlement: Settlement) => {
        settlements.push(settlement);
        if (fails.settle) throw new Error('down');
        return null;
      },
    }),
  });

  it('before a deletion prevents it', async () => {
    const harness = createHarness({ env: { LEDGER: ledgerThat({ reserve: true }) } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    expect(harness.requests).toHaveLength(0);
    expect(harness.lines[0]).toMatchObject({ severity: 'ERROR' });
  });

  it('after a deletion is told the outcome twice; the operator gets an error, and the caller the true outcome', async () => {
    const settlements: Settlement[] = [];
    const harness = createHarness({ env: { LEDGER: ledgerThat({ settle: true }, settlements) } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await response.json()).toMatchObject({ outcome: 'deleted' });
    expect(settlements).toHaveLength(2);
    expect(harness.lines[0]).toMatchObject({
      severity: 'ERROR',
      record: { 'ledger.settled': false, outcome: 'deleted' },
    });
  });

  it('when it is asked for a history makes the gateway answer 503', async () => {
    const harness = createHarness({
      env: { LEDGER: { getByName: () => ({ history: () => Promise.reject(new Error('x')) }) } },
    });
    const response = await harness.call('GET', '/deletions');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', status: 503 });
  });
});

describe('a ledger that restarts while Baidu works', () => {
  it('takes the outcome all the same', async () => {
    const harness = createHarness();
    const name = `restarted-${crypto.randomUUID()}`;
    const ledgers = { getByName: () => env.LEDGER.getByName(name) };
    const restarting = createHarness({
      env: { LEDGER: ledgers },
      fetch: async (request) => {
        await runInDurableObject(env.LEDGER.getByName(name), (_ledger, ctx) => ctx.abort('restarted')).catch(
          () => null,
        );
        return harness.emulator.fetch(request);
      },
    });
    const response = await restarting.call('DELETE', '/images/m-custom01');
    expect(await response.json()).toMatchObject({ outcome: 'deleted' });
    expect(restarting.lines[0]?.record).toMatchObject({ 'ledger.settled': true });
    expect((await historyPage(restarting, '/deletions')).body.deletions).toMatchObject([{ outcome: 'deleted' }]);
  });
});

describe('a ledger that reserves too late', () => {
  it('is told that nothing was sent', async () => {
    const settlements: Settlement[] = [];
    const late = {
      getByName: () => ({
        reserve: () => new Promise((resolve) => setTimeout(() => resolve({ seq: 7 }), 5_300)),
        settle: async (_seq: number, _imageId: string, settlement: Settlement) => {
          settlements.push(settlement);
          return null;
        },
      }),
    };
    const harness = createHarness({ env: { LEDGER: late } });
    const ctx = createExecutionContext();
    const request = new Request(`${GATEWAY}/images/m-custom01`, { method: 'DELETE', headers: bearer(KEYS.cleaner) });
    const response = await harness.app.fetch(request, {}, ctx);
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    expect(harness.lines[0]?.record['ledger.settled']).toBeUndefined();
    await waitOnExecutionContext(ctx);
    expect(settlements).toMatchObject([{ outcome: 'not_attempted', attempts: 0 }]);
    expect(harness.requests).toHaveLength(0);
  }, 20_000);

  it('is not waited for beyond the deadline', async () => {
    const slow = {
      getByName: () => ({
        reserve: () => new Promise((resolve) => setTimeout(() => resolve({ seq: 7 }), 300)),
        settle: async () => null,
      }),
    };
    const limits = { UPSTREAM_DEADLINE_MS: '250', UPSTREAM_ATTEMPT_TIMEOUT_MS: '250' };
    const harness = createHarness({ env: { LEDGER: slow, ...limits } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    expect(harness.requests).toHaveLength(0);
  });
});
