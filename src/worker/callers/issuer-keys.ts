/**
 * Caches the keys of one token issuer between requests.
 *
 * Promises: at most one fetch a minute, or one in five seconds while no keys are known, whatever tokens say; each is bounded in time and
 * size and follows no redirect. If the issuer is down, its last valid keys serve for a day. A request that finds keys never waits for
 * newer ones. Never: throws, or sends the issuer anything from a caller.
 *
 * The state is plain data, because Workers forbids using one request's promise or response in another.
 *
 * Why not jose's `createRemoteJWKSet`: its cool-down counts from the last successful fetch, and on Workers it forgets a fetch in
 * progress. So every request would call an issuer that is down. It also drops old keys while the issuer is down.
 * Source: RFC 7517 §5 (JWK Set); https://developers.cloudflare.com/workers/runtime-apis/request/.
 */
import { parseJson, readText } from '../json.ts';
import { logEvent } from '../log.ts';
import { failed, ok, type Result } from '../result.ts';
import { type Runtime, type WaitUntil, waitWhile, withTimeout } from '../runtime.ts';
import { DAY_MS, MINUTE_MS } from '../time.ts';
import type { Issuer } from './issuers.ts';
import { OTHER_USE, type PublicKey, readKeySet } from './public-key.ts';

/** By `alg` and `kid`. A new object means that remembered tokens must be verified again. */
export type KeySet = ReadonlyMap<string, PublicKey>;

/** The name of a key in a `KeySet`. */
export function keyName({ alg, kid }: { readonly alg?: unknown; readonly kid?: unknown }): string {
  return `${alg} ${kid}`;
}

interface FetchFault {
  readonly reason: 'no_answer' | 'status' | 'too_long' | 'no_keys' | 'no_usable_keys';
  /** With `no_usable_keys`: what is wrong with the first key. */
  readonly keyFault?: string;
}

const FETCH_TIMEOUT_MS = 3_000;
const MAX_KEYS_BYTES = 64 * 1024;
const RENEWAL_AGE_MS = 10 * MINUTE_MS;
const MAX_AGE_MS = DAY_MS;
const MIN_INTERVAL_MS = MINUTE_MS;
/** Without keys a caller is waiting, so the issuer is asked more often. */
const MIN_FIRST_INTERVAL_MS = 5 * 1000;
const MAX_STEP_BACK_MS = MINUTE_MS;

/** What fetching an issuer's keys needs. */
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

  /** The keys that may be used now, or `null` if there are none. */
  current(): KeySet | null {
    return this.#isInline() || !this.#isOlder(this.#fetchedAtMs, MAX_AGE_MS) ? this.#set : null;
  }

  /** The keys for a token signed with key `name`, or `null` if none are known. Waits 3 seconds at most. */
  async keysFor(name: string, waitUntil: WaitUntil): Promise<KeySet | null> {
    const known = this.current();
    if (known !== null) {
      this.renewIfDue(known.has(name), waitUntil);
      return known;
    }
    if (this.#isBusy()) await waitWhile(() => this.#isBusy(), FETCH_TIMEOUT_MS, this.#runtime.sleep);
    else if (this.#mayAsk(MIN_FIRST_INTERVAL_MS)) {
      const fetched = this.#fetch();
      // Other requests wait for it, even if this caller hangs up.
      waitUntil(fetched);
      await fetched;
    }
    return this.current();
  }

  /** Starts to fetch keys in the background if the known ones are old or lack the requested one. */
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

  /** Whether a fetch is in progress. One whose request the platform ended must not count forever. */
  #isBusy(): boolean {
    return this.#isFetching && this.#attemptedAtMs !== null && !this.#isOlder(this.#attemptedAtMs, FETCH_TIMEOUT_MS);
  }

  /** A time far in the future comes from a wrong clock and counts as long ago. Small steps back are normal. */
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

  /** The usable keys, or why there are none. @throws what `fetch` and the body throw */
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
    // Prefers a fault of a signing key: keys for other uses are normal.
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
