/**
 * A bearer key and its digest.
 *
 * Promises: only the digest is kept or compared, so the time of a look-up tells nothing about a key. A key needs neither salt
 * nor slow hash, because it is 256 random bits.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

export { KEY_PREFIX } from '../kept-text.ts';

const ENCODER = new TextEncoder();

/** The SHA-256 under which a key is configured: 64 lowercase hex characters. */
export function keyDigest(key: string): string {
  return bytesToHex(sha256(ENCODER.encode(key)));
}

/** Tells two keys apart: 32 bits of the digest, which reveal neither. 8 lowercase hex characters. */
export function fingerprintOf(digest: string): string {
  return digest.slice(0, 8).toLowerCase();
}
