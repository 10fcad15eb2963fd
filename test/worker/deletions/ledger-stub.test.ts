/** How the gateway handles a ledger that fails, restarts or answers late. */
import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { Settlement } from '../../../src/worker/ledger/rows.ts';
import { KEYS } from '../../fixtures.ts';
import { bearer, createHarness, GATEWAY, HTTP, historyPage, ledgerNamed, problemOf } from '../../harness.ts';

describe('a ledger that fails', () => {
  const ledgerThat = (fails: { reserve?: boolean; settle?: boolean }, settlements: Settlement[] = []) => ({
    getByName: () => ({
      reserve: async () => {
        if (fails.reserve) throw new Error('down');
        return { ok: true, value: null };
      },
      settle: async (_id: string, settlement: Settlement) => {
        settlements.push(settlement);
        if (fails.settle) throw new Error('down');
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

  it('after a deletion gets the outcome twice; the operator gets an error, and the caller the true outcome', async () => {
    const settlements: Settlement[] = [];
    const harness = createHarness({ env: { LEDGER: ledgerThat({ settle: true }, settlements) } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await response.json()).toMatchObject({ outcome: 'deleted' });
    expect(settlements).toHaveLength(2);
    const [failure, audit, ...more] = harness.lines;
    expect(audit).toMatchObject({ severity: 'ERROR', record: { 'ledger.settled': false, outcome: 'deleted' } });
    expect(failure).toMatchObject({
      severity: 'ERROR',
      record: {
        'event.name': 'settle_failed',
        'gateway.request.id': audit?.record['gateway.request.id'],
        outcome: 'deleted',
      },
    });
    expect(more).toEqual([]);
  });

  it('when it is asked for the history causes a 503', async () => {
    const harness = createHarness({
      env: { LEDGER: { getByName: () => ({ history: () => Promise.reject(new Error('x')) }) } },
    });
    const response = await harness.call('GET', '/deletions');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', status: 503 });
  });
});

describe('a ledger that restarts during a deletion', () => {
  it('still records the outcome', async () => {
    const harness = createHarness();
    const name = crypto.randomUUID();
    const ledgers = { getByName: () => ledgerNamed(name) };
    const restarting = createHarness({
      env: { LEDGER: ledgers },
      fetch: async (request) => {
        await runInDurableObject(ledgerNamed(name), (_ledger, ctx) => ctx.abort('restarted')).catch(() => null);
        return harness.emulator.fetch(request);
      },
    });
    const response = await restarting.call('DELETE', '/images/m-custom01');
    expect(await response.json()).toMatchObject({ outcome: 'deleted' });
    expect(restarting.lines[0]?.record).toMatchObject({ 'ledger.settled': true });
    expect((await historyPage(restarting, '/deletions')).body.deletions).toMatchObject([{ outcome: 'deleted' }]);
  });
});

/** A ledger whose `reserve` replies after `ms`, and the calls it gets afterwards. */
function lateLedger(ms: number, reply: 'entered' | 'lost' = 'entered') {
  const settled: { id: string; settlement: Settlement }[] = [];
  const reserved: string[] = [];
  const ledger = {
    reserve: async ({ id }: { id: string }) => {
      reserved.push(id);
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (reply === 'lost') throw new Error('Network connection lost.');
      return { ok: true, value: null };
    },
    cancel: async ({ id }: { id: string }, settlement: Settlement) => {
      settled.push({ id, settlement });
    },
  };
  return { settled, reserved, namespace: { getByName: () => ledger } };
}

describe('a ledger that reserves too late', () => {
  it('gets a cancellation, because nothing was sent', async () => {
    const { namespace, settled, reserved } = lateLedger(5_300);
    const harness = createHarness({ env: { LEDGER: namespace } });
    const ctx = createExecutionContext();
    const request = new Request(`${GATEWAY}/images/m-custom01`, { method: 'DELETE', headers: bearer(KEYS.cleaner) });
    const response = await harness.app.fetch(request, HTTP, ctx);
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    expect(harness.lines[0]?.record['ledger.settled']).toBeUndefined();
    await waitOnExecutionContext(ctx);
    expect(settled).toMatchObject([{ id: reserved[0], settlement: { outcome: 'not_attempted', attempts: 0 } }]);
    expect(harness.requests).toHaveLength(0);
  }, 20_000);

  it('does not delay the answer beyond the deadline', async () => {
    const limits = { UPSTREAM_DEADLINE_MS: '250', UPSTREAM_ATTEMPT_TIMEOUT_MS: '250' };
    const harness = createHarness({ env: { LEDGER: lateLedger(300).namespace, ...limits } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    expect(harness.requests).toHaveLength(0);
  });
});

describe('a reservation whose reply is lost', () => {
  it('is cancelled by our own id, which the audit record has too', async () => {
    const { namespace, settled, reserved } = lateLedger(1, 'lost');
    const harness = createHarness({ env: { LEDGER: namespace } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'ledger_unavailable', outcome: 'not_attempted' });
    const id = harness.lines[0]?.record['gateway.request.id'];
    expect(reserved).toEqual([id]);
    expect(settled).toMatchObject([{ id, settlement: { outcome: 'not_attempted', attempts: 0, confirmed: null } }]);
    expect(harness.requests).toHaveLength(0);
  });

  it('counts against no budget, although the ledger entered it', async () => {
    const ledger = ledgerNamed(crypto.randomUUID());
    const calls = { reserve: 0 };
    const losing = {
      reserve: async (...given: Parameters<typeof ledger.reserve>) => {
        const reserved = await ledger.reserve(...given);
        if (calls.reserve++ === 0) throw new Error('Network connection lost.');
        return reserved;
      },
      settle: (...given: Parameters<typeof ledger.settle>) => ledger.settle(...given),
      cancel: (...given: Parameters<typeof ledger.cancel>) => ledger.cancel(...given),
      history: (...given: Parameters<typeof ledger.history>) => ledger.history(...given),
    };
    const harness = createHarness({ env: { LEDGER: { getByName: () => losing }, DAILY_DELETIONS: '1' } });
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(503);
    expect((await harness.call('DELETE', '/images/m-custom02')).status).toBe(200);
    const { body } = await historyPage(harness, '/deletions');
    expect(body.deletions).toMatchObject([
      { imageId: 'm-custom02', outcome: 'deleted' },
      { imageId: 'm-custom01', outcome: 'not_attempted', code: 'ledger_unavailable', attempts: 0 },
    ]);
  });
});

describe('a reservation that comes after its cancellation', () => {
  it('is refused, so no row stays unknown for a deletion that was never sent', async () => {
    const ledger = ledgerNamed(crypto.randomUUID());
    const cancelled = Promise.withResolvers<void>();
    let late: Promise<unknown> | undefined;
    const overtaken = {
      reserve: (...given: Parameters<typeof ledger.reserve>) => {
        const arrive = async () => {
          await cancelled.promise;
          await ledger.reserve(...given);
        };
        late = arrive().catch(String);
        throw new Error('Network connection lost.');
      },
      cancel: async (...given: Parameters<typeof ledger.cancel>) => {
        await ledger.cancel(...given);
        cancelled.resolve();
      },
      history: (...given: Parameters<typeof ledger.history>) => ledger.history(...given),
    };
    const harness = createHarness({ env: { LEDGER: { getByName: () => overtaken }, DAILY_DELETIONS: '1' } });
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(503);
    expect(await late).toMatch(/UNIQUE constraint failed: deletions\.id/);
    const { body } = await historyPage(harness, '/deletions');
    expect(body.deletions).toMatchObject([{ outcome: 'not_attempted', code: 'ledger_unavailable', attempts: 0 }]);
    expect(await ledger.peek('cleaner', 'm-custom02', { caller: 1, account: 1 })).toMatchObject({ exhausted: null });
  });
});

describe('the ledger', () => {
  it('is one object near Beijing for all callers', async () => {
    const asked: unknown[] = [];
    const ledger = ledgerNamed(crypto.randomUUID());
    const namespace = {
      getByName: (...given: unknown[]) => {
        asked.push(given);
        return ledger;
      },
    };
    const harness = createHarness({ env: { LEDGER: namespace } });
    await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.cleaner));
    await harness.call('DELETE', '/images/m-custom02', bearer(KEYS.both));
    await harness.call('GET', '/deletions', bearer(KEYS.auditor));
    await harness.call('GET', '/images/m-custom03', bearer(KEYS.reader));
    expect(asked).toHaveLength(6);
    expect(asked).toEqual(asked.map(() => ['ledger', { locationHint: 'apac-ne' }]));
  });

  it.each([
    ['bj', 'apac-ne'],
    ['su', 'apac-ne'],
    ['gz', 'apac-se'],
    ['hkg', 'apac-se'],
    ['sin', 'apac-se'],
  ])('for the region %s has the location hint %s', async (region, locationHint) => {
    const asked: unknown[] = [];
    const getByName = (_name: string, place: unknown) => {
      asked.push(place);
      throw new Error('down');
    };
    const env = { LEDGER: { getByName }, BCC_ENDPOINT: `https://bcc.${region}.baidubce.com` };
    await createHarness({ env }).call('GET', '/deletions', bearer(KEYS.auditor));
    expect(asked).toEqual([{ locationHint }]);
  });

  it('does not delay the answer once Baidu has answered, and the record follows the settlement', async () => {
    const settling = Promise.withResolvers<void>();
    const ledger = { reserve: async () => ({ ok: true, value: null }), settle: () => settling.promise };
    const harness = createHarness({ env: { LEDGER: { getByName: () => ledger } } });
    const ctx = createExecutionContext();
    const request = new Request(`${GATEWAY}/images/m-custom01`, { method: 'DELETE', headers: bearer(KEYS.cleaner) });
    const response = await harness.app.fetch(request, HTTP, ctx);
    expect(await response.json()).toMatchObject({ outcome: 'deleted' });
    expect(harness.lines).toEqual([]);
    settling.resolve();
    await waitOnExecutionContext(ctx);
    expect(harness.lines).toMatchObject([{ record: { outcome: 'deleted', 'ledger.settled': true } }]);
  });

  it.each<[string, unknown, number]>([
    ['with overloaded: true is not asked again', Object.assign(new Error('busy'), { overloaded: true }), 1],
    ['with overloaded: false is asked again', Object.assign(new Error('down'), { overloaded: false }), 2],
    ['without an error object is asked again', undefined, 2],
  ])('that fails %s', async (_what, thrown, times) => {
    let calls = 0;
    const settle = async () => {
      calls++;
      throw thrown;
    };
    const ledger = { reserve: async () => ({ ok: true, value: null }), settle };
    const harness = createHarness({ env: { LEDGER: { getByName: () => ledger } } });
    await harness.call('DELETE', '/images/m-custom01');
    expect([calls, harness.lines.at(-1)?.record['ledger.settled']]).toEqual([times, false]);
  });
});
