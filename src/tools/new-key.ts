/**
 * `npm run key -- NAME`: makes a bearer key and prints it once, with a new caller's entry for `CALLERS`. With `--rotate` it prints only
 * the digest, because a second entry under the same name would be rejected.
 *
 * Promises: a key is 256 random bits; the configuration needs only its digest. Never: writes a file or sends anything.
 */
import { randomBytes } from 'node:crypto';
import { CALLER_ID_RULE, isCallerId } from '../worker/callers/caller.ts';
import { KEY_PREFIX, keyDigest } from '../worker/callers/key.ts';
import type { Scope } from '../worker/scope.ts';
import { done, type Outcome, parseCommand, refusal, runAsProgram, type World } from './command.ts';

/** The default scopes of a new caller. */
export const DEFAULT_SCOPES: readonly Scope[] = ['images:delete', 'images:read'];

/** A key, and the digest to configure. */
export function createKey(): { key: string; keySha256: string } {
  const key = `${KEY_PREFIX}${randomBytes(32).toString('base64url')}`;
  return { key, keySha256: keyDigest(key) };
}

/** Makes a key for a caller. */
export async function runNewKey(args: readonly string[], { env }: World): Promise<Outcome> {
  const command = parseCommand('key', { flags: ['rotate'] }, args, env);
  if (!command.ok) return command.failure;
  const [name = '', ...more] = command.value.words;
  if (!isCallerId(name) || more.length > 0) return refusal('key', `Give one NAME: ${CALLER_ID_RULE}.`);
  const { key, keySha256 } = createKey();
  const shown = `The key of ${name}, shown only this once:\n\n  ${key}\n\n`;
  const entry = JSON.stringify({ [name]: { keySha256: [keySha256], scopes: DEFAULT_SCOPES } });
  if (!command.value.has('rotate')) return done(`${shown}The entry of a new caller in CALLERS:\n\n${entry}\n`);
  return done(`${shown}Its digest, for the list "keySha256" of ${name}:\n\n${JSON.stringify(keySha256)}\n`);
}

if (import.meta.main) await runAsProgram(runNewKey);
