/**
 * The keys of one token issuer, kept between requests.
 *
 * Promises: at most one fetch a minute, and one in five seconds while nothing is known, whatever tokens say; each is bounded in time and
 * size and follows no redirect. The last good keys serve for a day while the issuer is down. A request that finds keys never waits
 * for newer ones. Never: throws, or sends the issuer anything from a caller.
 *
 * The state is plain data: a promise or a response that belongs to one request may not be used by another.
 *
 * `createRemoteJWKSet` of jose is not enough. Its cool-down counts from the last fetch that succeeded, and on Workers it forgets a
 * fetch that is under way, so every request would ask an issuer that is down. Keys that reach their age are dropped even then.
 * Source: RFC 7517 §5 (JWK Set); https://developers.cloudflare.com/workers/runtime-apis/request/.
 */
import { parseJson, readText } from '../json.ts';
import { logEvent } from '../log.ts';
import { failed, ok, type Result } from '../result.ts';
import { type Runtime, type WaitUntil, waitWhile, withTimeout } from '../runtime.ts';
import { DAY_MS, MINUTE_MS } from '../time.ts';
import type { Issuer } from './issuers.ts';
import { OTHER_USE, type PublicKey, readKeySet } from './public-key.ts';

/** By `alg` and `kid`. A new set is a new object, by which everyone can tell that a token must be verified again. */
export type KeySet = ReadonlyMap<string, PublicKey>;

/** Where the key with this algorithm and id stands in a `KeySet`. */
export function keyName({ alg, kid }: { readonly alg?: unknown; readonly kid?: unknown }): string {
  return `${alg} ${kid}`;
}

interface FetchFault {
  readonly reason: 'no_answer' | 'status' | 'too_long' | 'no_keys' | 'no_usable_keys';
  /** Of `no_usable_keys`: what is wrong with the first key. */
  readonly keyFault?: string;
}

const FETCH_TIMEOUT_MS = 3_000;
const MAX_KEYS_BYTES = 64 * 1024;
const RENEWAL_AGE_MS = 10 * MINUTE_MS;
const MAX_AGE_MS = DAY_MS;
const MIN_INTERVAL_MS = MINUTE_MS;
/** While nothing is known, somebody waits, and the issuer may be asked more often. */
const MIN_FIRST_INTERVAL_MS = 5 * 1000;
const MAX_STEP_BACK_MS = MINUTE_MS;

/** What fetching an issuer's keys takes. */
export type IssuerRuntime = Pick<Runtime, 'now' | 'sleep' | 'startTimer' | 'fetch' | 'log'>;

export class IssuerKeys {
  readonly #issuer: Pick<Issuer, 'name' | 'jwks'>;
  readonly #runtime: IssuerRuntime;
  #set: KeySet | null = null;
  #fetchedAtMs = 0;
  #attemptedAtMs: number | null = null;
  #isFetching = false;

  constructor(issuer: Pick<Issuer, 'name' | 'jwks'>, runtime: IssuerRuntime) {
    this.#issuer = issuer;
    this.#runtime = runtime;
    if (typeof issuer.jwks !== 'string') this.#set = keySet(issuer.jwks);
  }

  /** The keys that may be used now, or `null` if nothing is known. */
  current(): KeySet | null {
    return this.#isInline() || !this.#isOlder(this.#fetchedAtMs, MAX_AGE_MS) ? this.#set : null;
  }

  /** The keys for a token that names this one, or `null` if nothing is known of the issuer, after 3 seconds at most. */
  async keysFor(name: string, waitUntil: WaitUntil): Promise<KeySet | null> {
    const known = this.current();
    if (known !== null) {
      this.renewIfDue(known.has(name), waitUntil);
      return known;
    }
    if (this.#isBusy()) await waitWhile(() => this.#isBusy(), FETCH_TIMEOUT_MS, this.#runtime.sleep);
    else if (this.#mayAsk(MIN_FIRST_INTERVAL_MS)) {
      const fetched = this.#fetch();
      // Others wait for it, even if this caller hangs up.
      waitUntil(fetched);
      await fetched;
    }
    return this.current();
  }

  /** Begins to fetch new keys in the background if the known ones are old, or lack the one that is looked for. */
  renewIfDue(isKnown: boolean, waitUntil: WaitUntil): void {
    if (this.#isInline() || this.#isBusy() || !this.#mayAsk(MIN_INTERVAL_MS)) return;
    if (!isKnown || this.#isOlder(this.#fetchedAtMs, RENEWAL_AGE_MS)) waitUntil(this.#fetch());
  }

  #isInline(): boolean {
    return typeof this.#issuer.jwks !== 'string';
  }

  #mayAsk(intervalMs: number): boolean {
    return this.#attemptedAtMs === null || this.#isOlder(this.#attemptedAtMs, intervalMs);
  }

  /** Whether a fetch is under way. One whose request was ended by the platform must not count for ever. */
  #isBusy(): boolean {
    return this.#isFetching && this.#attemptedAtMs !== null && !this.#isOlder(this.#attemptedAtMs, FETCH_TIMEOUT_MS);
  }

  /** A time far in the future comes from a wrong clock, so it counts as long ago. Clocks go back a little now and then. */
  #isOlder(sinceMs: number, limitMs: number): boolean {
    const ageMs = this.#runtime.now() - sinceMs;
    return ageMs >= limitMs || ageMs < -MAX_STEP_BACK_MS;
  }

  async #fetch(): Promise<void> {
    this.#attemptedAtMs = this.#runtime.now();
    this.#isFetching = true;
    const controller = new AbortController();
    const fetched = await withTimeout(
      this.#download(controller.signal),
      this.#runtime.startTimer,
      FETCH_TIMEOUT_MS,
    ).catch((): Result<never, FetchFault> => failed({ reason: 'no_answer' }));
    controller.abort();
    this.#isFetching = false;
    if (!fetched.ok) {
      this.#report(fetched.failure);
      return;
    }
    this.#set = keySet(fetched.value);
    this.#fetchedAtMs = this.#runtime.now();
  }

  /** The usable keys, or what was wrong. @throws what `fetch` and the body throw */
  async #download(signal: AbortSignal): Promise<Result<readonly PublicKey[], FetchFault>> {
    const headers = { accept: 'application/json' };
    const address = String(this.#issuer.jwks);
    const request = { method: 'GET', headers, redirect: 'manual', cache: 'no-store', signal } as const;
    const response = await this.#runtime.fetch(address, request);
    if (response.status !== 200) return failed({ reason: 'status' });
    const text = response.body === null ? '' : await readText(response.body, MAX_KEYS_BYTES);
    if (text === null) return failed({ reason: 'too_long' });
    const { keys, faults } = readKeySet(parseJson(text));
    if (keys.length > 0) return ok(keys);
    // A key for another use says nothing about the keys for signing.
    const first = faults.find(({ fault }) => fault !== OTHER_USE) ?? faults[0];
    if (first === undefined) return failed({ reason: 'no_keys' });
    return failed({ reason: 'no_usable_keys', keyFault: `key ${first.place} ${first.fault}` });
  }

  #report({ reason, keyFault }: FetchFault): void {
    const severity = this.current() === null ? 'ERROR' : 'WARN';
    const fields = { 'issuer.name': this.#issuer.name, reason, 'issuer.key.fault': keyFault };
    logEvent(this.#runtime, severity, 'issuer_failed', fields);
  }
}

function keySet(keys: readonly PublicKey[]): KeySet {
  return new Map(keys.map((key) => [keyName(key), key]));
}
