/**
 * A client for Baidu AI Cloud in the manner of aws4fetch: `sign()` makes what `fetch` takes, `fetch()` sends it.
 *
 * Promises: signs exactly `host;x-bce-date`, and `x-bce-security-token` where there is one, at the moment of sending;
 * never follows a redirect, because `x-bce-*` headers would travel along; never reads a cache. Never: retries, reads a body, or exposes
 * a credential to printing: they are private fields.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { OutgoingRequest, Runtime } from '../runtime.ts';
import {
  type CanonicalHeaders,
  canonicalHeaders,
  formatTimestamp,
  percentEncode,
  type SigningKey,
  sign,
  signingKey,
} from './signer.ts';

export interface BceCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Belongs to temporary (STS) credentials; sent and signed as `x-bce-security-token`. */
  readonly sessionToken?: string;
}

export interface BceRequestInit {
  readonly method: OutgoingRequest['method'];
  readonly signal?: AbortSignal;
  /** How far the server's clock is ahead, in milliseconds. */
  readonly clockOffsetMs?: number;
}

/**
 * How long a signature is valid. It is used at once, so the shortest time in any official SDK (bce-sdk-php: five minutes)
 * allows for a slow network and a drifting clock. It also limits what a leaked header is worth.
 */
const EXPIRATION_PERIOD_IN_SECONDS = 300;

interface Prepared {
  /** Since the epoch. */
  readonly second: number;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly canonical: CanonicalHeaders;
  readonly key: SigningKey;
}

export class BceClient {
  readonly #credentials: BceCredentials;
  readonly #fetch: Runtime['fetch'];
  readonly #now: Runtime['now'];
  /** What the requests of one second to one host share. The next second replaces it. */
  #prepared: Prepared | undefined;

  readonly #secrets: RegExp;
  /** Tells which access key signs: 32 bits of its digest, which distinguish two keys and reveal neither. */
  readonly keyFingerprint: string;

  constructor(credentials: BceCredentials, runtime: Pick<Runtime, 'fetch' | 'now'>) {
    this.#credentials = credentials;
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const secrets = [secretAccessKey, accessKeyId, ...(sessionToken === undefined ? [] : [sessionToken])];
    // The longest first, because one credential may begin with another.
    const forms = secrets.flatMap((secret) => [secret, percentEncode(secret)]).sort((a, b) => b.length - a.length);
    this.#secrets = new RegExp(forms.map((form) => RegExp.escape(form)).join('|'), 'gi');
    this.keyFingerprint = bytesToHex(sha256(utf8ToBytes(accessKeyId))).slice(0, 8);
    this.#fetch = runtime.fetch;
    this.#now = runtime.now;
  }

  /**
   * What `fetch` takes to send a signed request to `url`. The URL must be canonical already: its path is signed as it stands,
   * its query not at all.
   */
  sign(url: URL, { method, signal, clockOffsetMs = 0 }: BceRequestInit): OutgoingRequest {
    const { key, headers, canonical } = this.#prepare(url.host, this.#now() + clockOffsetMs);
    const { authorization } = sign({ method, path: url.pathname, headers: canonical }, key);
    const signed = { method, headers: { ...headers, authorization }, redirect: 'manual', cache: 'no-store' } as const;
    return signal === undefined ? signed : { ...signed, signal };
  }

  /** Signs and sends once. @throws what the given `fetch` throws: a lost connection, or the signal's reason */
  fetch(url: URL, init: BceRequestInit): Promise<Response> {
    return this.#fetch(url.href, this.sign(url, init));
  }

  /** `text` with every credential blanked out, in plain and in percent-encoded form, in any case. */
  scrub(text: string): string {
    return text.replace(this.#secrets, '[scrubbed]');
  }

  #prepare(host: string, timeMs: number): Prepared {
    const second = Math.floor(timeMs / 1000);
    if (this.#prepared?.second === second && this.#prepared.host === host) return this.#prepared;
    const { accessKeyId, secretAccessKey, sessionToken } = this.#credentials;
    const timestamp = formatTimestamp(timeMs);
    const headers = {
      'x-bce-date': timestamp,
      ...(sessionToken === undefined ? {} : { 'x-bce-security-token': sessionToken }),
    };
    this.#prepared = {
      second,
      host,
      headers,
      canonical: canonicalHeaders({ ...headers, host }, ['host', ...Object.keys(headers)]),
      key: signingKey(accessKeyId, secretAccessKey, timestamp, EXPIRATION_PERIOD_IN_SECONDS),
    };
    return this.#prepared;
  }
}
