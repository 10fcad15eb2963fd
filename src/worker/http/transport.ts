/**
 * How a request reached the Worker. Source: RFC 6797 (Strict-Transport-Security).
 */
import type { Arrival } from '../callers/identify.ts';
import { isLoopback } from '../origin.ts';

/** `private`: over loopback or a service binding, where nobody can listen in. */
export type Transport = 'https' | 'http' | 'private';

/** On every response over https: browsers then use only https for a year. */
export const HSTS_HEADER = 'Strict-Transport-Security';
export const HSTS = 'max-age=31536000';

/** Decided by the URL's scheme, which comes from the connection. Through a binding the calling Worker chooses it, so it is ignored. */
export function transportOf({ by }: Arrival, url: URL | null): Transport {
  if (by === 'binding' || url === null || isLoopback(url.hostname)) return 'private';
  return url.protocol === 'https:' ? 'https' : 'http';
}
