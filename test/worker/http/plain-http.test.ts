/** Plain http from another machine. */
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { CALLERS, KEYS } from '../../fixtures.ts';
import { bearer, createHarness, problemOf } from '../../harness.ts';
import { TestIssuer } from '../../issuer.ts';

const ORIGIN = 'http://gateway.test:8080';
const plain = (options: Parameters<typeof createHarness>[0] = {}) => createHarness({ origin: ORIGIN, ...options });
/** Bindings that fail if they are used. */
const untouched = {
  RATE_LIMITER_BURST: { limit: () => Promise.reject(new Error('asked')) },
  LEDGER: {
    getByName: () => {
      throw new Error('asked');
    },
  },
};
const PAGES = ['/docs', '/console', '/openapi.json', '/assets/docs.js', '/problems/rate_limited'];

describe('over plain http', () => {
  it('every call is refused before it costs anything, and the record names whose key was sent', async () => {
    const calls = [
      ['DELETE', '/images/m-custom01'],
      ['GET', '/images/m-custom01'],
      ['GET', '/deletions'],
      ['GET', '/metrics'],
      ['GET', '/readyz'],
      ['GET', '/nowhere'],
      ['PATCH', '/images/m-custom01'],
      ...PAGES.map((path) => ['GET', path]),
    ];
    const harness = plain({ env: untouched });
    for (const [method = '', path = ''] of calls) {
      const response = await harness.call(method, path, bearer(KEYS.cleaner));
      expect(await problemOf(response), path).toMatchObject({
        type: 'https://gateway.test/problems/insecure_transport',
        code: 'insecure_transport',
        status: 403,
        outcome: 'not_attempted',
        retryable: false,
        detail: expect.stringContaining('replace the credential'),
      });
      expect(harness.lines.at(-1)?.record).toMatchObject({
        severity_text: 'WARN',
        'error.type': 'insecure_transport',
        decision: 'refused',
        'caller.id': 'cleaner',
        'caller.key.fingerprint': 'bddc1d36',
      });
    }
    expect(harness.requests).toEqual([]);
    expect(harness.lines).toHaveLength(calls.length);
  });

  it('the answer is the same for a right and a wrong credential, and mentions one only if it was sent', async () => {
    const harness = plain();
    const headers = { 'X-Request-Id': 'same' };
    const bodies = await Promise.all(
      [bearer(KEYS.cleaner), bearer('wrong'), { Authorization: 'x' }].map(async (credential) =>
        problemOf(await harness.call('DELETE', '/images/m-custom01', { ...headers, ...credential })),
      ),
    );
    expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
    const { detail } = await problemOf(await harness.call('DELETE', '/images/m-custom01', { Cookie: 'a=b' }));
    expect(detail).toBe('Use https. Nothing was done.');
    expect(harness.lines.at(-1)?.record).not.toHaveProperty('caller.id');
  });

  it('a deletion is refused even if the configuration is invalid', async () => {
    const harness = plain({ env: { CALLERS: undefined } });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'insecure_transport' });
  });

  it.each(PAGES)('%s without a credential is redirected to https, without a port', async (path) => {
    const harness = plain();
    for (const method of ['GET', 'HEAD']) {
      const response = await harness.call(method, `${path}?x=y`, { Cookie: 'session=1234567890' });
      expect([response.status, response.headers.get('location')]).toEqual([308, `https://gateway.test${path}`]);
    }
    expect(harness.lines.map(({ record }) => record['http.response.status_code'])).toEqual([308, 308]);
    const posted = await harness.call('POST', path, {});
    expect(await problemOf(posted)).toMatchObject({ code: 'insecure_transport' });
  });

  it.each(['/', '/docs/', '/nowhere', '/problems/%2e', '/assets/../docs.js'])(
    '%s is not a page, and is refused',
    async (path) => {
      expect(await problemOf(await plain().call('GET', path, {}))).toMatchObject({ code: 'insecure_transport' });
    },
  );

  it('a page is not redirected to an address that holds a key', async () => {
    const key = `bcg_${'k'.repeat(43)}`;
    const harness = plain({ origin: `http://${key.replace('_', '-')}.test` });
    expect((await harness.call('GET', `/problems/${key}`, {})).status).toBe(403);
  });

  it('GET /healthz is answered', async () => {
    expect((await plain().call('GET', '/healthz', {})).status).toBe(200);
  });

  describe('a token', () => {
    let issuer: TestIssuer;
    beforeAll(async () => {
      issuer = await TestIssuer.create(inject('issuerUrl'));
    });

    it('is verified, so the record names its caller and subject', async () => {
      const job = { tokens: [{ issuer: 'local', claims: { sub: 'job-7' } }], scopes: ['images:delete'] };
      const header = 'Cf-Access-Jwt-Assertion';
      for (const entry of [issuer.entry(), issuer.entry({ header })]) {
        const env = { CALLERS: JSON.stringify({ ...CALLERS, job }), ISSUERS: JSON.stringify({ local: entry }) };
        const harness = plain({ env });
        const token = await issuer.token();
        const headers = 'header' in entry ? { [header]: token } : bearer(token);
        const response = await harness.call('GET', '/docs', headers);
        expect(await problemOf(response)).toMatchObject({ code: 'insecure_transport' });
        expect(harness.lines.at(-1)?.record).toMatchObject({ 'caller.id': 'job', 'caller.subject': 'job-7' });
      }
    });
  });
});

describe('a request that stays on this machine', () => {
  it.each(['http://localhost:8787', 'http://gateway.localhost', 'http://127.0.0.1', 'http://[::1]:80'])(
    'is served over http: %s',
    async (origin) => {
      const harness = createHarness({ origin });
      expect((await harness.call('GET', '/images/m-custom01', bearer(KEYS.reader))).status).toBe(200);
      const { type } = await problemOf(await harness.call('GET', '/nowhere', {}));
      expect(type).toBe(`${new URL(origin).origin}/problems/route_not_found`);
    },
  );
});
