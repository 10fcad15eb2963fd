/** The invariants that hold for any input, checked with random and hostile inputs. */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Arrival } from '../src/worker/callers/identify.ts';
import { keyDigest } from '../src/worker/callers/key.ts';
import { ALL_ROWS, BOUND_CALLER, CALLERS, KEYS, SECRET } from './fixtures.ts';
import { createHarness, ENDPOINT, freshLedgers, GATEWAY, HTTP, problemOf, recordsOf } from './harness.ts';

const CANONICAL = new RegExp(`^${ENDPOINT}/v2/image/m-[A-Za-z0-9]{6,32}$`);
const RUNS = 300;
const TIMEOUT_MS = 60_000;

/** What people and attackers send instead of an image id. */
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

/** The secrets as a server might reflect them: plain, inside a word, encoded, in capitals, or in an authorization. */
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

/** Secrets in several alphabets, so that pieces fit an image id, a host name, a trace id or a method. */
const secret = fc.oneof(
  fc.stringMatching(/^bcg_[\w-]{43}$/),
  fc.stringMatching(/^[A-Za-z0-9]{32}$/),
  fc.stringMatching(/^[0-9a-f]{64}$/),
  fc.stringMatching(/^[A-Z]{24}$/),
);
const part = fc.stringMatching(/^eyJ[\w-]{30}$/);
const ISSUER = {
  issuer: 'https://issuer.test',
  audience: 'a',
  header: 'X-Job-Token',
  jwks: 'https://issuer.test/jwks',
};

/** How a request has a secret: as a caller's key, in addition to one, as the signature of a token, or not at all. */
const carrier = fc.constantFrom<(secret: string, parts: string) => Readonly<Record<string, string>>>(
  (key) => ({ Authorization: `Bearer ${key}` }),
  (key) => ({ Authorization: `Basic ${key}` }),
  (key) => ({ Authorization: key }),
  (key) => ({ Authorization: `Bearer ${KEYS.both}`, Cookie: `theme=dark; session=${key}` }),
  (key) => ({ Authorization: `Bearer ${KEYS.both}`, 'Proxy-Authorization': `Bearer ${key}` }),
  (key) => ({ Authorization: `Bearer ${KEYS.both}`, 'X-Api-Key': key }),
  (key) => ({ Authorization: `Bearer ${KEYS.both}`, 'X-Auth-Token': key }),
  (password) => ({ Authorization: `Basic ${btoa(`ci:${password}`)}` }),
  (password) => ({ Authorization: `Bearer ${KEYS.both}`, 'Proxy-Authorization': `basic ${btoa(`ci:${password}`)}` }),
  (signature, parts) => ({ Authorization: `Bearer ${parts}.${signature}` }),
  (signature, parts) => ({ Authorization: `Bearer ${KEYS.both}`, Cookie: `CF_Authorization=${parts}.${signature}` }),
  (signature, parts) => ({ Authorization: `Bearer ${KEYS.both}`, 'Cf-Access-Jwt-Assertion': `${parts}.${signature}` }),
  (signature, parts) => ({ 'X-Job-Token': `${parts}.${signature}` }),
);
const arrival = fc.constantFrom<Arrival>(HTTP, { by: 'binding', props: { caller: 'bound' } });

const inCase = fc.constantFrom<(text: string) => string>(
  (text) => text,
  (text) => text.toUpperCase(),
  (text) => text.toLowerCase(),
);
const percent = (text: string) =>
  Array.from(text, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
const encoding = fc.constantFrom<(text: string) => string>(
  (text) => text,
  (text) => text,
  percent,
  (text) => encodeURIComponent(percent(text)),
);
/** Every path of the gateway, with a piece wherever it takes text. */
const target = fc.constantFrom<(piece: string) => string>(
  (piece) => `/images/m-${piece}`,
  (piece) => `/images/${piece}`,
  (piece) => `/images/m-custom01?expectName=${piece}`,
  (piece) => `/images/m-custom01?${piece}=1`,
  () => '/images/m-custom01',
  (piece) => `/${piece}`,
  (piece) => `/a/long/path/${piece}?${piece}`,
  (piece) => `/deletions?caller=${piece}`,
  (piece) => `/deletions?imageId=m-${piece}`,
  (piece) => `/deletions?requestId=${piece}&limit=1`,
  (piece) => `/deletions?since=${piece}`,
  (piece) => `/deletions?cursor=${piece}`,
  () => '/deletions?limit=1',
  (piece) => `/problems/${piece}`,
  (piece) => `/assets/${piece}.js`,
  (piece) => `/readyz?upstream=${piece}`,
  () => '/readyz?upstream=true',
  () => '/openapi.json',
  () => '/metrics',
);
const verb = fc.constantFrom('GET', 'DELETE', 'GET', 'DELETE', 'PATCH', 'OPTIONS');
/** Whether a piece is also in the host name, or only in headers. */
const hosts = fc.constantFrom<(piece: string) => string>(
  () => GATEWAY,
  (piece) => (/^[a-z0-9]+$/i.test(piece) ? `https://${piece}.test` : GATEWAY),
);

describe('for any credential with pieces in every header, parameter and path', () => {
  const request = fc.record({
    secret,
    parts: fc.tuple(part, part).map((both) => both.join('.')),
    carry: carrier,
    from: fc.integer({ min: 0, max: 16 }),
    length: fc.integer({ min: 8, max: 64 }),
    change: inCase,
    encode: encoding,
    path: target,
    host: hosts,
    verb,
    arrival,
  });

  it(
    'no eight characters of it in a row come out: not in a response, a log line or a row of the ledger',
    async () => {
      let rows = 0;
      await fc.assert(
        fc.asyncProperty(request, async ({ secret: hidden, parts, carry, from, length, change, encode, ...sent }) => {
          const piece = change(hidden.slice(from, from + length));
          const owner = { keySha256: [keyDigest(hidden)], scopes: ['images:delete', 'images:read', 'deletions:read'] };
          const env = {
            LEDGER: freshLedgers(),
            CALLERS: JSON.stringify({ ...CALLERS, ...BOUND_CALLER, owner }),
            ISSUERS: JSON.stringify({ job: ISSUER }),
          };
          const harness = createHarness({ env, arrival: sent.arrival });
          const headers = {
            'X-Request-Id': `r.${piece}`.slice(0, 64),
            traceparent: `00-${piece.toLowerCase().padEnd(32, '0').slice(0, 32)}-00f067aa0ba902b7-01`,
            'CF-Ray': `${piece.toLowerCase().padEnd(16, '0').slice(0, 16)}-PEK`,
            'CF-Connecting-IP': piece,
            'User-Agent': piece,
            Referer: `https://x.test/${piece}`,
            Origin: piece,
            Accept: piece,
            'X-Forwarded-For': piece,
            'X-Api-Key': piece,
            Forwarded: `for=${piece}`,
            tracestate: piece,
            ...carry(hidden, parts),
          };
          // The first deletion fills the ledger, so that the history has more than one page.
          const url = sent.host(piece) + sent.path(encode(piece));
          const said: string[] = [];
          for (const [method, address] of [
            ['DELETE', `${sent.host(piece)}/images/m-custom02`],
            [sent.verb, url],
          ] as const) {
            const ctx = createExecutionContext();
            const response = await harness.app.fetch(new Request(address, { method, headers }), sent.arrival, ctx);
            said.push(JSON.stringify([...response.headers]), await response.text());
            await waitOnExecutionContext(ctx);
          }
          const kept = await env.LEDGER.getByName().history(ALL_ROWS);
          rows += kept.length;
          said.push(JSON.stringify(kept), ...harness.lines.map(({ text }) => text));
          const out = said.join('\n').toLowerCase();
          const decoded = percentDecoded(percentDecoded(out)).toLowerCase();
          for (let at = 0; at + 8 <= hidden.length; at++) {
            const run = hidden.slice(at, at + 8).toLowerCase();
            expect([out.includes(run), decoded.includes(run)], run).toEqual([false, false]);
          }
        }),
        { numRuns: RUNS },
      );
      // Otherwise the search of the ledger would prove nothing.
      expect(rows).toBeGreaterThan(RUNS / 4);
    },
    TIMEOUT_MS,
  );
});

describe('for any body and any Content-Length', () => {
  const chunk = fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ maxLength: 3 }));
  const length = fc.option(fc.oneof(fc.constantFrom('0', '00', '+0', '', '0, 0', 'x'), fc.nat().map(String)), {
    nil: undefined,
  });

  it(
    'a deletion with any byte of body is refused, and one without succeeds',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(chunk, { maxLength: 5 }), length, arrival, async (chunks, contentLength, by) => {
          const CALLERS_AND_BOUND = JSON.stringify({ ...CALLERS, ...BOUND_CALLER });
          const harness = createHarness({ env: { CALLERS: CALLERS_AND_BOUND } });
          const body = new ReadableStream<Uint8Array>({
            start(controller) {
              for (const each of chunks) controller.enqueue(each);
              controller.close();
            },
          });
          const headers = {
            Authorization: `Bearer ${KEYS.cleaner}`,
            ...(contentLength !== undefined && { 'Content-Length': contentLength }),
          };
          const request = new Request(`${GATEWAY}/images/m-custom01`, { method: 'DELETE', headers, body });
          const ctx = createExecutionContext();
          const { status } = await harness.app.fetch(request, by, ctx);
          await waitOnExecutionContext(ctx);
          const bytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
          expect([status, harness.requests.length]).toEqual(bytes > 0 ? [400, 0] : [200, 1]);
        }),
        { numRuns: RUNS },
      );
    },
    TIMEOUT_MS,
  );
});

function percentDecoded(text: string): string {
  return text.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
