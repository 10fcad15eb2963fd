/**
 * Validates a token issuer's public keys before anything trusts them.
 *
 * Promises: a returned key has only public members and fits RS256 or ES256; a rejected one is reported without its values. Never:
 * accepts a symmetric or private key: an issuer that publishes one cannot be trusted.
 *
 * Source: RFC 7517 §4 (JWK) and §5 (JWK Set), RFC 7518 §3.3 (RSA keys of 2048 bits or more) and §6 (members of a key).
 */
import { base64url, type JWK } from 'jose';
import { isRecord, listOf } from '../json.ts';
import { failed, ok, type Result } from '../result.ts';

const MIN_RSA_BITS = 2_048;
const PRIVATE_MEMBERS: readonly string[] = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const MIN_RSA_EXPONENT_BITS = 2;
const P256_COORDINATE_BYTES = 32;
/** Without padding (RFC 7515 §2). A remainder of one character is impossible. */
const BASE64URL = /^(?:[\w-]{4})*(?:[\w-]{2,3})?$/;

/** The only algorithm for each type of key. */
export const ALGORITHMS = { RSA: 'RS256', EC: 'ES256' } as const;

export const PUBLIC_KEY_RULE = 'public signing keys, RSA from 2048 bits or EC P-256, each with a "kid" of its own';

/** A key with its id and its public members alone. */
export type PublicKey = JWK & { readonly kid: string };

/** What is wrong with a key: the end of a sentence that begins with its position. */
export type KeyFault =
  | 'is not an object'
  | 'has a private or symmetric member'
  | typeof OTHER_USE
  | 'has a "kty" other than RSA or EC'
  | 'has a "crv" other than P-256'
  | 'has an "alg" other than RS256 for RSA or ES256 for EC'
  | 'has no "kid"'
  | `has ${'an "n"' | 'an "e"' | 'an "x"' | 'a "y"'} that is not base64url without padding`
  | 'is an RSA key of less than 2048 bits'
  | 'has an "e" of 0 or 1'
  | 'has an "x" or "y" that is not 32 bytes long';

/** The fault of a key that is not for signatures. */
export const OTHER_USE = 'has a "use" other than sig';

/** The key with only its public members, or why we cannot use it. */
export function readPublicKey(value: unknown): Result<PublicKey, KeyFault> {
  if (!isRecord(value)) return failed('is not an object');
  if (PRIVATE_MEMBERS.some((name) => name in value)) return failed('has a private or symmetric member');
  const { kid, kty, use = 'sig', alg } = value;
  if (use !== 'sig') return failed(OTHER_USE);
  if (kty !== 'RSA' && kty !== 'EC') return failed('has a "kty" other than RSA or EC');
  if (kty === 'EC' && value['crv'] !== 'P-256') return failed('has a "crv" other than P-256');
  if (alg !== undefined && alg !== ALGORITHMS[kty])
    return failed('has an "alg" other than RS256 for RSA or ES256 for EC');
  if (typeof kid !== 'string' || kid === '') return failed('has no "kid"');
  const { n, e, x, y } = value;
  if (kty === 'RSA') {
    if (!isBase64url(n)) return failed('has an "n" that is not base64url without padding');
    if (!isBase64url(e)) return failed('has an "e" that is not base64url without padding');
    if (bitsOf(n) < MIN_RSA_BITS) return failed('is an RSA key of less than 2048 bits');
    if (bitsOf(e) < MIN_RSA_EXPONENT_BITS) return failed('has an "e" of 0 or 1');
    return ok({ kid, kty, n, e, alg: ALGORITHMS[kty] });
  }
  if (!isBase64url(x)) return failed('has an "x" that is not base64url without padding');
  if (!isBase64url(y)) return failed('has a "y" that is not base64url without padding');
  const isPoint = [x, y].every((coordinate) => base64url.decode(coordinate).length === P256_COORDINATE_BYTES);
  return isPoint
    ? ok({ kid, kty, crv: 'P-256', x, y, alg: ALGORITHMS[kty] })
    : failed('has an "x" or "y" that is not 32 bytes long');
}

function isBase64url(value: unknown): value is string {
  return typeof value === 'string' && BASE64URL.test(value);
}

/** The usable keys of a JWK Set, and why the others are not. Anything else yields neither keys nor faults. */
export interface ReadKeySet {
  readonly keys: readonly PublicKey[];
  /** By position in the set, counted from 1. */
  readonly faults: readonly { readonly place: number; readonly fault: KeyFault }[];
}

export function readKeySet(value: unknown): ReadKeySet {
  const read = listOf(isRecord(value) ? value['keys'] : undefined).map(readPublicKey);
  return {
    keys: read.flatMap((key) => (key.ok ? [key.value] : [])),
    faults: read.flatMap((key, index) => (key.ok ? [] : [{ place: index + 1, fault: key.failure }])),
  };
}

/** The length of a base64url number in bits, without leading zeros. */
function bitsOf(number: string): number {
  const bytes = base64url.decode(number);
  const first = bytes.findIndex((byte) => byte > 0);
  return first < 0 ? 0 : (bytes.length - first - 1) * 8 + (bytes[first] ?? 0).toString(2).length;
}
