/** A caller: its name, its permissions, and its budget. */
import { KEY_PREFIX } from '../kept-text.ts';
import type { Scope } from '../scope.ts';
import type { NamePattern } from './name-pattern.ts';

export interface Caller {
  readonly id: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The caller may delete only images whose name matches one of these; `null` allows any name. */
  readonly names: readonly NamePattern[] | null;
  /** Deletions within 24 hours, or `null` for the gateway's default. */
  readonly dailyDeletions: number | null;
}

/** Excludes keys, because names are logged and somebody may paste a key in place of a name. */
const CALLER_ID = new RegExp(`^(?!${KEY_PREFIX})[A-Za-z0-9][\\w.-]{0,63}$`);
export const CALLER_ID_RULE = `1 to 64 letters, digits, "_", "." or "-", starting with a letter or digit, but not with "${KEY_PREFIX}"`;

export function isCallerId(text: string): boolean {
  return CALLER_ID.test(text);
}

export const MAX_DAILY_DELETIONS = 10_000;

/** A caller, and the credential that identified it. */
export interface Identified {
  readonly caller: Caller;
  readonly proof:
    | {
        readonly kind: 'key';
        /** Shows which of the caller's keys was used. */
        readonly fingerprint: string;
      }
    | {
        readonly kind: 'token';
        /** The issuer's name in our configuration. */
        readonly issuer: string;
        /** Whom the token was issued to: `sub`, or `common_name` if `sub` is blank; may be personal data. */
        readonly subject: string | null;
      }
    | { readonly kind: 'binding' };
}

/** The subject of the caller's token, or `null`. */
export function subjectOf(proof: Identified['proof']): string | null {
  return proof.kind === 'token' ? proof.subject : null;
}
