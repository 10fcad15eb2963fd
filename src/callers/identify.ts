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

/** The caller whose key the `Authorization` header carries. */
export function identify(callers: Callers, authorization: string | undefined): Caller | null {
  const key = BEARER.exec(authorization ?? '')?.[1];
  return key === undefined ? null : (callers.get(keyDigest(key)) ?? null);
}

/** Whether the text is a caller's key, or made as one: somebody who mixes up two headers must not find it in the log. */
export function isKey(callers: Callers | null, text: string): boolean {
  return text.startsWith(KEY_PREFIX) || callers?.has(keyDigest(text)) === true;
}
