/** The client: what it signs, what it sends, and that it reveals no credential. */
import { describe, expect, it } from 'vitest';
import { BceClient } from '../../../src/worker/baidu/client.ts';
import type { OutgoingRequest } from '../../../src/worker/runtime.ts';
import { EMULATOR_CREDENTIALS } from '../../fixtures.ts';
import { createHarness } from '../../harness.ts';
import vectors from './vectors.json';

const url = new URL('https://bcc.bj.baidubce.com/v2/image/m-nky7qeom');
const credentials = { accessKeyId: 'ak', secretAccessKey: 'sk' };

function clientAt(timeMs: number, given: ConstructorParameters<typeof BceClient>[0] = credentials) {
  const clock = { timeMs };
  const sent: [url: string, request: OutgoingRequest][] = [];
  const fetch = async (to: string, request: OutgoingRequest) => {
    sent.push([to, request]);
    return new Response();
  };
  return { client: new BceClient(given, { fetch, now: () => clock.timeMs }), clock, sent };
}

describe('BceClient', () => {
  it('signs host and x-bce-date, with the time of the signing', () => {
    const { client, clock } = clientAt(Date.UTC(2026, 0, 2, 3, 4, 5, 999));
    const first = client.sign(url, { method: 'DELETE' });
    expect(first.headers['x-bce-date']).toBe('2026-01-02T03:04:05Z');
    expect(first.headers['authorization']).toMatch(
      /^bce-auth-v1\/ak\/2026-01-02T03:04:05Z\/300\/host;x-bce-date\/[0-9a-f]{64}$/,
    );
    expect([first.method, first.redirect, first.cache]).toEqual(['DELETE', 'manual', 'no-store']);

    expect(client.sign(url, { method: 'DELETE' }).headers['authorization']).toBe(first.headers['authorization']);
    clock.timeMs += 1;
    expect(client.sign(url, { method: 'DELETE' }).headers['x-bce-date']).toBe('2026-01-02T03:04:06Z');
    expect(client.sign(url, { method: 'DELETE', clockOffsetMs: 60_000 }).headers['x-bce-date']).toBe(
      '2026-01-02T03:05:06Z',
    );
    expect(client.sign(url, { method: 'GET' }).headers['authorization']).not.toBe(
      client.sign(url, { method: 'DELETE' }).headers['authorization'],
    );
  });

  it('derives a new signing key when the second changes, and again when it changes back', () => {
    const { client, clock } = clientAt(1_800_000_000_000);
    const at = () => client.sign(url, { method: 'DELETE' }).headers['authorization'];
    const first = at();
    clock.timeMs += 1000;
    const second = at();
    expect(second).not.toBe(first);
    clock.timeMs -= 1000;
    expect(at()).toBe(first);
    const fresh = clientAt(1_800_000_001_000);
    expect(fresh.client.sign(url, { method: 'DELETE' }).headers['authorization']).toBe(second);
  });

  it('sends a session token and signs it with the other headers', () => {
    const vector = vectors.find(({ name }) => name === 'generated/credential/sts-ak');
    if (vector === undefined || vector.secretAccessKey === null) throw new Error('no such vector');
    const sessionToken = Object.entries(vector.headers).find(([name]) => name === 'x-bce-security-token')?.[1];
    if (typeof sessionToken !== 'string') throw new Error('no token');
    const { accessKeyId, secretAccessKey } = vector;
    const { client } = clientAt(vector.timestampUnix * 1000, { accessKeyId, secretAccessKey, sessionToken });
    const request = client.sign(new URL(vector.path, 'https://bcc.bj.baidubce.com'), { method: 'DELETE' });
    expect(request.headers['x-bce-security-token']).toBe(sessionToken);
    expect(request.headers['authorization']).toContain('/300/host;x-bce-date;x-bce-security-token/');
  });

  it('sends one request, exactly as it signed it', async () => {
    const { client, sent } = clientAt(0);
    await client.fetch(url, { method: 'GET' });
    expect(sent).toEqual([[url.href, client.sign(url, { method: 'GET' })]]);
  });

  it('shows no credential when it is printed', () => {
    const { client } = clientAt(0, { ...credentials, secretAccessKey: 'the-secret' });
    client.sign(url, { method: 'GET' });
    expect(JSON.stringify(client) + String(client) + Object.getOwnPropertyNames(client).join()).not.toContain(
      'the-secret',
    );
  });

  it('replaces each credential in a text, plain or percent-encoded', () => {
    const { client } = clientAt(0, { accessKeyId: 'AKID', secretAccessKey: 's.k+', sessionToken: 't=/' });
    expect(client.scrub('akid s.k+ s.k%2b t=/ t%3D%2F sxk+')).toBe(
      '[scrubbed] [scrubbed] [scrubbed] [scrubbed] [scrubbed] sxk+',
    );
  });

  it('identifies its access key by the first 8 digits of a SHA-256 digest', () => {
    // printf %s abc | sha256sum
    const { client } = clientAt(0, { accessKeyId: 'abc', secretAccessKey: 'x' });
    expect(client.keyFingerprint).toBe('ba7816bf');
  });

  it('is accepted with a session token', async () => {
    const sessionToken = 'token+with/reserved=chars==';
    const harness = createHarness({
      account: { ...EMULATOR_CREDENTIALS, sessionToken },
      env: { BCE_SESSION_TOKEN: sessionToken },
    });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(response.status).toBe(200);
    expect(harness.requests[0]?.headers.get('authorization')).toContain('/host;x-bce-date;x-bce-security-token/');
  });
});
