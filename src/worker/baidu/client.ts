/**
 * A client for Baidu AI Cloud in the style of aws4fetch: `sign()` returns the options for `fetch`, `fetch()` sends the request.
 *
 * Promises: signs exactly `host;x-bce-date`, plus `x-bce-security-token` if there is one, when it sends; never reads a cache; never
 * follows a redirect, which would forward the `x-bce-*` headers. Never: retries, or reads a body. Credentials are private fields,
 * so printing the client does not reveal them.
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
 * How long a signature is valid: the shortest time in any official SDK (bce-sdk-php: five minutes). That allows for a slow network
 * and a drifting clock, and limits the use of a leaked header.
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
  /** Shared by all requests to one host within one second. */
  #prepared: Prepared | undefined;

  readonly #secrets: RegExp;
  /** Identifies the signing access key: 32 bits of its digest, which distinguish two keys and reveal neither. */
  readonly keyFingerprint: string;

  constructor(credentials: BceCredentials, runtime: Pick<Runtime, 'fetch' | 'now'>) {
    this.#credentials = credentials;
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const secrets = [secretAccessKey, accessKeyId, ...(sessionToken === undefined ? [] : [sessionToken])];
    // Longest first, because one credential may begin with another.
    const forms = secrets.flatMap((secret) => [secret, percentEncode(secret)]).sort((a, b) => b.length - a.length);
    this.#secrets = new RegExp(forms.map((form) => RegExp.escape(form)).join('|'), 'gi');
    this.keyFingerprint = bytesToHex(sha256(utf8ToBytes(accessKeyId))).slice(0, 8);
    this.#fetch = runtime.fetch;
    this.#now = runtime.now;
  }

  /**
   * The options with which `fetch` sends a signed request to `url`. The URL must be canonical: its path is signed as is, its query not
   * at all.
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

  /** Replaces every credential in `text`, plain or percent-encoded, in any case. */
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
