/**
 * `npm run key -- NAME`: makes a bearer key and prints it once, with the entry that `CALLERS` needs for it.
 *
 * Promises: 256 random bits; the entry holds only the digest. Never: writes a file or sends anything.
 */
import { randomBytes } from 'node:crypto';
import { CALLER_ID_RULE, isCallerId, type Scope } from './caller.ts';
import { KEY_PREFIX, keyDigest } from './key.ts';

/** A key, and the digest to configure. */
export function createKey(): { key: string; keySha256: string } {
  const key = `${KEY_PREFIX}${randomBytes(32).toString('base64url')}`;
  return { key, keySha256: keyDigest(key) };
}

function main(name: string | undefined): void {
  if (name === undefined || !isCallerId(name)) {
    console.error(`Usage: npm run key -- NAME   (${CALLER_ID_RULE})`);
    process.exitCode = 1;
    return;
  }
  const { key, keySha256 } = createKey();
  const scopes: Scope[] = ['images:delete', 'images:read'];
  console.log(`The key of ${name}. It is shown this once; hand it over by a safe way:\n\n  ${key}\n`);
  console.log(
    'Its entry in CALLERS. To rotate, add the digest to the list that is there and remove the old one later:\n',
  );
  console.log(JSON.stringify({ [name]: { keySha256: [keySha256], scopes } }));
}

if (import.meta.main) main(process.argv[2]);
