/** Which hosts are on this machine, where plain http is no risk. Worker and client share the rule. */

/** `localhost`, any name below it (RFC 6761 §6.3), `127.0.0.0/8` and `::1`, as a URL parser writes them. */
const LOOPBACK_HOSTNAME = /^(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether the hostname of a parsed URL is loopback. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK_HOSTNAME.test(hostname);
}
