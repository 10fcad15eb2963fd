/**
 * Authenticates a request by one of three credentials: a key, a token, or a service binding.
 *
 * Promises: a key, or a token verified before, costs one look-up by digest, however many callers there are; no response says why a
 * credential failed. Never: uses the network, unless an issuer's keys are due to be fetched.
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

/** How a request arrived: over HTTP, or through a service binding with these properties. */
export type Arrival = { readonly by: 'http' } | { readonly by: 'binding'; readonly props: unknown };

/** The value of a request header by its name in lower case. */
export type HeaderOf = (name: string) => string | undefined;

/**
 * The request headers that may carry a credential.
 * @param identity `null` if `ISSUERS` cannot be read: then every header counts that an issuer could use
 */
export function credentialHeaders(identity: Identity | null, given: Headers): readonly string[] {
  return [...CREDENTIAL_HEADERS, ...(identity?.tokenHeaders ?? [...given.keys()].filter(isTokenHeader))];
}

const AUTHORIZATION = 'authorization';
/** The headers that may carry credentials under any configuration: our own, and those of proxies in front of us. */
const CREDENTIAL_HEADERS: readonly string[] = [
  AUTHORIZATION,
  'proxy-authorization',
  'cf-access-jwt-assertion',
  'x-api-key',
  'x-auth-token',
  'cookie',
];
/** `credentials` of RFC 6750: scheme, spaces, token. Two headers arrive joined by a comma, which no token contains. */
const BEARER = new RegExp(`^Bearer +([\\w.~+/-]{1,${MAX_TOKEN_CHARS}}=*)$`, 'i');
/** Longer texts are not looked up as keys. */
const MAX_KEY_CHARS = 512;

const unauthenticated = failed({ code: 'unauthenticated' });

export interface Identity {
  /** The headers, other than `Authorization`, that carry tokens. */
  readonly tokenHeaders: readonly string[];
  /** Who sent the request. Through a binding only its properties count, over HTTP only the headers. */
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
      // Two credentials at once: we and another reader of the request could each take it for a different caller's.
      if (more.length > 0 || authorization !== undefined) return unauthenticated;
      const token = headerOf(header) ?? '';
      return isToken(token) ? tokens.verify(token, keyDigest(token), header, waitUntil) : unauthenticated;
    },
  };
}
