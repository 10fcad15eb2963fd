/**
 * Edits a table of callers for `npm run callers`.
 *
 * Promises: no caller loses its last credential; no shard grows beyond Cloudflare's limit; an empty shard stays, because
 * Wrangler does not touch secrets that it is not given. Never: sees a key.
 */
import { fingerprintOf } from '../worker/callers/key.ts';
import { MAX_KEYS_PER_CALLER } from '../worker/callers/table.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import {
  bytesOf,
  digestsOf,
  FIRST_SHARD,
  type Fields,
  findCaller,
  MAX_VALUE_BYTES,
  type Table,
} from './callers-file.ts';

export interface Edit {
  readonly verb: 'add' | 'rotate' | 'revoke' | 'remove';
  readonly name: string;
  /** The digest of the key to add. */
  readonly digest: string | null;
  /** The fingerprint of the key to revoke. */
  readonly fingerprint: string;
  /** The entry of the caller to add, without its key. */
  readonly fields: Fields;
}

/** The changed table, or the end of a sentence that says why not and what to do. */
export function editTable(
  table: Table,
  { verb, name, digest, fingerprint, fields: added }: Edit,
): Result<Table, string> {
  const found = findCaller(table, name);
  if (verb === 'add') {
    if (found === null) return place(table, name, digest === null ? added : { keySha256: [digest], ...added });
    return failed(`${name} is already in ${found.shard}; "rotate" gives it a second key`);
  }
  if (found === null) return failed('no caller has this name; "list" shows all');
  const { shard, fields } = found;
  const { [name]: _, ...others } = table[shard] ?? {};
  const without: Table = { ...table, [shard]: others };
  if (verb === 'remove') return ok(without);
  const put = (changed: Fields): Table => ({ ...table, [shard]: { ...table[shard], [name]: changed } });
  const { keySha256: _keys, ...keyless } = fields;
  const digests = digestsOf(fields);
  const shown = digests.map(fingerprintOf).join(' and ') || 'none';
  if (verb === 'rotate') {
    if (digests.length === 0)
      return failed(`${name} has no key to rotate; "npm run key -- ${name} --rotate" makes one`);
    if (digests.length === MAX_KEYS_PER_CALLER)
      return failed(`${name} has ${digests.length} keys, ${shown}; revoke one first`);
    const rotated = { ...fields, keySha256: [...digests, digest] };
    const grown = put(rotated);
    return bytesOf(grown[shard] ?? {}) <= MAX_VALUE_BYTES ? ok(grown) : place(without, name, rotated);
  }
  const kept = digests.filter((each) => fingerprintOf(each) !== fingerprint.toLowerCase());
  if (kept.length === digests.length) {
    return failed(`${name} has no key with this fingerprint; it has ${shown}; a keyFingerprint belongs to Baidu's key`);
  }
  if (kept.length > 0) return ok(put({ ...fields, keySha256: kept }));
  if (fields['tokens'] !== undefined || fields['binding'] !== undefined) return ok(put(keyless));
  return failed(`this is the only credential of ${name}; "rotate" adds a second key, and "remove" removes the caller`);
}

/** Adds the caller to the first shard with room for it, or to a new one. */
function place(table: Table, name: string, fields: Fields): Result<Table, string> {
  let free = FIRST_SHARD;
  for (let n = 1; Object.hasOwn(table, free); n++) free = `${FIRST_SHARD}_${n}`;
  for (const shard of [...Object.keys(table), free]) {
    const grown = { ...table[shard], [name]: fields };
    if (bytesOf(grown) <= MAX_VALUE_BYTES) return ok({ ...table, [shard]: grown });
  }
  return failed(`the entry of ${name} alone exceeds the Cloudflare limit of ${MAX_VALUE_BYTES} bytes`);
}
