/**
 * Which errors of the platform's own `fetch` prove that no byte of the request left this machine.
 *
 * Promises: a closed list for each runtime, every entry tried with that runtime; any other error proves nothing. Never: trusts an error
 * that could also follow a request that the runtime resent by itself.
 *
 * - Node.js (20, 24): writes a request once, to one connection. `syscall` distinguishes a failed connection from a broken one.
 * - Bun (1.4): resends a `DELETE` if a reused connection breaks. With `keepalive: false`, which the client sets, it reuses none.
 * - Deno (2.9): resends a `DELETE` if a reused connection breaks, without an option to prevent it. "Connection refused" may concern the
 *   second attempt, so it proves nothing. Only a blocked port does.
 * - Workers and browsers: their errors give no reason.
 *
 * Source: https://fetch.spec.whatwg.org/#port-blocking; https://nodejs.org/api/tls.html#x509-certificate-error-codes.
 */
import { isRecord } from '../worker/json.ts';

/** The system calls that open a connection. */
const CONNECTING: readonly unknown[] = ['getaddrinfo', 'connect'];
/** The server's certificate is checked before the first byte of a request is sent. */
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

/** A short reason why nothing was sent, or `null` if the error does not prove that. */
export function neverSent(error: unknown): string | null {
  if (!(error instanceof TypeError)) return null;
  const { message, cause } = error;
  // Node.js has this message for all failures, Deno for most; Bun gives no cause.
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
    // One error per address of the host.
    (Array.isArray(errors) && errors.length > 0 && errors.every(isConnecting));
  return isProof ? String(code) : null;
}

function isConnecting(error: unknown): boolean {
  return isRecord(error) && CONNECTING.includes(error['syscall']);
}
