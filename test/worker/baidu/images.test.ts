/** The image calls: where they go, what they carry, and how an image is read. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BceClient } from '../../../src/worker/baidu/client.ts';
import { createImageApi, type ImageApi, imageUrl } from '../../../src/worker/baidu/images.ts';
import { isImageId } from '../../../src/worker/image-id.ts';
import { platformRuntime } from '../../../src/worker/platform.ts';
import type { OutgoingRequest } from '../../../src/worker/runtime.ts';
import { failure } from '../../emulator/emulator.ts';
import { KEYS } from '../../fixtures.ts';
import { bearer, createHarness, problemOf } from '../../harness.ts';

describe('the URL of an image', () => {
  it.each(['m-nky7qeom', 'm-DpgNg8lO', 'm-abcdef', `m-${'Z9'.repeat(16)}`])('ends in /v2/image/%s', (id) => {
    if (!isImageId(id)) throw new Error(id);
    expect(imageUrl('https://bcc.bj.baidubce.com', id).href).toBe(`https://bcc.bj.baidubce.com/v2/image/${id}`);
  });

  it.each([
    'https://bcc.bj.baidubce.com/',
    'https://bcc.bj.baidubce.com/x',
    'https://u@bcc.bj.baidubce.com',
    'https://bcc.bj.baidubce.com:443',
  ])('is not built on %s, because that is not an origin', (endpoint) => {
    const id = 'm-nky7qeom';
    if (isImageId(id)) expect(() => imageUrl(endpoint, id)).toThrow('not canonical');
  });
});

describe('reading an image', () => {
  const image = { id: 'm-custom01', name: 'x', type: 'Custom', status: 'Available' };
  const id = image.id;
  if (!isImageId(id)) throw new Error(id);
  const headers = { 'x-bce-request-id': 'r' };
  const unexpected = { ok: false, failure: { code: 'upstream_unexpected', outcome: 'unknown' } };
  const endMs = Date.now() + 60_000;

  function apiThatGets(fetch: () => Promise<Response>): ImageApi {
    const runtime = { ...platformRuntime, fetch };
    const client = new BceClient({ accessKeyId: 'ak', secretAccessKey: 'sk' }, runtime);
    return createImageApi('https://bcc.bj.baidubce.com', { client, attemptTimeoutMs: 60_000, runtime });
  }

  it.each([
    'Image.UnCustomImageCannotBeDeleted',
    'Image.CreatingImageCannotBeDeleted',
    'Image.ImageHasBeenSharedToOthers',
  ])('says nothing about the image if Baidu refuses with %s, which is for deletions', async (code) => {
    const api = apiThatGets(async () => failure(409, code, 'x', 'r'));
    expect((await api.get(id, endMs)).result).toEqual(unexpected);
    expect((await api.countSharedUsers(id, endMs)).result).toEqual(unexpected);
  });

  it('says nothing about the image if Baidu answers without one, or without the accounts', async () => {
    const api = apiThatGets(async () => Response.json({ users: 2 }, { headers }));
    expect((await api.get(id, endMs)).result).toEqual(unexpected);
    expect((await api.countSharedUsers(id, endMs)).result).toEqual(unexpected);
  });

  it("says nothing about the accounts if Baidu's answer is not an object", async () => {
    const api = apiThatGets(async () => Response.json([{ users: [] }], { headers }));
    expect((await api.countSharedUsers(id, endMs)).result).toEqual(unexpected);
  });

  it('takes a name of up to 256 characters', async () => {
    const name = 'x'.repeat(256);
    const api = apiThatGets(async () => Response.json({ image: { ...image, name } }, { headers }));
    expect((await api.get(id, endMs)).result).toMatchObject({ ok: true, value: { name } });
  });

  it.each<[string, unknown]>([
    ['another image', { image: { ...image, id: 'm-other001' } }],
    ['an image without a name', { image: { ...image, name: undefined } }],
    ['an image without a type', { image: { ...image, type: undefined } }],
    ['an image without a status', { image: { ...image, status: undefined } }],
    ['a name that is not text', { image: { ...image, name: 7 } }],
    ['a name longer than Baidu allows', { image: { ...image, name: 'x'.repeat(257) } }],
    ['no image', {}],
    ['a list', []],
    ['text', 'image'],
  ])('fails with upstream_unexpected if Baidu answers with %s', async (_what, body) => {
    const harness = createHarness({ fetch: async () => Response.json(body, { headers }) });
    const response = await harness.call('GET', '/images/m-custom01', bearer(KEYS.reader));
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_unexpected', outcome: 'not_attempted' });
  });
});

describe('the check of an image', () => {
  const id = 'm-custom01';
  if (!isImageId(id)) throw new Error(id);
  const headers = { 'x-bce-request-id': 'r' };
  const image = { id, name: 'x', type: 'Custom', status: 'Available' };

  /** Checks `id`. Baidu answers as `answering` says, and time passes only when the test says so. */
  const checkWith = (answering: (request: OutgoingRequest) => Promise<Response>, attemptTimeoutMs = 8_000) => {
    const sent: [url: string, method: string][] = [];
    const fetch = (url: string, request: OutgoingRequest) => {
      sent.push([url, request.method]);
      return answering(request);
    };
    const runtime = { ...platformRuntime, fetch };
    const client = new BceClient({ accessKeyId: 'ak', secretAccessKey: 'sk' }, runtime);
    const images = createImageApi('https://bcc.bj.baidubce.com', { client, attemptTimeoutMs, runtime });
    return { checked: images.check(id), sent };
  };
  const check = (answering: () => Promise<Response>) => checkWith(answering).checked;
  const hang = ({ signal }: OutgoingRequest) =>
    new Promise<Response>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  const failed = { seen: 'failed', unlistedCode: null };

  it.each(['Creating', 'Available', 'NotAvailable', 'Error', 'CreateFailed', 'CreatedFailed'])(
    'finds it with the documented status %s',
    async (status) => {
      const found = await check(async () => Response.json({ image: { ...image, status } }, { headers }));
      expect(found).toEqual({ seen: 'found', isDocumented: true });
    },
  );

  it.each<[string, object]>([
    ['an undocumented status', { ...image, status: 'Deleting' }],
    ['another spelling of a status', { ...image, status: 'available' }],
    ['no status', { id }],
    ['a status that is not text', { ...image, status: ['Available'] }],
  ])('finds it with %s, and says that it is not documented', async (_what, body) => {
    const found = await check(async () => Response.json({ image: body }, { headers }));
    expect(found).toEqual({ seen: 'found', isDocumented: false });
  });

  it.each<[string, object]>([
    ['with a name of 257 characters', { ...image, name: 'x'.repeat(257) }],
    ['without a type', { ...image, type: undefined }],
    ['with a status alone', { id, status: 'Available' }],
  ])('finds it %s, which a check ignores', async (_what, body) => {
    const found = await check(async () => Response.json({ image: body }, { headers }));
    expect(found).toEqual({ seen: 'found', isDocumented: true });
  });

  it.each<[string, () => Response]>([
    ['NoSuchObject', () => failure(404, 'NoSuchObject', 'x', 'r')],
    ['IMAGE_NOT_FOUND', () => failure(404, 'IMAGE_NOT_FOUND', 'x', 'r')],
    ['no code', () => new Response(null, { status: 404, headers })],
  ])('sees from a 404 with %s that it is absent', async (_what, answer) => {
    expect(await check(async () => answer())).toEqual({ seen: 'absent' });
  });

  it('decides nothing after a 404 with an unlisted code, and reports the code', async () => {
    expect(await check(async () => failure(404, 'Image.Vanished', 'x', 'r'))).toEqual({
      seen: 'failed',
      unlistedCode: 'Image.Vanished',
    });
  });

  it.each<[string, () => Response]>([
    ['another image', () => Response.json({ image: { ...image, id: 'm-other001' } }, { headers })],
    ['another case of the id', () => Response.json({ image: { ...image, id: 'm-Custom01' } }, { headers })],
    ['no image', () => Response.json({}, { headers })],
    ['nothing', () => new Response(null, { headers })],
    ["an image, but without Baidu's request id", () => Response.json({ image })],
    ['an image beside an error', () => Response.json({ image, code: 'NoSuchObject' }, { headers })],
    ['an image with 202', () => Response.json({ image }, { status: 202, headers })],
    ['an image with 404', () => Response.json({ image }, { status: 404, headers })],
    ['the absence of a user', () => failure(404, 'UserNotExist', 'x', 'r')],
    ['an unknown route', () => failure(404, 'ResourceNotFound', 'x', 'r')],
    ['a 404 that breaks off', () => new Response(broken(), { status: 404, headers })],
    ['an image that breaks off', () => new Response(broken(), { headers })],
    ['a refusal of the credential', () => failure(403, 'IamSignatureInvalid', 'x', 'r')],
    ['a refusal of a deletion', () => failure(409, 'Image.ImageHasBeenSharedToOthers', 'x', 'r')],
    ['500', () => failure(500, 'InternalError', 'x', 'r')],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://x.test/' } })],
  ])('fails if Baidu answers with %s', async (_what, answer) => {
    expect(await check(async () => answer())).toEqual(failed);
  });

  const broken = () => new ReadableStream({ start: (controller) => controller.error(new Error('reset')) });

  it('reads the image once, at its own URL, whatever the result', async () => {
    const answers: readonly (() => Promise<Response>)[] = [
      async () => failure(500, 'InternalError', 'x', 'r'),
      async () => failure(403, 'RequestExpired', 'x', 'r', { date: new Date().toUTCString() }),
      async () => failure(429, 'TooManyRequests', 'x', 'r', { 'retry-after': '0' }),
      () => Promise.reject(new Error('reset')),
    ];
    for (const answer of answers) {
      const { checked, sent } = checkWith(answer);
      expect(await checked).toEqual(failed);
      expect(sent).toEqual([['https://bcc.bj.baidubce.com/v2/image/m-custom01', 'GET']]);
    }
  });

  it.each([
    [8_000, 3_000],
    [3_000, 3_000],
    [200, 200],
  ])(
    'gives up after 3 s, or after the timeout of an attempt if that is less (%i ms: %i ms)',
    async (timeoutMs, endMs) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      onTestFinished(() => void vi.useRealTimers());
      const { checked, sent } = checkWith(hang, timeoutMs);
      let seen: unknown = null;
      checked.then((check) => {
        seen = check;
      });
      await vi.advanceTimersByTimeAsync(endMs - 1);
      expect([seen, sent.length]).toEqual([null, 1]);
      await vi.advanceTimersByTimeAsync(1);
      expect([seen, sent.length]).toEqual([failed, 1]);
    },
  );
});

describe('a deletion at Baidu', () => {
  it('carries nothing from the request to the gateway except the image id', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01?allowMissing=true', {
      Authorization: `Bearer ${KEYS.cleaner}`,
      Cookie: 'a=b',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      'X-Bce-Date': '2000-01-01T00:00:00Z',
      'X-Bce-Security-Token': 'mine',
      'X-Request-Id': 'job-1',
    });
    expect(harness.requests).toHaveLength(1);
    expect([...(harness.requests[0]?.headers.keys() ?? [])].sort()).toEqual(['authorization', 'x-bce-date']);
    expect(harness.requests[0]?.body).toBeNull();
  });
});
