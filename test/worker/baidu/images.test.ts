/** The image calls: where they go, what they carry, and how an image is read. */
import { describe, expect, it } from 'vitest';
import { BceClient } from '../../../src/worker/baidu/client.ts';
import { createImageApi, type ImageApi, imageUrl } from '../../../src/worker/baidu/images.ts';
import { isImageId } from '../../../src/worker/image-id.ts';
import { platformRuntime } from '../../../src/worker/runtime.ts';
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
  ])('says nothing about the image if Baidu refuses with %s, as it refuses to delete', async (code) => {
    const api = apiThatGets(async () => failure(409, code, 'x', 'r'));
    expect((await api.get(id, endMs)).result).toEqual(unexpected);
    expect((await api.countSharedUsers(id, endMs)).result).toEqual(unexpected);
  });

  it('says nothing about the image if Baidu answers without one, or without the accounts', async () => {
    const api = apiThatGets(async () => Response.json({ users: 2 }, { headers }));
    expect((await api.get(id, endMs)).result).toEqual(unexpected);
    expect((await api.countSharedUsers(id, endMs)).result).toEqual(unexpected);
  });

  it('says nothing about the accounts if Baidu answers with no object', async () => {
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

describe('a deletion at Baidu', () => {
  it('carries nothing of the request to the gateway except the image id', async () => {
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
