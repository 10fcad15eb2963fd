/**
 * `npm run key -- NAME`: makes a bearer key and prints it once, with the entry that `CALLERS` needs for a new caller. With
 * `--rotate` it prints only the digest, because a second entry under the same name would be refused.
 *
 * Promises: 256 random bits; only the digest is for the configuration. Never: writes a file or sends anything.
 */
import { randomBytes } from 'node:crypto';
import { CALLER_ID_RULE, isCallerId, type Scope } from '../worker/callers/caller.ts';
import { KEY_PREFIX, keyDigest } from '../worker/callers/key.ts';

/** What a new caller may do unless somebody says otherwise. */
export const DEFAULT_SCOPES: readonly Scope[] = ['images:delete', 'images:read'];

/** A key, and the digest to configure. */
export function createKey(): { key: string; keySha256: string } {
  const key = `${KEY_PREFIX}${randomBytes(32).toString('base64url')}`;
  return { key, keySha256: keyDigest(key) };
}

function main(args: readonly string[]): void {
  const [name, option, ...more] = args;
  const isRotation = option === '--rotate';
  if (name === undefined || !isCallerId(name) || (option !== undefined && !isRotation) || more.length > 0) {
    console.error(`Usage: npm run key -- NAME [--rotate]   (${CALLER_ID_RULE})`);
    process.exitCode = 1;
    return;
  }
  const { key, keySha256 } = createKey();
  console.log(`The key of ${name}. It is shown this once; hand it over by a safe way:\n\n  ${key}\n`);
  if (isRotation) {
    console.log(
      `Add its digest to the list "keySha256" of ${name}, and remove the old one when the old key is out of use:\n`,
    );
    console.log(JSON.stringify(keySha256));
  } else {
    console.log('The entry of a new caller in CALLERS:\n');
    console.log(JSON.stringify({ [name]: { keySha256: [keySha256], scopes: DEFAULT_SCOPES } }));
  }
}

if (import.meta.main) main(process.argv.slice(2));
