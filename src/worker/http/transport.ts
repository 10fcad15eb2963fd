/**
 * How a request reached the Worker.
 *
 * Promises: pure. Source: RFC 6797 (Strict-Transport-Security).
 */
import type { Arrival } from '../callers/identify.ts';
import { isLoopback } from '../origin.ts';

/** `private`: over loopback or a service binding, where nobody listens. */
export type Transport = 'https' | 'http' | 'private';

/** On every answer over https: browsers use nothing else for a year. */
export const HSTS_HEADER = 'Strict-Transport-Security';
export const HSTS = 'max-age=31536000';

/** By the scheme of the URL, which comes from the connection; behind a binding it is whatever the calling Worker wrote. */
export function transportOf({ by }: Arrival, url: URL | null): Transport {
  if (by === 'binding' || url === null || isLoopback(url.hostname)) return 'private';
  return url.protocol === 'https:' ? 'https' : 'http';
}
