/**
 * Which errors of the platform's own `fetch` prove that nothing of the request left this machine.
 *
 * Promises: a closed list for each runtime; an error that is not on it proves nothing. Every entry was tried with the runtime that it
 * names. Never: trusts an error alone that could also come after a request that the runtime has repeated by itself.
 *
 * - Node.js (20, 24): a request is written to one connection, once. `syscall` tells a connection that failed from one that broke.
 * - Bun (1.4): repeats a `DELETE` if a reused connection breaks, but reuses none with `keepalive: false`, which the client sends.
 * - Deno (2.9): repeats a `DELETE` if a reused connection breaks, and has no option against it. "Connection refused" may then be about
 *   the second time, so it proves nothing. Only a blocked port does.
 * - Workers and browsers: their errors do not say why.
 *
 * Source: https://fetch.spec.whatwg.org/#port-blocking; https://nodejs.org/api/tls.html#x509-certificate-error-codes.
 */
import { isRecord } from '../worker/json.ts';

/** The system calls with which a connection begins. */
const CONNECTING: readonly unknown[] = ['getaddrinfo', 'connect'];
/** The server's certificate is checked before the first byte of a request. */
const CERTIFICATE: readonly unknown[] = [
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];
const BUN: readonly unknown[] = ['ECONNREFUSED', 'ENOTFOUND', ...CERTIFICATE];
const BLOCKED_BY_DENO = /^Fetch failed: Requests to port \d+ are blocked$/;

/** Why nothing was sent, in a word or two, or `null` if the error does not prove that. */
export function neverSent(error: unknown): string | null {
  if (!(error instanceof TypeError)) return null;
  const { message, cause } = error;
  // Node.js says the same of all failures, and Deno of most; Bun gives no cause.
  if (message === 'fetch failed') return neverSentByNode(cause);
  if (BLOCKED_BY_DENO.test(message)) return 'bad port';
  return 'code' in error && BUN.includes(error.code) ? String(error.code) : null;
}

function neverSentByNode(cause: unknown): string | null {
  if (!isRecord(cause)) return null;
  const { message, code, errors } = cause;
  if (message === 'bad port') return message;
  const isProof =
    code === 'UND_ERR_CONNECT_TIMEOUT' ||
    CERTIFICATE.includes(code) ||
    isConnecting(cause) ||
    // One error for each address of the host.
    (Array.isArray(errors) && errors.length > 0 && errors.every(isConnecting));
  return isProof ? String(code) : null;
}

function isConnecting(error: unknown): boolean {
  return isRecord(error) && CONNECTING.includes(error['syscall']);
}
