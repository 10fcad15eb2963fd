/** What a running gateway says about itself. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { askReadiness } from '../../src/tools/gateway.ts';
import { READY, type StandIn, startStandIn } from './api.ts';
import { temporary } from './world.ts';

const { folder, remove } = temporary('gateway');
let standIn: StandIn;
beforeAll(async () => {
  standIn = await startStandIn(folder);
});
afterAll(async () => {
  await standIn.stop();
  remove();
});
beforeEach(() => {
  standIn.readiness = { status: 200, body: READY };
});

const problem = {
  type: 'https://images.test/problems/unauthenticated',
  title: 'The caller is unknown',
  status: 401,
  detail: 'Send a key.',
  instance: '/readyz',
  code: 'unauthenticated',
  outcome: 'not_attempted',
  retryable: false,
};

describe('the readiness of a gateway', () => {
  it.each([
    ['found', { fault: null, isControlFound: true }],
    [null, { fault: null, isControlFound: false }],
    [undefined, { fault: null, isControlFound: false }],
    [
      'absent',
      { fault: expect.stringContaining('does not have the first of PROTECTED_IMAGES'), isControlFound: false },
    ],
  ])('is reported with the version if the control is %s', async (control, value) => {
    standIn.readiness = { status: 200, body: { ...READY, control } };
    expect(await askReadiness(standIn.gatewayUrl, 'token')).toEqual({
      ok: true,
      value: { version: 'version-0', ...value },
    });
  });

  it('is a fault, still with the version, if the gateway refuses the token', async () => {
    standIn.readiness = { status: 401, body: problem };
    expect(await askReadiness(standIn.gatewayUrl, 'token')).toEqual({
      ok: true,
      value: { version: 'version-0', fault: expect.stringContaining('unauthenticated'), isControlFound: false },
    });
  });

  it('is a fault without a version if no gateway answers', async () => {
    const answered = await askReadiness('http://127.0.0.1:1', 'token');
    expect(answered).toMatchObject({ ok: true, value: { version: null, fault: expect.stringMatching(/./) } });
  });

  it('cannot be checked without a token, or at an invalid address', async () => {
    expect(await askReadiness(standIn.gatewayUrl)).toEqual({
      ok: false,
      failure: 'the variable GATEWAY_TOKEN is not set',
    });
    for (const url of ['http://images.test', 'images.test', `${standIn.gatewayUrl}/readyz`]) {
      const answered = await askReadiness(url, 'secret-token');
      expect([url, answered]).toEqual([url, { ok: false, failure: expect.stringMatching(/[^.]$/) }]);
      expect([url, JSON.stringify(answered)]).toEqual([url, expect.not.stringContaining('Invalid URL')]);
      expect(JSON.stringify(answered)).not.toContain('secret-token');
    }
  });
});
