/**
 * A bearer key and its digest.
 *
 * Promises: only the digest is stored or compared, so the timing of a look-up reveals nothing about a key. A key is 256 random bits, so
 * it needs neither salt nor a slow hash.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

export { KEY_PREFIX } from '../kept-text.ts';

const ENCODER = new TextEncoder();

/** The SHA-256 digest by which a key is configured: 64 lowercase hex characters. */
export function keyDigest(key: string): string {
  return bytesToHex(sha256(ENCODER.encode(key)));
}

/** Identifies a key without revealing it: 32 bits of its digest, as 8 lowercase hex characters. */
export function fingerprintOf(digest: string): string {
  return digest.slice(0, 8).toLowerCase();
}
