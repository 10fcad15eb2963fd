/**
 * A client for Baidu AI Cloud in the manner of aws4fetch: `sign()` gives what `fetch` takes, `fetch()` sends it.
 *
 * Promises: signs exactly `host;x-bce-date`, and `x-bce-security-token` where there is one, at the moment of sending;
 * never follows a redirect, because `x-bce-*` headers would travel along. Never: retries, reads a body, or lets a
 * credential be printed, which is why they are private fields.
 */
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
  /** Of temporary (STS) credentials; sent and signed as `x-bce-security-token`. */
  readonly sessionToken?: string;
}

export interface BceClientOptions {
  readonly fetch: (url: string, request: SignedRequest) => Promise<Response>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface BceRequestInit {
  readonly method: 'DELETE' | 'GET';
  readonly signal?: AbortSignal;
  /** Added to the clock, in milliseconds: how far the server's clock is ahead of ours. */
  readonly clockOffsetMs?: number;
}

/** The second argument of `fetch()`, as data: a `Request` would be copied by `fetch()` and costs as much again. */
export interface SignedRequest {
  readonly method: BceRequestInit['method'];
  readonly headers: Readonly<Record<string, string>>;
  readonly redirect: 'manual';
  readonly signal?: AbortSignal;
}

/**
 * How long a signature lives. It is used at once, so five minutes, the least that any official SDK names
 * (bce-sdk-php), leave room for a slow network and a drifting clock and limit what a leaked header is worth.
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
  readonly #fetch: BceClientOptions['fetch'];
  readonly #now: BceClientOptions['now'];
  /** What one second's requests to one host share. The next second's replaces it, so there is never more than one. */
  #prepared: Prepared | undefined;

  readonly #secrets: RegExp;

  constructor(credentials: BceCredentials, options: BceClientOptions) {
    this.#credentials = credentials;
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const secrets = [secretAccessKey, accessKeyId, ...(sessionToken === undefined ? [] : [sessionToken])];
    // The longest first: one credential may begin with another.
    const forms = secrets.flatMap((secret) => [secret, percentEncode(secret)]).sort((a, b) => b.length - a.length);
    this.#secrets = new RegExp(forms.map((form) => RegExp.escape(form)).join('|'), 'gi');
    this.#fetch = options.fetch;
    this.#now = options.now;
  }

  /** What `fetch` takes to send a request to `url`, signed. The URL must be canonical already: an unencoded path without a query is signed as it stands. */
  sign(url: URL, { method, signal, clockOffsetMs = 0 }: BceRequestInit): SignedRequest {
    const { key, headers, canonical } = this.#prepare(url.host, this.#now() + clockOffsetMs);
    const { authorization } = sign({ method, path: url.pathname, headers: canonical }, key);
    const signed = { method, headers: { ...headers, authorization }, redirect: 'manual' } as const;
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
