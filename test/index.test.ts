/** The Worker as `wrangler.toml` describes it, with its real bindings, against the emulator on a real socket. */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env, exports } from 'cloudflare:workers';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import worker from '../src/index.ts';
import type { FaultName } from './emulator/emulator.ts';
import { KEYS } from './fixtures.ts';
import { problemOf } from './harness.ts';

const direct = (order: string, body: unknown) =>
  fetch(`${env.BCC_ENDPOINT}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });
const misbehave = (...faults: FaultName[]) => direct('faults', faults);
const remove = (id: string, headers: Record<string, string> = {}) =>
  exports.default.fetch(`https://gateway.test/images/${id}`, {
    method: 'DELETE',
    headers: { Authorization: `Bearer ${KEYS.cleaner}`, ...headers },
  });

beforeEach(async () => {
  await direct('reset', null);
});

describe('the Worker', () => {
  it('deletes an image', async () => {
    const response = await remove('m-custom01', { 'X-Request-Id': 'job-1' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: 'm-custom01', outcome: 'deleted', requestId: 'job-1' });
    expect(response.headers.get('x-request-id')).toBe('job-1');
    expect(response.headers.get('cache-control')).toBe('no-store');
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
    ['error_code_on_200', 'upstream_rejected_credentials'],
    ['throttled_long', 'upstream_throttled'],
    ['unavailable_long', 'upstream_error'],
  ])('answers the fault %s with %s', async (fault, code) => {
    await misbehave(fault, fault);
    expect(await problemOf(await remove('m-custom01'))).toMatchObject({ code });
  });

  it('corrects a clock that is an hour off', async () => {
    await direct('clock', 3_600_000);
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
