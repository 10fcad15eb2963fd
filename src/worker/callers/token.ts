/**
 * Verifies a token that a platform issued to a workload or a person, and finds its caller.
 *
 * Promises: accepts a token only if one configured issuer signed it for us, with a short lifetime, and its claims match exactly one
 * caller's rules. Remembers a verified token for five minutes at most. If we refuse a token that its issuer signed, the audit record
 * alone says why. Never: fetches keys from anywhere but the configured address, or uses a key from a token.
 *
 * Source: RFC 7515 (JWS), RFC 7519 (JWT), RFC 8725 (best current practices).
 */
import { base64url, compactVerify } from 'jose';
import { isRecord, parseJson } from '../json.ts';
import type { TokenRefusal } from '../problems/facts.ts';
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import type { Runtime, WaitUntil } from '../runtime.ts';
import { MINUTE_MS } from '../time.ts';
import type { Identified } from './caller.ts';
import { IssuerKeys, type IssuerRuntime, type KeySet, keyName } from './issuer-keys.ts';
import type { Issuer } from './issuers.ts';
import { ALGORITHMS, type PublicKey } from './public-key.ts';
import type { TokenRule } from './token-rules.ts';

export type TokenFailure = Failure<'unauthenticated' | 'identity_unavailable'>;

export const MAX_TOKEN_CHARS = 8 * 1024;
/** Three parts in base64url. A lenient decoder would also accept other characters. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** Headers in which a token brings its own key or a key's address, or requires an extension. */
const REFUSED_HEADERS: readonly string[] = ['jwk', 'jku', 'x5c', 'x5u', 'crit'];
const CLOCK_TOLERANCE_S = 30;
const MAX_REMEMBERED = 1_000;
const MAX_REMEMBERED_MS = 5 * MINUTE_MS;
/** Without control characters. */
const SUBJECT = /^\P{C}{1,256}$/u;

interface Source {
  readonly issuer: Issuer;
  readonly keys: IssuerKeys;
  readonly rules: readonly TokenRule[];
}

interface Remembered {
  readonly identified: Identified;
  readonly source: Source;
  readonly keySet: KeySet;
  readonly untilMs: number;
}

const unauthenticated = failed({ code: 'unauthenticated' });

/** Whether the text has the form of a token. Our own keys never have. */
export function isToken(text: string): boolean {
  return text.length <= MAX_TOKEN_CHARS && TOKEN.test(text);
}

export class TokenVerifier {
  readonly #sources: readonly Source[];
  readonly #now: Runtime['now'];
  /** By the digest of the token, the oldest first. */
  readonly #remembered = new Map<string, Remembered>();

  constructor(issuers: readonly Issuer[], rules: readonly TokenRule[], runtime: IssuerRuntime) {
    this.#now = runtime.now;
    this.#sources = issuers.map((issuer) => ({
      issuer,
      keys: new IssuerKeys(issuer, runtime),
      rules: rules.filter((rule) => rule.issuer === issuer.name),
    }));
  }

  /** The caller that the token identifies. `header` is the header that carried it, or `null` for `Authorization`. */
  async verify(
    token: string,
    digest: string,
    header: string | null,
    waitUntil: WaitUntil,
  ): Promise<Result<Identified, TokenFailure>> {
    const known = this.#recall(digest, header, waitUntil);
    if (known !== null) return ok(known);
    const read = readUnverified(token);
    const source = read === null ? undefined : this.#sourceOf(read.payload, header);
    if (read === null || source === undefined) return unauthenticated;
    const timed = withinTimes(read.payload, source.issuer, this.#now());
    // A token that will be refused does not wait for keys. Once they are known, the record gives its reason.
    const keySet = timed.ok ? await source.keys.keysFor(read.keyName, waitUntil) : source.keys.current();
    if (keySet === null && timed.ok) return failed({ code: 'identity_unavailable' });
    if (keySet === null) source.keys.renewIfDue(false, waitUntil);
    if (keySet === null || !(await isSigned(token, keySet.get(read.keyName)))) return unauthenticated;
    if (!timed.ok) return refusedFor(timed.failure, source);
    const identified = identifiedBy(read.payload, source);
    if (!identified.ok) return refusedFor(identified.failure, source);
    this.#remember(digest, { identified: identified.value, source, keySet, untilMs: timed.value.expS * 1000 });
    return identified;
  }

  /** The one entry whose issuer and audience the token names, if its tokens arrive in this header. */
  #sourceOf({ iss, aud }: Payload, header: string | null): Source | undefined {
    const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
    const [source, ...more] = this.#sources.filter(
      ({ issuer }) => issuer.issuer === iss && audiences.includes(issuer.audience),
    );
    return more.length === 0 && source?.issuer.header === header ? source : undefined;
  }

  #recall(digest: string, header: string | null, waitUntil: WaitUntil): Identified | null {
    const remembered = this.#remembered.get(digest);
    if (remembered === undefined) return null;
    const { identified, source, keySet, untilMs } = remembered;
    if (untilMs > this.#now() && source.keys.current() === keySet && source.issuer.header === header) {
      source.keys.renewIfDue(true, waitUntil);
      return identified;
    }
    this.#remembered.delete(digest);
    return null;
  }

  #remember(digest: string, entry: Remembered): void {
    const untilMs = Math.min(entry.untilMs, this.#now() + MAX_REMEMBERED_MS);
    this.#remembered.delete(digest);
    this.#remembered.set(digest, { ...entry, untilMs });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
  }
}

/** A token's own claims, which prove nothing yet. */
interface Unverified {
  /** The key that the token claims was used to sign it. */
  readonly keyName: string;
  readonly payload: Payload;
}

type Payload = Readonly<Record<string, unknown>>;

function readUnverified(token: string): Unverified | null {
  const [header, payload] = token.split('.', 2).map(readPart);
  if (!isRecord(header) || !isRecord(payload) || REFUSED_HEADERS.some((name) => name in header)) return null;
  return typeof header['kid'] === 'string' ? { keyName: keyName(header), payload } : null;
}

/** The value of a part of a token, or `undefined` if it is not JSON in UTF-8. */
function readPart(base64: string): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(base64url.decode(base64)));
  } catch {
    return undefined;
  }
}

async function isSigned(token: string, key: PublicKey | undefined): Promise<boolean> {
  if (key === undefined) return false;
  try {
    await compactVerify(token, key, { algorithms: Object.values(ALGORITHMS) });
    return true;
  } catch {
    return false;
  }
}

/**
 * When the token expires, if it is valid now, with some tolerance for clocks, and lives no longer than the issuer's entry allows.
 * RFC 7519 §4.1.
 */
function withinTimes(
  { exp, iat, nbf }: Payload,
  { maxLifetimeS }: Issuer,
  nowMs: number,
): Result<{ readonly expS: number }, TokenRefusal> {
  const [earliestS, latestS] = [nowMs / 1000 - CLOCK_TOLERANCE_S, nowMs / 1000 + CLOCK_TOLERANCE_S];
  if (typeof exp !== 'number') return failed('no_exp');
  if (typeof iat !== 'number') return failed('no_iat');
  if (nbf !== undefined && typeof nbf !== 'number') return failed('malformed_nbf');
  if (exp - iat > maxLifetimeS) return failed('lifetime_too_long');
  if (exp <= earliestS) return failed('expired');
  if (iat > latestS || (nbf !== undefined && nbf > latestS)) return failed('not_yet_valid');
  return ok({ expS: exp });
}

function refusedFor(reason: TokenRefusal, { issuer }: Source): Result<never, TokenFailure> {
  return failed({ code: 'unauthenticated', refused: { issuer: issuer.name, reason } });
}

/** The one caller whose rules match. */
function identifiedBy(payload: Payload, { issuer, rules }: Source): Result<Identified, TokenRefusal> {
  const [caller, ...more] = new Set(rules.filter((rule) => fits(rule, payload)).map((rule) => rule.caller));
  if (caller === undefined) {
    return failed(rules.some((rule) => fits(rule, asTexts(payload))) ? 'claim_not_text' : 'no_rule');
  }
  if (more.length > 0) return failed('several_callers');
  const { sub, common_name: commonName } = payload;
  const subject = sub === undefined || sub === '' ? commonName : sub;
  if (subject !== undefined && !(typeof subject === 'string' && SUBJECT.test(subject)))
    return failed('malformed_subject');
  return ok({ caller, proof: { kind: 'token', issuer: issuer.name, subject: subject ?? null } });
}

function fits({ claims }: TokenRule, payload: Payload): boolean {
  return claims.every(([name, text]) => Object.hasOwn(payload, name) && payload[name] === text);
}

/** The claims with numbers and booleans as texts, as somebody may have meant them in a rule. */
function asTexts(payload: Payload): Payload {
  const text = (value: unknown) => (typeof value === 'number' || typeof value === 'boolean' ? String(value) : value);
  return Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, text(value)]));
}
