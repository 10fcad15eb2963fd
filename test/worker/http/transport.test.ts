/** How a request reached the Worker. */
import { describe, expect, it } from 'vitest';
import { HSTS_HEADER, transportOf } from '../../../src/worker/http/transport.ts';
import { KEYS } from '../../fixtures.ts';
import { bearer, createHarness, HTTP } from '../../harness.ts';

const BINDING = { by: 'binding', props: {} } as const;

describe('the transport', () => {
  it.each([
    ['https://images.test/x', HTTP, 'https'],
    ['https://images.test:8443/x', HTTP, 'https'],
    ['http://images.test/x', HTTP, 'http'],
    ['http://10.0.0.1/', HTTP, 'http'],
    ['http://localhost.images.test/', HTTP, 'http'],
    ['http://localhost:8787/', HTTP, 'private'],
    ['https://localhost:8787/', HTTP, 'private'],
    ['http://gateway.localhost/', HTTP, 'private'],
    ['http://127.8.8.8/', HTTP, 'private'],
    ['http://[::1]:8787/', HTTP, 'private'],
    ['http://a:99999/', HTTP, 'private'],
    ['http://images.test/x', BINDING, 'private'],
    ['https://images.test/x', BINDING, 'private'],
  ] as const)('of %s by %j is %s', (url, arrival, transport) =>
    expect(transportOf(arrival, URL.parse(url))).toBe(transport),
  );
});

describe('an answer', () => {
  const paths = ['/healthz', '/images/m-custom01', '/nowhere', '/docs', '/problems/rate_limited'];

  it('over https has an HSTS header, whatever the path', async () => {
    const harness = createHarness();
    for (const path of paths) {
      const response = await harness.call('GET', path, bearer(KEYS.reader));
      expect(response.headers.get(HSTS_HEADER), path).toBe('max-age=31536000');
    }
  });

  it('has no HSTS header on this machine, over plain http, or through a binding', async () => {
    for (const harness of [
      createHarness({ origin: 'https://localhost' }),
      createHarness({ origin: 'http://gateway.test' }),
      createHarness({ arrival: BINDING }),
    ]) {
      for (const path of paths) {
        expect((await harness.call('GET', path, bearer(KEYS.reader))).headers.has(HSTS_HEADER), path).toBe(false);
      }
    }
  });
});
