/** The Worker as `wrangler.toml` describes it, with its real bindings, against the emulator on a real socket. */
import {
  createExecutionContext,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
  waitOnExecutionContext,
} from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { UncheckedEnv } from '../../src/worker/bindings.ts';
import worker, { Ledger } from '../../src/worker/index.ts';
import { isRecord } from '../../src/worker/json.ts';
import { DAY_MS, DAY_S, HOUR_MS } from '../../src/worker/time.ts';
import { checked } from '../answers.ts';
import type { FaultName } from '../emulator/emulator.ts';
import { ALL_ROWS, budgets, idOf, KEYS, reservation, settlement } from '../fixtures.ts';
import { freshLedger, ledgerNamed, problemOf } from '../harness.ts';

const direct = (order: string, body: unknown) =>
  fetch(`${env.BCC_ENDPOINT}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });
const misbehave = (...faults: FaultName[]) => direct('faults', faults);
const remove = async (id: string, headers: Record<string, string> = {}) => {
  const url = `https://gateway.test/images/${id}`;
  const init = { method: 'DELETE', headers: { Authorization: `Bearer ${KEYS.cleaner}`, ...headers } };
  return checked('DELETE', url, await exports.default.fetch(url, init));
};

beforeEach(async () => {
  await direct('reset', null);
  // An open deletion would block its image in the next test.
  await runInDurableObject(ledgerNamed('ledger'), (_ledger, ctx) => {
    ctx.storage.sql.exec('DELETE FROM deletions');
  });
});

describe('the entrypoint for other Workers', () => {
  const bound = async (props: Readonly<Record<string, unknown>>, path: string, method = 'DELETE') => {
    const url = `https://gateway.test${path}`;
    return checked(method, url, await exports.ImageGateway({ props }).fetch(url, { method }));
  };

  it('deletes an image for the caller that its properties name', async () => {
    const response = await bound({ caller: 'bound' }, '/images/m-custom01');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: 'm-custom01', outcome: 'deleted', confirmed: true });
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('has the same paths and failures as the public entrypoint', async () => {
    expect(await problemOf(await bound({ caller: 'bound' }, '/images/m-system01'))).toMatchObject({
      code: 'image_not_custom',
    });
    expect(await problemOf(await bound({ caller: 'bound' }, '/deletions', 'PUT'))).toMatchObject({
      code: 'method_not_allowed',
    });
    expect((await bound({}, '/healthz', 'GET')).status).toBe(200);
  });

  it('serves plain http, because the calling Worker makes up the URL, and the public entrypoint does not', async () => {
    const url = 'http://gateway.test/images/m-custom01';
    const refused = await checked('DELETE', url, await exports.default.fetch(url, { method: 'DELETE' }));
    expect(await problemOf(refused)).toMatchObject({ code: 'insecure_transport' });
    const props = { caller: 'bound' };
    const response = await checked(
      'DELETE',
      url,
      await exports.ImageGateway({ props }).fetch(url, { method: 'DELETE' }),
    );
    expect([response.status, response.headers.has('strict-transport-security')]).toEqual([200, false]);
  });

  it('refuses a body whatever Content-Length says, and accepts an empty stream', async () => {
    const url = 'https://gateway.test/images/m-custom01';
    const gateway = exports.ImageGateway({ props: { caller: 'bound' } });
    const send = (length: string, text: string) =>
      gateway.fetch(url, { method: 'DELETE', body: new Response(text).body, headers: { 'Content-Length': length } });
    const refused = await checked('DELETE', url, await send('0', '{}'));
    expect(await problemOf(refused)).toMatchObject({ detail: 'The request must not have a body.' });
    expect((await send('2', '')).status).toBe(200);
  });

  it.each([{}, { caller: 'cleaner' }, { caller: 'nobody' }])('admits nobody whose properties are %j', async (props) => {
    expect(await problemOf(await bound(props, '/images/m-custom01'))).toMatchObject({ code: 'unauthenticated' });
  });
});

describe('the Worker', () => {
  it('deletes an image', async () => {
    const response = await remove('m-custom01', { 'X-Request-Id': 'job-1' });
    expect(response.status).toBe(200);
    const body = { id: 'm-custom01', outcome: 'deleted', confirmed: true, requestId: 'job-1' };
    expect(await response.json()).toMatchObject(body);
    expect(response.headers.get('x-request-id')).toBe('job-1');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('gateway-version')).toBe(env.VERSION.id);
  });

  it('answers image_not_found for an absent image', async () => {
    expect(await problemOf(await remove('m-absent01'))).toMatchObject({ code: 'image_not_found' });
  });

  it('refuses to delete an image that is not a custom image', async () => {
    expect(await problemOf(await remove('m-system01'))).toMatchObject({ code: 'image_not_custom' });
  });

  it.each<FaultName>(['drop_before', 'drop_after', 'html_502', 'nothing_500', 'half_json_500'])(
    'deletes the image although the first attempt meets %s',
    async (fault) => {
      await misbehave(fault);
      expect(await (await remove('m-custom01')).json()).toMatchObject({ outcome: 'deleted' });
    },
  );

  it.each<[FaultName, string]>([
    ['redirect', 'upstream_unexpected'],
    ['megabyte_500', 'upstream_error'],
    ['iam_signature_invalid', 'upstream_rejected_credentials'],
    ['error_code_on_200', 'upstream_unexpected'],
    ['throttled_long', 'upstream_throttled'],
    ['unavailable_long', 'upstream_error'],
  ])('answers the fault %s with %s', async (fault, code) => {
    await misbehave(fault, fault);
    expect(await problemOf(await remove('m-custom01'))).toMatchObject({ code });
  });

  it('corrects a clock that is an hour off', async () => {
    await direct('clock', HOUR_MS);
    expect((await remove('m-custom01')).status).toBe(200);
  });

  it('finishes and records a deletion even if nobody waits for the answer', async () => {
    await misbehave('slow');
    const log = vi.spyOn(console, 'log');
    const ctx = createExecutionContext();
    const request = new Request<unknown, IncomingRequestCfProperties>('https://gateway.test/images/m-custom01', {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${KEYS.cleaner}` },
    });
    void worker.fetch(request, env, ctx);
    await waitOnExecutionContext(ctx);
    expect(log.mock.calls.map(([line]) => JSON.parse(line))).toEqual([
      expect.objectContaining({ 'image.id': 'm-custom01', outcome: 'deleted' }),
    ]);
    log.mockRestore();
  });

  it('admits nobody without a key', async () => {
    expect((await remove('m-custom01', { Authorization: 'Bearer wrong' })).status).toBe(401);
  });

  it('has rate limiters that count', async () => {
    // Twice the sum of both limits, because at most two windows can begin while this runs.
    const statuses = new Set<number>();
    for (let sent = 0; sent < 160 && !statuses.has(429); sent++) statuses.add((await remove('not-an-id')).status);
    expect(statuses).toContain(429);
  });
});

/** The ledger's object reads images through a real socket. Its first check comes after 45 s, and its last after an hour. */
describe("the ledger's alarm", () => {
  type Stub = ReturnType<typeof freshLedger>;

  const enter = (ledger: Stub, imageId: string, requestId = 'r1') =>
    ledger.reserve(reservation(requestId, imageId), budgets(9));
  /** Makes a row older by `seconds`. The next write then sets an alarm for now. */
  const age = (ledger: Stub, seconds: number, requestId = 'r1') =>
    runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec(
        'UPDATE deletions SET reserved_at = reserved_at - ?1, next_check_at = next_check_at - ?1 WHERE request_id = ?2',
        seconds * 1000,
        requestId,
      );
    });
  /** Enters a deletion that began `secondsAgo` and was never settled. */
  async function enterUnsettled(ledger: Stub, imageId: string, secondsAgo: number) {
    await enter(ledger, imageId);
    await age(ledger, secondsAgo);
  }

  /** Runs the alarm. Returns the lines that it logged. */
  async function ring(ledger: Stub): Promise<unknown[]> {
    const spies = [vi.spyOn(console, 'log'), vi.spyOn(console, 'error')];
    for (const spy of spies) spy.mockImplementation(() => undefined);
    expect(await runDurableObjectAlarm(ledger)).toBe(true);
    const lines = spies.flatMap((spy) => spy.mock.calls.map(([line]) => JSON.parse(line)));
    for (const spy of spies) spy.mockRestore();
    return lines;
  }

  const rowsOf = (ledger: Stub) => ledger.history(ALL_ROWS);
  const alarmOf = (ledger: Stub) => runInDurableObject(ledger, (_ledger, ctx) => ctx.storage.getAlarm());

  async function callsAtBaidu(): Promise<unknown[]> {
    const state: unknown = await (await fetch(`${env.BCC_ENDPOINT}/__emulator/state`)).json();
    const calls = isRecord(state) ? state['calls'] : undefined;
    if (!Array.isArray(calls)) throw new Error('no calls');
    return calls.map((call) => isRecord(call) && `${call['method']} ${call['path']}`);
  }

  it('resolves an unsettled row to deleted, unconfirmed, if its image is gone', async () => {
    const ledger = freshLedger();
    await enterUnsettled(ledger, 'm-absent01', 46);
    const words = { 'image.id': 'm-absent01', outcome: 'deleted', confirmed: false };
    expect(await ring(ledger)).toEqual([
      {
        timestamp: expect.any(String),
        severity_text: 'INFO',
        'event.name': 'resolved',
        'gateway.request.id': idOf('r1'),
        'request.id': 'r1',
        'caller.id': 'cleaner',
        ...words,
      },
    ]);
    const [row] = await rowsOf(ledger);
    expect(row).toMatchObject({ outcome: 'deleted', confirmed: false, settledAtMs: null });
    expect(Date.now() - (row?.resolvedAtMs ?? 0)).toBeLessThan(10_000);
    expect(await callsAtBaidu()).toEqual(['GET /v2/image/m-absent01']);
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now() + 398 * DAY_MS);
  });

  it('resolves an unsettled row to not_deleted if its image is there, but only at the last planned check', async () => {
    const ledger = freshLedger();
    await enterUnsettled(ledger, 'm-custom01', 46);
    expect(await ring(ledger)).toEqual([]);
    expect(await rowsOf(ledger)).toMatchObject([{ outcome: 'unknown', resolvedAtMs: null }]);
    // The second check comes 120 s after the reservation.
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now() + 60_000);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 74_000);

    await runInDurableObject(ledger, (_ledger, ctx) => {
      const [aged, due] = ['reserved_at = reserved_at - 3560000', 'next_check_at = next_check_at - 3560000'];
      ctx.storage.sql.exec(`UPDATE deletions SET ${aged}, ${due}`);
    });
    expect(await ring(ledger)).toMatchObject([{ outcome: 'not_deleted', confirmed: null }]);
    expect(await rowsOf(ledger)).toMatchObject([{ outcome: 'not_deleted', resolvedAtMs: expect.any(Number) }]);
    expect(await ledger.peek('cleaner', 'm-custom02', budgets(1))).toMatchObject({ exhausted: null });
  });

  it('leaves a row unknown if the read fails, even at the last planned check, and runs again an hour later', async () => {
    const ledger = freshLedger();
    await enterUnsettled(ledger, 'm-absent01', 3_601);
    await misbehave('internal_error', 'internal_error');
    expect(await ring(ledger)).toEqual([]);
    expect(await rowsOf(ledger)).toMatchObject([{ outcome: 'unknown' }]);
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now() + 3_500_000);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + HOUR_MS);
  });

  it('checks an image once for all of its rows', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'm-other001', 'r1');
    await enter(ledger, 'm-absent01', 'r2');
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec("UPDATE deletions SET image_id = 'm-absent01'");
    });
    await age(ledger, 3_601, 'r1');
    await age(ledger, 49, 'r2');
    expect(await ring(ledger)).toHaveLength(2);
    expect(await callsAtBaidu()).toEqual(['GET /v2/image/m-absent01']);
    expect((await rowsOf(ledger)).map(({ requestId, outcome }) => [requestId, outcome])).toEqual([
      ['r2', 'deleted'],
      ['r1', 'deleted'],
    ]);
  });

  it('reads a deletion back: verified if its image is gone, disproved if it is still there at the last planned check', async () => {
    const ledger = freshLedger();
    for (const [requestId, imageId] of [
      ['gone', 'm-absent01'],
      ['there', 'm-custom01'],
    ] as const) {
      await enter(ledger, imageId, requestId);
      await ledger.settle(idOf(requestId), settlement('deleted'));
    }
    await age(ledger, 46, 'gone');
    await age(ledger, 3_601, 'there');
    expect(await ring(ledger)).toMatchObject([
      {
        severity_text: 'ERROR',
        'event.name': 'disproved',
        'image.id': 'm-custom01',
        outcome: 'deleted',
        confirmed: true,
      },
    ]);
    expect((await rowsOf(ledger)).map(({ requestId, outcome, verified }) => [requestId, outcome, verified])).toEqual([
      ['gone', 'deleted', true],
      ['there', 'deleted', false],
    ]);
  });

  it('checks images even while deletions are disabled', async () => {
    const ledger = freshLedger();
    await enterUnsettled(ledger, 'm-absent01', 46);
    await ringWith(ledger, { ...env, DELETIONS: 'disabled' });
    expect(await rowsOf(ledger)).toMatchObject([{ outcome: 'deleted' }]);
  });

  it('runs again in ten minutes if the configuration is invalid, and does nothing but remove old rows', async () => {
    const ledger = freshLedger();
    await enter(ledger, 'm-absent01', 'r1');
    await enter(ledger, 'm-absent02', 'old');
    await age(ledger, 46, 'r1');
    await age(ledger, 401 * DAY_S, 'old');
    const before = (await rowsOf(ledger))[0];
    await ringWith(ledger, { ...env, BCE_ACCESS_KEY_ID: undefined });
    expect(await rowsOf(ledger)).toEqual([before]);
    expect(await callsAtBaidu()).toEqual([]);
    expect(await alarmOf(ledger)).toBeGreaterThan(Date.now() + 590_000);
    expect(await alarmOf(ledger)).toBeLessThanOrEqual(Date.now() + 600_000);
    expect((await ledger.metrics()).totals['failed_checks']).toBe(0);
  });

  it('reports a day of failed checks once, and goes on', async () => {
    const ledger = freshLedger();
    await enterUnsettled(ledger, 'm-absent01', 86_500);
    await misbehave('internal_error', 'internal_error', 'internal_error', 'internal_error');
    const line = { severity_text: 'ERROR', 'event.name': 'unresolved', 'image.id': 'm-absent01' };
    expect(await ring(ledger)).toMatchObject([line]);
    await runInDurableObject(ledger, (_ledger, ctx) => {
      ctx.storage.sql.exec('UPDATE deletions SET next_check_at = next_check_at - 86400000');
    });
    expect(await ring(ledger)).toEqual([]);
    expect(await rowsOf(ledger)).toMatchObject([{ outcome: 'unknown' }]);
  });

  it('resolves a row that a later settlement may confirm, but never overrule', async () => {
    const ledger = freshLedger();
    await enterUnsettled(ledger, 'm-absent01', 46);
    await ring(ledger);
    await evictDurableObject(ledger);
    await ledger.settle(idOf('r1'), settlement('deleted'));
    expect(await rowsOf(ledger)).toMatchObject([
      { outcome: 'deleted', confirmed: true, resolvedAtMs: expect.any(Number) },
    ]);

    const other = freshLedger();
    await enterUnsettled(other, 'm-absent01', 46);
    await ring(other);
    const error = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    await other.settle(idOf('r1'), settlement('rejected'));
    expect(error.mock.calls.map(([line]) => JSON.parse(line))).toMatchObject([
      { 'event.name': 'contradicted', outcome: 'deleted', 'settlement.outcome': 'rejected' },
    ]);
    error.mockRestore();
    expect(await rowsOf(other)).toMatchObject([{ outcome: 'deleted', confirmed: false, code: 'image_not_custom' }]);
  });

  /** Runs the alarm in an object with another configuration. */
  function ringWith(ledger: Stub, changed: UncheckedEnv): Promise<void> {
    return runInDurableObject(ledger, async (_ledger, ctx) => {
      const other = new Ledger(ctx, changed);
      // Its constructor sets an alarm, which would run in the object with the real configuration.
      await ctx.blockConcurrencyWhile(() => ctx.storage.deleteAlarm());
      await other.alarm();
    });
  }
});
