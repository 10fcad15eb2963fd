/**
 * A token issuer's public keys, before they are trusted with anything.
 *
 * Promises: a key that it returns has only public members and fits RS256 or ES256. Never: takes a symmetric or a private key,
 * because an issuer that publishes one is not to be believed.
 *
 * Source: RFC 7517 §4 (JWK) and §5 (JWK Set), RFC 7518 §3.3 (RSA keys of 2048 bits or more) and §6 (members of a key).
 */
import { base64url, type JWK } from 'jose';
import { isRecord, listOf } from '../json.ts';

const MIN_RSA_BITS = 2_048;
const PRIVATE_MEMBERS: readonly string[] = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const MIN_RSA_EXPONENT_BITS = 2;
const P256_COORDINATE_BYTES = 32;
/** Without padding (RFC 7515 §2): one character can be no remainder. */
const BASE64URL = /^(?:[\w-]{4})*(?:[\w-]{2,3})?$/;

/** The algorithm of each type of key, and the only one that a token may be signed with. */
export const ALGORITHMS = { RSA: 'RS256', EC: 'ES256' } as const;

export const PUBLIC_KEY_RULE = 'public signing keys, RSA from 2048 bits or EC P-256, each with a "kid" of its own';

/** A key with its id and its public members alone. */
export type PublicKey = JWK & { readonly kid: string };

/** The key with its public members alone, or `null` if it is no public signing key of ours. */
export function readPublicKey(value: unknown): PublicKey | null {
  if (!isRecord(value) || PRIVATE_MEMBERS.some((name) => name in value)) return null;
  const { kid, kty, use = 'sig', alg } = value;
  if (typeof kid !== 'string' || kid === '' || use !== 'sig') return null;
  const text = (name: string) => {
    const member = value[name];
    return typeof member === 'string' && BASE64URL.test(member) ? member : '';
  };
  const fits = (algorithm: string) => alg === undefined || alg === algorithm;
  const [n, e, x, y] = [text('n'), text('e'), text('x'), text('y')];
  if (kty === 'RSA' && fits(ALGORITHMS.RSA) && bitsOf(n) >= MIN_RSA_BITS && bitsOf(e) >= MIN_RSA_EXPONENT_BITS) {
    return { kid, kty, n, e, alg: ALGORITHMS.RSA };
  }
  const isPoint = [x, y].every((coordinate) => base64url.decode(coordinate).length === P256_COORDINATE_BYTES);
  if (kty === 'EC' && value['crv'] === 'P-256' && isPoint && fits(ALGORITHMS.EC)) {
    return { kid, kty, crv: 'P-256', x, y, alg: ALGORITHMS.EC };
  }
  return null;
}

/** The usable keys of a JWK Set, and whether it has others, too. What is no JWK Set has none. */
export function readKeySet(value: unknown): { keys: readonly PublicKey[]; hasOthers: boolean } {
  const listed = listOf(isRecord(value) ? value['keys'] : undefined);
  const keys = listed.map(readPublicKey).filter((key) => key !== null);
  return { keys, hasOthers: keys.length < listed.length };
}

/** The length of a base64url number, without leading zeros. */
function bitsOf(number: string): number {
  const bytes = base64url.decode(number);
  const first = bytes.findIndex((byte) => byte > 0);
  return first < 0 ? 0 : (bytes.length - first - 1) * 8 + (bytes[first] ?? 0).toString(2).length;
}
