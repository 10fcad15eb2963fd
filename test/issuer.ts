/**
 * A token issuer for tests: it makes keys, publishes their public halves at the local issuer, and signs whatever a test wants,
 * including forgeries.
 */
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Issuer } from '../src/worker/callers/issuers.ts';
import { isRecord } from '../src/worker/json.ts';

export const ISSUER_MODES = [
  'healthy',
  'down',
  'hanging',
  'stalled',
  'slow',
  'html',
  'error',
  'huge',
  'redirect',
  'empty',
] as const;
export type IssuerMode = (typeof ISSUER_MODES)[number];

export const AUDIENCE = 'bcc-image-gateway';

/** A key pair, the public half as a JWK with its `kid`. */
export interface SigningPair {
  readonly alg: 'RS256' | 'ES256';
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK & { kid: string };
}

export async function createPair(kid: string, alg: SigningPair['alg'] = 'ES256'): Promise<SigningPair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** Members of a token's header or payload. */
export type Members = Readonly<Record<string, unknown>>;

export class TestIssuer {
  readonly #server: string;
  readonly #name = crypto.randomUUID();
  readonly iss = `https://issuer.test/${this.#name}`;
  readonly pair: SigningPair;
  #published: readonly SigningPair[];

  private constructor(server: string, pair: SigningPair) {
    this.#server = server;
    this.pair = pair;
    this.#published = [pair];
  }

  /** A healthy issuer with one key. `server` is the address of the local issuer. */
  static async create(server: string, alg: SigningPair['alg'] = 'ES256'): Promise<TestIssuer> {
    const issuer = new TestIssuer(server, await createPair('key-1', alg));
    await issuer.become('healthy');
    return issuer;
  }

  /** The entry in `ISSUERS`. */
  entry(fields: object = {}): object {
    return { issuer: this.iss, audience: AUDIENCE, jwks: this.address, ...fields };
  }

  /** The entry after parsing. */
  parsed(fields: Partial<Issuer> = {}): Issuer {
    const defaults = { name: 'local', maxLifetimeS: 3_600, header: null };
    return { ...defaults, issuer: this.iss, audience: AUDIENCE, jwks: this.address, ...fields };
  }

  get address(): string {
    return `${this.#server}/${this.#name}/jwks`;
  }

  async become(mode: IssuerMode): Promise<void> {
    const keys = this.#published.map(({ jwk }) => jwk);
    await fetch(`${this.#server}/${this.#name}`, { method: 'PUT', body: JSON.stringify({ mode, keys }) });
  }

  /** Publishes only these keys. */
  async publish(...pairs: SigningPair[]): Promise<void> {
    this.#published = pairs;
    await this.become('healthy');
  }

  /** How often the keys were fetched. */
  async fetches(): Promise<number> {
    const state: unknown = await (await fetch(`${this.#server}/${this.#name}`)).json();
    return isRecord(state) ? Number(state['fetches']) : Number.NaN;
  }

  /** A signed token. `claims` and `header` override those of a valid one; `undefined` leaves a member out. */
  async token(claims: Members = {}, header: Members = {}, pair = this.pair, nowMs = Date.now()): Promise<string> {
    const nowS = Math.floor(nowMs / 1000);
    const payload = { iss: this.iss, aud: AUDIENCE, sub: 'job-7', iat: nowS, exp: nowS + 600, ...claims };
    return signed({ alg: pair.alg, kid: pair.jwk.kid, ...header }, payload, pair);
  }
}

const WEB_CRYPTO_NAMES = { ES256: { name: 'ECDSA', hash: 'SHA-256' }, RS256: { name: 'RSASSA-PKCS1-v1_5' } };

/** Signs anything, without a library that would refuse to. */
async function signed(header: Members, payload: Members, { alg, privateKey }: SigningPair): Promise<string> {
  const input = `${part(header)}.${part(payload)}`;
  const bytes = await crypto.subtle.sign(WEB_CRYPTO_NAMES[alg], privateKey, new TextEncoder().encode(input));
  return `${input}.${base64url(new Uint8Array(bytes))}`;
}

/** `value` as a part of a token: a string unchanged, anything else as JSON. */
export function part(value: unknown): string {
  return base64url(new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)));
}

export function base64url(bytes: Uint8Array): string {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
