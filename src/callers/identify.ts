/**
 * Who sends a request.
 *
 * Promises: one map look-up by a digest of fixed length, so the cost does not grow with the callers; every failure is the same
 * `null`. Never: asks the network.
 *
 * Source: RFC 6750 §2.1 (Bearer), RFC 9110 §11.1 (the scheme is case-insensitive).
 */
import type { Caller } from './caller.ts';
import { KEY_PREFIX, keyDigest } from './key.ts';
import type { Callers } from './table.ts';

/** `credentials` of RFC 6750: one scheme, spaces, one token. Two headers arrive joined by a comma, which no token has. */
const BEARER = /^Bearer +([\w.~+/-]{1,512}=*)$/i;

/** A caller, and the proof by which it is known. */
export interface Identified {
  readonly caller: Caller;
  /** Tells which of the caller's keys was used: 32 bits of its digest, which reveal no key. */
  readonly keyFingerprint: string;
}

/** The caller whose key the `Authorization` header carries. */
export function identify(callers: Callers, authorization: string | undefined): Identified | null {
  const key = BEARER.exec(authorization ?? '')?.[1];
  if (key === undefined) return null;
  const digest = keyDigest(key);
  const caller = callers.get(digest);
  return caller === undefined ? null : { caller, keyFingerprint: digest.slice(0, 8) };
}

/**
 * Whether the text may be a key: one of our making, or part of the request's own `Authorization`. Somebody who mixes up two headers
 * must not find a key in the log. The table of callers is not asked, because the answer would tell whether a text is a key.
 */
export function mayBeKey(text: string, authorization: string | undefined): boolean {
  return text.startsWith(KEY_PREFIX) || authorization?.includes(text) === true;
}
