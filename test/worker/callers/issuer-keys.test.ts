/** The keys of an issuer that is down, hangs, answers nonsense or changes its keys. The issuer is a real server. */
import { describe, expect, inject, it } from 'vitest';
import { IssuerKeys, type IssuerRuntime } from '../../../src/worker/callers/issuer-keys.ts';
import type { Issuer } from '../../../src/worker/callers/issuers.ts';
import { isRecord } from '../../../src/worker/json.ts';
import { platformRuntime } from '../../../src/worker/platform.ts';
import type { WaitUntil } from '../../../src/worker/runtime.ts';
import { DAY_MS, MINUTE_MS } from '../../../src/worker/time.ts';
import { createPair, type IssuerMode, type SigningPair, TestIssuer } from '../../issuer.ts';

/** The keys of an issuer, with a clock that the test sets and the work that requests leave behind. */
function keysOf({ jwks }: Pick<Issuer, 'jwks'>) {
  const lines: unknown[] = [];
  const works: Promise<unknown>[] = [];
  const clock = { nowMs: Date.now() };
  const runtime: IssuerRuntime = {
    ...platformRuntime,
    now: () => clock.nowMs,
    log: (severity, line) => lines.push([severity, withoutTime(JSON.parse(line))]),
  };
  const keys = new IssuerKeys({ name: 'local', jwks }, runtime);
  const waitUntil: WaitUntil = (work) => works.push(work);
  return {
    keys,
    clock,
    lines,
    works,
    runtime,
    /** Asks for a key, and waits for all the work that this starts. */
    ask: async (name = 'ES256 key-1') => {
      const found = await keys.keysFor(name, waitUntil);
      await Promise.all(works.splice(0));
      return found;
    },
    askAtOnce: (name = 'ES256 key-1') => keys.keysFor(name, waitUntil),
  };
}

function withoutTime(line: unknown): unknown {
  if (!isRecord(line)) throw new Error('not a record');
  const { timestamp, ...rest } = line;
  expect(timestamp).toMatch(/^\d{4}-/);
  return rest;
}

const failure = (severity: 'ERROR' | 'WARN', reason: string) => [
  severity,
  { severity_text: severity, 'event.name': 'issuer_failed', 'issuer.name': 'local', reason },
];

/** How an issuer fails at once, and the reason that the log gives. */
const FAULTS: [IssuerMode, string][] = [
  ['down', 'no_answer'],
  ['html', 'no_keys'],
  ['error', 'status'],
  ['redirect', 'status'],
  ['huge', 'too_long'],
  ['empty', 'no_keys'],
];

describe('the keys of an issuer', () => {
  it('are fetched once, however many requests need them at the same time', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    await issuer.become('slow');
    const { askAtOnce, works } = keysOf(issuer.parsed());
    const asking = Array.from({ length: 8 }, () => askAtOnce());
    // The fetch goes on for the others, even if the caller that started it hangs up.
    expect(works).toHaveLength(1);
    while ((await issuer.fetches()) < 1) await scheduler.wait(5);
    await issuer.become('healthy');
    const found = await Promise.all(asking);
    await Promise.all(works);
    expect(new Set(found).size).toBe(1);
    expect(found[0]?.has('ES256 key-1')).toBe(true);
    expect(await issuer.fetches()).toBe(1);
  });

  it('are not fetched again for ten minutes, and then in the background', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const { ask, askAtOnce, clock, works } = keysOf(issuer.parsed());
    const first = await ask();
    clock.nowMs += 10 * MINUTE_MS - 1;
    expect(await ask()).toBe(first);
    expect(await issuer.fetches()).toBe(1);
    clock.nowMs += 1;
    expect(await askAtOnce()).toBe(first);
    await Promise.all(works);
    expect(await issuer.fetches()).toBe(2);
    expect(await ask()).not.toBe(first);
  });

  it('are renewed in the background if they lack the key of a token, but at most once a minute', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const second = await createPair('key-2');
    const { ask, clock } = keysOf(issuer.parsed());
    const first = await ask();
    await issuer.publish(issuer.pair, second);
    for (let n = 0; n < 50; n++) expect(await ask(`unknown-${n}`)).toBe(first);
    clock.nowMs += MINUTE_MS - 1;
    expect(await ask('ES256 key-2')).toBe(first);
    expect(await issuer.fetches()).toBe(1);
    clock.nowMs += 1;
    expect(await ask('ES256 key-2')).toBe(first);
    expect((await ask('ES256 key-2'))?.has('ES256 key-2')).toBe(true);
    for (let n = 0; n < 50; n++) await ask(`unknown-${n}`);
    expect(await issuer.fetches()).toBe(2);
  });

  it.each<[IssuerMode, string]>([...FAULTS, ['hanging', 'no_answer'], ['stalled', 'no_answer']])(
    'are null while none are known and the issuer is %s, which is asked once in five seconds',
    async (mode, reason) => {
      const issuer = await TestIssuer.create(inject('issuerUrl'));
      await issuer.become(mode);
      const { ask, clock, lines } = keysOf(issuer.parsed());
      for (let n = 0; n < 20; n++) expect(await ask()).toBeNull();
      clock.nowMs += 4_999;
      expect(await ask()).toBeNull();
      expect(await issuer.fetches()).toBe(1);
      expect(lines).toEqual([failure('ERROR', reason)]);
      await issuer.become('healthy');
      clock.nowMs += 1;
      expect((await ask())?.has('ES256 key-1')).toBe(true);
      expect(await issuer.fetches()).toBe(2);
    },
  );

  it.each(FAULTS)(
    'that are known serve for a day while the issuer is %s, which is asked once a minute',
    async (mode, reason) => {
      const issuer = await TestIssuer.create(inject('issuerUrl'));
      const { ask, clock, lines } = keysOf(issuer.parsed());
      const known = await ask();
      await issuer.become(mode);
      clock.nowMs += 10 * MINUTE_MS;
      for (let n = 0; n < 20; n++) expect(await ask()).toBe(known);
      expect(await issuer.fetches()).toBe(2);
      clock.nowMs += MINUTE_MS;
      expect(await ask('unknown')).toBe(known);
      expect(await issuer.fetches()).toBe(3);
      expect(lines).toEqual([failure('WARN', reason), failure('WARN', reason)]);
      clock.nowMs += DAY_MS - 11 * MINUTE_MS - 1;
      expect(await ask()).toBe(known);
      clock.nowMs += 1;
      expect(await ask()).toBeNull();
    },
  );

  it('do not delay a request that has older ones, even if the issuer hangs', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const { ask, askAtOnce, clock, works } = keysOf(issuer.parsed());
    const known = await ask();
    await issuer.become('slow');
    clock.nowMs += 10 * MINUTE_MS;
    expect(await askAtOnce()).toBe(known);
    expect(await askAtOnce('unknown')).toBe(known);
    while ((await issuer.fetches()) < 2) await scheduler.wait(5);
    await issuer.become('healthy');
    await Promise.all(works);
    expect(await issuer.fetches()).toBe(2);
  });

  it('are fetched again if the platform ended the request that was fetching them', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const { keys, clock, runtime, works } = keysOf(issuer.parsed());
    const never = () => new Promise<never>(() => undefined);
    const dead = new IssuerKeys(issuer.parsed(), { ...runtime, fetch: never });
    const waitUntil: WaitUntil = (work) => works.push(work);
    const lost = dead.keysFor('ES256 key-1', waitUntil);
    clock.nowMs += 5_000;
    // The second request does not wait for the lost fetch. It fetches the keys itself.
    expect(await Promise.all([dead.keysFor('ES256 key-1', waitUntil), lost])).toEqual([null, null]);
    expect(await keys.keysFor('ES256 key-1', waitUntil)).not.toBeNull();
  });

  it('are still known when the clock goes back a little', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const { ask, clock } = keysOf(issuer.parsed());
    expect(await ask()).not.toBeNull();
    await issuer.become(FAULTS[0]?.[0] ?? 'hanging');
    clock.nowMs -= 60_000;
    expect(await ask()).not.toBeNull();
  });

  it('are fetched again after the clock was far ahead', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const { ask, clock } = keysOf(issuer.parsed());
    clock.nowMs += 400 * DAY_MS;
    const first = await ask();
    clock.nowMs -= 400 * DAY_MS;
    const second = await ask();
    expect(second?.has('ES256 key-1')).toBe(true);
    expect(second).not.toBe(first);
    expect(await issuer.fetches()).toBe(2);
  });

  it('that are inline are never fetched and never expire', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const { ask, askAtOnce, clock, works, lines } = keysOf({ jwks: [issuer.pair.jwk] });
    const known = await ask();
    clock.nowMs += 400 * DAY_MS;
    expect(await askAtOnce('unknown')).toBe(known);
    expect(known?.has('ES256 key-1')).toBe(true);
    expect([works, lines]).toEqual([[], []]);
  });

  it('take no longer than three seconds to fetch: then the request is aborted', async () => {
    const { runtime, lines } = keysOf({ jwks: 'https://issuer.test/jwks' });
    let signal: AbortSignal | undefined;
    const timeouts: number[] = [];
    const impatient: IssuerRuntime = {
      ...runtime,
      startTimer: (afterMs, expire) => {
        timeouts.push(afterMs);
        expire();
        return () => undefined;
      },
      fetch: (_url, request) => {
        signal = request.signal;
        return new Promise(() => undefined);
      },
    };
    const keys = new IssuerKeys({ name: 'local', jwks: 'https://issuer.test/jwks' }, impatient);
    expect(await keys.keysFor('ES256 key-1', () => undefined)).toBeNull();
    expect([timeouts, signal?.aborted]).toEqual([[3_000], true]);
    expect(lines).toEqual([failure('ERROR', 'no_answer')]);
  });

  it('are fetched with nothing from the caller, and never from a cache', async () => {
    const sent: unknown[] = [];
    const { runtime } = keysOf({ jwks: 'https://issuer.test/jwks' });
    const keys = new IssuerKeys(
      { name: 'local', jwks: 'https://issuer.test/jwks' },
      {
        ...runtime,
        fetch: async (url, { signal: _signal, ...request }) => {
          sent.push([url, request]);
          return Response.json({ keys: [] });
        },
      },
    );
    await keys.keysFor('ES256 key-1', () => undefined);
    const request = { method: 'GET', headers: { accept: 'application/json' }, redirect: 'manual', cache: 'no-store' };
    expect(sent).toEqual([['https://issuer.test/jwks', request]]);
  });

  it.each<[string, (pair: SigningPair) => object[], string]>([
    ['padded', ({ jwk }) => [{ ...jwk, x: `${jwk.x}=` }], 'key 1 has an "x" that is not base64url without padding'],
    ['without kid', ({ jwk }) => [{ ...jwk, kid: undefined }], 'key 1 has no "kid"'],
    ['for encryption', ({ jwk }) => [{ ...jwk, use: 'enc' }], 'key 1 has a "use" other than sig'],
    [
      'for another algorithm',
      ({ jwk }) => [{ ...jwk, alg: 'ES512' }],
      'key 1 has an "alg" other than RS256 for RSA or ES256 for EC',
    ],
    // Only the second is meant for signatures.
    [
      'for encryption, and padded',
      ({ jwk }) => [
        { ...jwk, use: 'enc' },
        { ...jwk, y: `${jwk.y}=` },
      ],
      'key 2 has a "y" that is not base64url without padding',
    ],
  ])('that cannot be used (%s) are null, and the log line names the fault', async (_what, keysFrom, fault) => {
    const pair = await createPair('key-1');
    const { keys, runtime, lines } = keysOf({ jwks: 'https://issuer.test/jwks' });
    expect(keys.current()).toBeNull();
    const odd = new IssuerKeys(
      { name: 'local', jwks: 'https://issuer.test/jwks' },
      { ...runtime, fetch: async () => Response.json({ keys: keysFrom(pair) }) },
    );
    expect(await odd.keysFor('ES256 key-1', () => undefined)).toBeNull();
    const line = {
      'event.name': 'issuer_failed',
      'issuer.name': 'local',
      reason: 'no_usable_keys',
      'issuer.key.fault': fault,
    };
    expect(lines).toEqual([['ERROR', { severity_text: 'ERROR', ...line }]]);
  });

  it('are missing if a response has no body, and the log line says no_keys', async () => {
    const { runtime, lines } = keysOf({ jwks: 'https://issuer.test/jwks' });
    const bodiless = { ...runtime, fetch: async () => new Response(null) };
    const keys = new IssuerKeys({ name: 'local', jwks: 'https://issuer.test/jwks' }, bodiless);
    expect(await keys.keysFor('ES256 key-1', () => undefined)).toBeNull();
    expect(lines).toMatchObject([['ERROR', { reason: 'no_keys' }]]);
  });

  it('that cannot be used are left out, and the others still work', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const odd = { ...(await createPair('odd')), jwk: { kty: 'oct', k: 'AA', kid: 'odd' } };
    const torn = { ...odd, jwk: { kty: 'RSA', n: 'A'.repeat(341), e: 'AQAB', kid: 'torn' } };
    await issuer.publish(odd, torn, issuer.pair);
    const { ask } = keysOf(issuer.parsed());
    const found = await ask();
    expect([found?.has('ES256 key-1'), found?.has('ES256 odd')]).toEqual([true, false]);
  });
});
