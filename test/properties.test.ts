/** The invariants that hold for any input, checked with random and hostile inputs. */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEYS, SECRET } from './fixtures.ts';
import { createHarness, ENDPOINT, GATEWAY, HTTP, problemOf, recordsOf } from './harness.ts';

const CANONICAL = new RegExp(`^${ENDPOINT}/v2/image/m-[A-Za-z0-9]{6,32}$`);
const RUNS = 300;
const TIMEOUT_MS = 60_000;

/** What people and attackers put in the place of an image id. */
const hostileId = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '..%2Finstance%2Fi-1',
    '%252e',
    'm-a/../../instance/i-1',
    'm-custom01#x',
    'm-custom01%23',
  ),
  fc.constantFrom(
    'm-custom01%00',
    'm-custom01%0a',
    'm-custom01;',
    'm-custom01/',
    '//evil.test/',
    '@evil.test',
    '\\evil.test',
  ),
  fc.constantFrom(
    'i-custom01',
    'v-custom01',
    'M-custom01',
    'm-custo',
    `m-${'a'.repeat(33)}`,
    'm-cüstom01',
    'm-custom0１',
    '*',
  ),
  fc.stringMatching(/^m-[A-Za-z0-9]{5,34}$/),
  fc.stringMatching(/^m-[\w.%/?#-]{0,20}$/),
);
const query = fc.oneof(
  fc.constantFrom(
    '',
    '?',
    '?allowMissing=true',
    '?allowMissing=false',
    '?dryrun=1',
    '?allowMissing=true&allowMissing=true',
  ),
  fc.string().map((text) => `?${text}`),
);
const method = fc.oneof(
  { weight: 3, arbitrary: fc.constant('DELETE') },
  { weight: 1, arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'OPTIONS', 'delete', 'PROPFIND') },
);
const prefix = fc.constantFrom('/images/', '/images', '/', '/%69mages/', '//images/', '/images/../images/');

describe('for any path, query and method', () => {
  it(
    'Baidu is not called, or only at the canonical URL of the id that was sent',
    async () => {
      await fc.assert(
        fc.asyncProperty(prefix, hostileId, query, method, async (start, id, search, verb) => {
          const target = GATEWAY + start + id + search;
          if (!URL.canParse(target)) return;
          const harness = createHarness();
          const request = new Request(target, { method: verb, headers: { Authorization: `Bearer ${KEYS.cleaner}` } });
          const ctx = createExecutionContext();
          const response = await harness.app.fetch(request, HTTP, ctx);
          await waitOnExecutionContext(ctx);
          if (!response.ok && verb !== 'HEAD') await problemOf(response);
          for (const { url, method: sent, redirect } of harness.requests) {
            expect(url).toMatch(CANONICAL);
            expect(url.slice(`${ENDPOINT}/v2/image/`.length)).toBe(
              new URL(request.url).pathname.slice('/images/'.length),
            );
            expect([sent, redirect, verb.toUpperCase()]).toEqual(['DELETE', 'manual', 'DELETE']);
          }
          expect(harness.requests.length).toBeLessThanOrEqual(1);
          expect(harness.lines.map(({ record }) => record['event.name'])).toEqual(['audit']);
        }),
        { numRuns: RUNS },
      );
    },
    TIMEOUT_MS,
  );

  it(
    'a well-formed id always reaches Baidu, so that the property above is about real calls',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.stringMatching(/^m-[A-Za-z0-9]{6,32}$/), async (id) => {
          const harness = createHarness();
          await harness.call('DELETE', `/images/${id}`);
          expect(harness.requests.map(({ url }) => url)).toEqual([`${ENDPOINT}/v2/image/${id}`]);
        }),
      );
    },
    TIMEOUT_MS,
  );
});

const TOKEN = 'dG9rZW4+c2VjcmV0/dG9rZW4=c2VjcmV0';
const ACCESS_KEY = 'ALTAKq8Zt2Wm5Rv7Xb1';

/** The secrets as a server might reflect them: plain, inside a word, encoded, in capitals, inside an authorization. */
const reflected = fc.constantFrom(
  ...[SECRET, TOKEN, ACCESS_KEY].flatMap((secret) => [
    secret,
    `x${secret}y`,
    encodeURIComponent(secret),
    secret.toUpperCase(),
    `bce-auth-v1/${secret}/2026-01-01T00:00:00Z/300/host/${'0f'.repeat(32)}`,
  ]),
);
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), reflected);
const knownCode = fc.constantFrom('IamSignatureInvalid', 'NoSuchObject', 'InternalError', 'RequestExpired', 'Image.X');
const errorBody = fc
  .record({ requestId: text, code: fc.oneof(knownCode, text), message: fc.array(text).map((parts) => parts.join(' ')) })
  .map((body) => JSON.stringify(body));
const upstreamBody = fc.oneof(errorBody, text, fc.json(), fc.constant('x'.repeat(100_000)), fc.constant(''));
const headerValue = fc.oneof(fc.stringMatching(/^[\x21-\x7e]{0,40}$/), reflected, knownCode);
const upstreamHeaders = fc.dictionary(
  fc.constantFrom(
    'x-bce-request-id',
    'x-bce-error-code',
    'x-bce-error-message',
    'retry-after',
    'date',
    'location',
    'content-type',
  ),
  headerValue,
);
const upstreamStatus = fc.oneof(
  fc.integer({ min: 200, max: 599 }),
  fc.constantFrom(200, 204, 301, 302, 400, 401, 403, 404, 409, 429, 500, 502, 503, 504),
);

describe('for any upstream status, headers and body', () => {
  it(
    'neither the answer nor a log line contains a secret, and a failure has the common shape',
    async () => {
      await fc.assert(
        fc.asyncProperty(upstreamStatus, upstreamHeaders, upstreamBody, async (status, headers, body) => {
          const bodyless = status === 204 || status === 205 || status === 304;
          const harness = createHarness({
            env: { BCE_ACCESS_KEY_ID: ACCESS_KEY, BCE_SECRET_ACCESS_KEY: SECRET, BCE_SESSION_TOKEN: TOKEN },
            fetch: async () => new Response(bodyless ? null : body, { status, headers }),
          });
          const response = await harness.call('DELETE', '/images/m-custom01');
          const answer = JSON.stringify(response.ok ? await response.json() : await problemOf(response));
          const said = [answer, JSON.stringify([...response.headers]), ...harness.lines.map((line) => line.text)].join(
            '\n',
          );
          for (const secret of [SECRET, TOKEN, encodeURIComponent(TOKEN), ACCESS_KEY, KEYS.cleaner]) {
            expect(said.toLowerCase()).not.toContain(secret.toLowerCase());
          }
          const signature = harness.requests[0]?.headers.get('authorization')?.split('/').at(-1) ?? 'none';
          expect(said).not.toContain(signature);
          expect(harness.requests.length).toBeLessThanOrEqual(2);
          expect(recordsOf(harness, 'audit')).toHaveLength(1);
          expect(harness.lines.length).toBe(1 + recordsOf(harness, 'absence_unlisted').length);
        }),
        { numRuns: RUNS },
      );
    },
    TIMEOUT_MS,
  );

  it('a signature that the server reflects reaches neither the caller nor the log', async () => {
    const harness = createHarness({
      fetch: async (request) => {
        const authorization = request.headers.get('authorization') ?? '';
        const message = `Signature does not match: ${authorization} and ${authorization.split('/').at(-1)}`;
        return Response.json(
          { requestId: authorization.split('/').at(-1), code: 'IamSignatureInvalid', message },
          { status: 403 },
        );
      },
    });
    const response = await harness.call('DELETE', '/images/m-custom01');
    const said = JSON.stringify(await problemOf(response)) + harness.lines.map(({ text }) => text).join('');
    expect(said).not.toContain(harness.requests[0]?.headers.get('authorization')?.split('/').at(-1));
    expect(said).toContain('Signature does not match');
  });
});
