/** The image calls: where they go, what they carry, and how an image is read. */
import { describe, expect, it } from 'vitest';
import { imageUrl } from '../../src/baidu/images.ts';
import { isImageId } from '../../src/image-id.ts';
import { KEYS } from '../fixtures.ts';
import { bearer, createHarness, problemOf } from '../harness.ts';

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
    const harness = createHarness({ fetch: async () => Response.json(body, { headers: { 'x-bce-request-id': 'r' } }) });
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
