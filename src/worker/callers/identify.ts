/**
 * Who sends a request, by one of three credentials: a key, a token, or a service binding.
 *
 * Promises: a key or a token that was verified before costs one look-up by a digest of fixed length, however many callers there are;
 * every failure to authenticate is the same `unauthenticated`. Never: asks the network, unless a token's issuer is due.
 *
 * Source: RFC 6750 §2.1 (Bearer), RFC 9110 §11.1 (the scheme is case-insensitive);
 * https://developers.cloudflare.com/workers/runtime-apis/context/ (props of a binding).
 */
import { isRecord } from '../json.ts';
import { failed, ok, type Result } from '../result.ts';
import type { WaitUntil } from '../runtime.ts';
import type { Identified } from './caller.ts';
import type { IssuerRuntime } from './issuer-keys.ts';
import { isTokenHeader } from './issuers.ts';
import { fingerprintOf, keyDigest } from './key.ts';
import type { Callers } from './table.ts';
import { isToken, MAX_TOKEN_CHARS, type TokenFailure, TokenVerifier } from './token.ts';

/** How a request came in: over HTTP, or through a service binding with these properties. */
export type Arrival = { readonly by: 'http' } | { readonly by: 'binding'; readonly props: unknown };

/** The value of a request header by its name in lower case. */
export type HeaderOf = (name: string) => string | undefined;

/**
 * The headers of a request that may bring a credential.
 * @param identity `null` if `ISSUERS` cannot be read: then any header counts that an issuer could have
 */
export function credentialHeaders(identity: Identity | null, given: Headers): readonly string[] {
  return [...CREDENTIAL_HEADERS, ...(identity?.tokenHeaders ?? [...given.keys()].filter(isTokenHeader))];
}

const AUTHORIZATION = 'authorization';
/** The headers that bring credentials whatever is configured: ours, or those of somebody in front of us. */
const CREDENTIAL_HEADERS: readonly string[] = [
  AUTHORIZATION,
  'proxy-authorization',
  'cf-access-jwt-assertion',
  'x-api-key',
  'x-auth-token',
  'cookie',
];
/** `credentials` of RFC 6750: one scheme, spaces, one token. Two headers arrive joined by a comma, which no token has. */
const BEARER = new RegExp(`^Bearer +([\\w.~+/-]{1,${MAX_TOKEN_CHARS}}=*)$`, 'i');
/** Longer texts are no keys, so their digest is not looked up. */
const MAX_KEY_CHARS = 512;

const unauthenticated = failed({ code: 'unauthenticated' });

export interface Identity {
  /** The headers, other than `Authorization`, that bring tokens. */
  readonly tokenHeaders: readonly string[];
  /** Who sends the request. Through a binding only its properties count, and over HTTP only the headers. */
  identify(arrival: Arrival, headerOf: HeaderOf, waitUntil: WaitUntil): Promise<Result<Identified, TokenFailure>>;
}

export function createIdentity({ issuers, rules, byKey, bound }: Callers, runtime: IssuerRuntime): Identity {
  const tokens = new TokenVerifier(issuers, rules, runtime);
  const tokenHeaders = [...new Set(issuers.flatMap(({ header }) => header ?? []))];

  function byProps(props: unknown): Result<Identified, TokenFailure> {
    const name = isRecord(props) ? props['caller'] : undefined;
    const caller = typeof name === 'string' ? bound.get(name) : undefined;
    return caller === undefined ? unauthenticated : ok({ caller, proof: { kind: 'binding' } });
  }

  async function byBearer(text: string | undefined, waitUntil: WaitUntil): Promise<Result<Identified, TokenFailure>> {
    if (text === undefined) return unauthenticated;
    if (text.length > MAX_KEY_CHARS && !isToken(text)) return unauthenticated;
    const digest = keyDigest(text);
    const caller = byKey.get(digest);
    if (caller !== undefined) return ok({ caller, proof: { kind: 'key', fingerprint: fingerprintOf(digest) } });
    return isToken(text) ? tokens.verify(text, digest, null, waitUntil) : unauthenticated;
  }

  return {
    tokenHeaders,
    async identify(arrival, headerOf, waitUntil) {
      if (arrival.by === 'binding') return byProps(arrival.props);
      const [header, ...more] = tokenHeaders.filter((name) => headerOf(name) !== undefined);
      const authorization = headerOf(AUTHORIZATION);
      if (header === undefined) return byBearer(BEARER.exec(authorization ?? '')?.[1], waitUntil);
      // Two credentials at once: whichever we accepted, another reader of the request could take it for the other caller's.
      if (more.length > 0 || authorization !== undefined) return unauthenticated;
      const token = headerOf(header) ?? '';
      return isToken(token) ? tokens.verify(token, keyDigest(token), header, waitUntil) : unauthenticated;
    },
  };
}
