/**
 * Decides which text of a request may be kept: stored in the ledger, logged, or repeated in a response.
 *
 * Promises: pure. Rejects text that shares eight consecutive characters with a credential of the same request (of a token: with its
 * signature), or that contains a key with the gateway's prefix. Ignores case and percent-encoding. Never: imports anything, because the
 * client's package includes this file; looks into the callers' table, because the result would reveal whether a text is a key.
 */

/** The prefix of every key that `npm run key` makes, for secret scanners. */
export const KEY_PREFIX = 'bcg_';

/** Too many characters to guess, and few enough that what slips through is useless. */
const RUN = 8;
/** Every run of eight contains four characters that begin at a multiple of five. */
const PROBE = 4;
const STRIDE = RUN - PROBE + 1;
/** With more credential text than this, nothing is kept, so that huge headers cost little. Node.js accepts 16 KiB of headers. */
const MAX_CREDENTIAL_CHARS = 16 * 1024;
/** Text that is percent-encoded more often than this is not kept: that never happens by accident. */
const MAX_ENCODINGS = 4;
const ENCODED = /%[\da-f]{2}/;
const KEY = new RegExp(`${KEY_PREFIX}[\\w-]{20}`);
/** A JWT: two JSON objects in base64url, then the signature, its only secret. RFC 7515 §7.1. */
const JWT = /^eyJ[\w-]*\.eyJ[\w-]*\.([\w-]+)$/;

/** Whether a text of the request may be kept. */
export type MayKeep = (text: string) => boolean;

/** The rule for a request whose headers `names`, in lower case, may carry credentials. */
export function keptBeside(names: readonly string[], headerOf: (name: string) => string | undefined): MayKeep {
  let credentials: readonly string[] | undefined;
  return (text) => {
    if (text.length < RUN) return true;
    const forms = formsOf(text);
    if (forms.some((form) => KEY.test(form)) || ENCODED.test(forms.at(-1) ?? '')) return false;
    credentials ??= names.flatMap((name) => credentialsIn(name, headerOf(name) ?? ''));
    const chars = credentials.reduce((sum, { length }) => sum + length, 0);
    return chars <= MAX_CREDENTIAL_CHARS && !credentials.some((each) => forms.some((form) => shareRun(each, form)));
  };
}

/** The value of each cookie (RFC 6265 §4.2), and each word and password of any other header. For a token, only the signature. */
function credentialsIn(name: string, value: string): string[] {
  if (value.length < RUN) return [];
  const texts =
    name === 'cookie'
      ? value.split(';').map((part) => part.replace(/^[^=]*=/, ''))
      : [...value.split(/[\s,]+/), passwordIn(value)];
  return texts.filter((text) => text.length >= RUN).flatMap((text) => formsOf(JWT.exec(text)?.[1] ?? text));
}

/** The password of Basic credentials (RFC 7617 §2), or the user if that is blank, one character per byte. Blank if there are none. */
function passwordIn(value: string): string {
  const [, base64] = /\bBasic\s+([A-Za-z\d+/]+)/i.exec(value) ?? [];
  if (base64 === undefined) return '';
  // A single trailing character encodes nothing, and `atob` would throw.
  return atob(base64.length % 4 === 1 ? base64.slice(0, -1) : base64).replace(/^[^:]*:(?=.)/s, '');
}

/** The text in lower case as sent, and percent-decoded if that differs. */
function formsOf(text: string): string[] {
  const sent = text.toLowerCase();
  return sent.includes('%') ? [sent, decodedOf(sent, MAX_ENCODINGS)] : [sent];
}

/** Percent-decodes until nothing is left to decode, in at most `passes`. Each pass shortens the text. */
function decodedOf(text: string, passes: number): string {
  if (passes === 0 || !ENCODED.test(text)) return text;
  const decoded = text.replace(/%(?:25)*([\da-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return decodedOf(decoded.toLowerCase(), passes - 1);
}

/** Whether two texts share eight consecutive characters. Samples the longer one, because searching the shorter is quick. */
function shareRun(one: string, other: string): boolean {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  if (short.length < RUN) return false;
  for (let at = 0; at + PROBE <= long.length; at += STRIDE) {
    if (!short.includes(long.slice(at, at + PROBE))) continue;
    for (let from = Math.max(0, at + PROBE - RUN); from <= at && from + RUN <= long.length; from++) {
      if (short.includes(long.slice(from, from + RUN))) return true;
    }
  }
  return false;
}
