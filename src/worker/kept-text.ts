/**
 * Which text of a request may be kept: written into the ledger or the log, or repeated in a response.
 *
 * Promises: pure. Text that shares eight characters in a row with a credential of the same request is not kept, nor is text
 * that holds one of the gateway's keys. Case does not matter, nor does percent-encoding. Never: imports anything, because the client's package
 * contains this file too; asks the callers' table, because the answer would reveal whether a text is a key.
 */

/** Begins every key that `npm run key` makes, so that secret scanners recognise it. */
export const KEY_PREFIX = 'bcg_';

/** As many characters as a stranger cannot guess, and few enough that nothing useful of a credential is left over. */
const RUN = 8;
/** A run of eight contains four characters that begin at a multiple of five. */
const PROBE = 4;
const STRIDE = RUN - PROBE + 1;
/** Beside more than this no text is kept, so that a request with huge headers costs little. Node.js accepts 16 KiB of headers. */
const MAX_CREDENTIAL_CHARS = 16 * 1024;
/** No text is encoded more often than this by accident. Then it is not kept. */
const MAX_ENCODINGS = 4;
const ENCODED = /%[\da-f]{2}/;
const KEY = new RegExp(`${KEY_PREFIX}[\\w-]{20}`);
/** A JWT: two JSON objects in base64url, then the signature, which alone is secret. RFC 7515 §7.1. */
const JWT = /^eyJ[\w-]*\.eyJ[\w-]*\.([\w-]+)$/;

/** Whether a text of the request may be kept. */
export type MayKeep = (text: string) => boolean;

/** The rule for a request whose headers `names`, in lower case, may bring credentials. */
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

/** The value of each cookie (RFC 6265 §4.2), and each word and password of any other header. Of a token it is the signature. */
function credentialsIn(name: string, value: string): string[] {
  if (value.length < RUN) return [];
  const texts =
    name === 'cookie'
      ? value.split(';').map((part) => part.replace(/^[^=]*=/, ''))
      : [...value.split(/[\s,]+/), passwordIn(value)];
  return texts.filter((text) => text.length >= RUN).flatMap((text) => formsOf(JWT.exec(text)?.[1] ?? text));
}

/** The password of Basic credentials (RFC 7617 §2), or the user if it is blank; one character for each byte. Blank if there are none. */
function passwordIn(value: string): string {
  const [, base64] = /\bBasic\s+([A-Za-z\d+/]+)/i.exec(value) ?? [];
  if (base64 === undefined) return '';
  // One character alone encodes nothing, and `atob` would throw.
  return atob(base64.length % 4 === 1 ? base64.slice(0, -1) : base64).replace(/^[^:]*:(?=.)/s, '');
}

/** The text in lower case as it was sent, and percent-decoded if that differs. */
function formsOf(text: string): string[] {
  const sent = text.toLowerCase();
  return sent.includes('%') ? [sent, decodedOf(sent, MAX_ENCODINGS)] : [sent];
}

/** Percent-decoded until nothing is left to decode, in `passes` at the most. Each makes the text shorter. */
function decodedOf(text: string, passes: number): string {
  if (passes === 0 || !ENCODED.test(text)) return text;
  const decoded = text.replace(/%(?:25)*([\da-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return decodedOf(decoded.toLowerCase(), passes - 1);
}

/** Whether two texts have eight characters in a row in common. The longer one is probed, because to search the shorter is quick. */
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
