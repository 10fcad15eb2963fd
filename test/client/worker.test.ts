/** The client inside a Worker: through a real service binding, and with the platform's own fetch. */
import { env, exports } from 'cloudflare:workers';
import { beforeEach, describe, expect, it } from 'vitest';
import { ImageGateway } from '../../src/client/index.ts';
import { thrownBy } from './line.ts';

const direct = (order: string, body: unknown) =>
  fetch(`${env.BCC_ENDPOINT}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });

beforeEach(async () => {
  await direct('reset', null);
});

describe('a service binding', () => {
  const binding = exports.ImageGateway({ props: { caller: 'bound' } });

  it('needs no address and no token', async () => {
    const images = new ImageGateway({ fetch: (input, init) => binding.fetch(input, init) });
    const { requestId } = await images.deleteImage('m-custom01', { expectName: 'ci-build-1842' });
    const row = { imageId: 'm-custom01', outcome: 'deleted', caller: 'bound', imageName: 'ci-build-1842' };
    expect(await images.deletion(requestId)).toMatchObject(row);
    for await (const { caller } of images.deletions({ imageId: 'm-custom01' })) expect(caller).toBe('bound');
    expect(await thrownBy(images.previewImage('m-custom01'))).toMatchObject({ code: 'permission_denied' });
  });

  it('yields the final outcome of a deletion whose answer is lost', async () => {
    let sent = 0;
    const images = new ImageGateway({
      fetch: async (input, init) => {
        const response = await binding.fetch(input, init);
        if (++sent > 1) return response;
        await response.body?.cancel();
        throw new Error('Network connection lost.');
      },
    });
    expect(await images.deleteImage('m-custom01')).toMatchObject({ outcome: 'deleted', confirmed: true });
  });

  it('receives the request id and nothing about the caller', async () => {
    const headers: unknown[] = [];
    const images = new ImageGateway({
      fetch: (input, init) => {
        headers.push(init.headers);
        return binding.fetch(input, init);
      },
    });
    await images.deleteImage('m-custom01', { requestId: 'job-1' });
    expect(headers).toEqual([{ 'X-Request-Id': 'job-1' }]);
  });
});

describe("the platform's own fetch", () => {
  it('is the default, and another server is not mistaken for the gateway', async () => {
    const images = new ImageGateway({ baseUrl: env.BCC_ENDPOINT, token: 'any' });
    expect(await thrownBy(images.previewImage('m-custom01'))).toMatchObject({ name: 'LostAnswerError', status: 400 });
  });
});
