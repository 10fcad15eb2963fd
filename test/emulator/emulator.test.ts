/** The emulator refuses what a strict server refuses, so an accepted request is evidence. */
import { describe, expect, it } from 'vitest';
import { isRecord } from '../../src/worker/json.ts';
import vectors from '../worker/baidu/vectors.json';
import { refusal } from './bce-auth.ts';
import { Emulator } from './emulator.ts';

const nowMs = Date.parse('2024-05-06T07:08:09Z');
const vector = vectors.find(({ name }) => name === 'generated/delete-region/bcc.bj');
const account = { accessKeyId: vector?.accessKeyId ?? '', secretAccessKey: vector?.secretAccessKey ?? '' };
const authorization = vector?.expectedAuthorization ?? '';
const date = '2024-05-06T07:08:09Z';

function signed(
  change: Record<string, string | null> = {},
  url = `https://bcc.bj.baidubce.com${vector?.path}`,
  method = 'DELETE',
) {
  const headers = new Headers({ host: 'bcc.bj.baidubce.com', 'x-bce-date': date, authorization });
  for (const [name, value] of Object.entries(change)) value === null ? headers.delete(name) : headers.set(name, value);
  return new Request(url, { method, headers });
}
const code = async (request: Request, atMs = nowMs) => (await refusal(request, account, atMs))?.code ?? 'accepted';

describe('the emulator', () => {
  it('accepts the official vector', async () => {
    expect(await code(signed())).toBe('accepted');
  });

  it.each<[string, Request]>([
    ['no authorization', signed({ authorization: null })],
    ['another scheme', signed({ authorization: authorization.replace('v1', 'v2') })],
    ['an additional field', signed({ authorization: `${authorization}/` })],
    ['a fraction in the timestamp', signed({ authorization: authorization.replace('09Z', '09.000Z') })],
    ['an expiration of zero', signed({ authorization: authorization.replace('/1800/', '/0/') })],
  ])('refuses %s as malformed', async (_what, request) => {
    expect(await code(request)).toBe('InvalidHTTPAuthHeader');
  });

  it.each<[string, Request]>([
    ['another access key', signed({ authorization: authorization.replace('aaaa', 'aaab') })],
    [
      'a signature with one digit changed',
      signed({ authorization: authorization.replace(/.$/, (d) => (d === '0' ? '1' : '0')) }),
    ],
    ['another path', signed({}, 'https://bcc.bj.baidubce.com/v2/image/m-other001')],
    ['another method', signed({}, undefined, 'GET')],
    ['an unsigned query', signed({}, `https://bcc.bj.baidubce.com${vector?.path}?a=b`)],
    ['another host', signed({ host: 'bcc.gz.baidubce.com' })],
    ['another x-bce-date', signed({ 'x-bce-date': '2024-05-06T07:08:10Z' })],
    ['an unsigned x-bce header', signed({ 'x-bce-meta': 'x' })],
    ['a missing signed header', signed({ 'x-bce-date': null })],
    ['a list without host', signed({ authorization: authorization.replace('host;x-bce-date', 'x-bce-date') })],
    ['an unsigned expiration', signed({ authorization: authorization.replace('/1800/', '/3600/') })],
    [
      'an unknown session token',
      signed({
        'x-bce-security-token': 'x',
        authorization: authorization.replace('x-bce-date', 'x-bce-date;x-bce-security-token'),
      }),
    ],
  ])('refuses %s as invalid', async (_what, request) => {
    expect(await code(request)).toBe('IamSignatureInvalid');
  });

  it.each([
    ['after it expired', nowMs + 1_801_000],
    ['more than half an hour before its time', nowMs - 1_801_000],
  ])('refuses a signature %s', async (_when, atMs) => {
    expect(await code(signed(), atMs)).toBe('RequestExpired');
    expect(await code(signed(), nowMs + 1_799_000)).toBe('accepted');
    expect(await code(signed(), nowMs - 1_799_000)).toBe('accepted');
  });

  it('deletes nothing for an unsigned request', async () => {
    const emulator = new Emulator(account, async () => undefined);
    const request = new Request('https://bcc.bj.baidubce.com/v2/image/m-custom01', { method: 'DELETE' });
    const response = await emulator.fetch(request);
    const body: unknown = await response.json();
    expect(response.status).toBe(400);
    expect(isRecord(body) && body['code']).toBe('InvalidHTTPAuthHeader');
    expect(emulator.images.has('m-custom01')).toBe(true);
    expect(response.headers.get('x-bce-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('deletes nothing for an unsigned request, even with a fault that follows a deletion', async () => {
    const emulator = new Emulator(account, async () => undefined);
    emulator.misbehave('drop_after');
    const request = new Request('https://bcc.bj.baidubce.com/v2/image/m-custom01', { method: 'DELETE' });
    await expect(emulator.fetch(request)).rejects.toThrow('Network connection lost.');
    expect(emulator.images.has('m-custom01')).toBe(true);
  });
});
