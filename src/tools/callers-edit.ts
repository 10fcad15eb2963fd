/**
 * What `npm run callers` changes in a file of callers.
 *
 * Promises: callers keep their order; no caller loses its last proof; no part grows beyond what Cloudflare takes. A part that becomes
 * empty stays, because `wrangler secret bulk` leaves a secret as it is that is not named. Never: sees a key.
 */
import { fingerprintOf } from '../worker/callers/key.ts';
import { MAX_KEYS_PER_CALLER } from '../worker/callers/table.ts';
import { listOf } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import { type CallersFile, type Entry, FIRST_PART, type FilePart, MAX_VALUE_BYTES, partBytes } from './callers-file.ts';

/** The changed file, or one sentence about why there is none and what to do. */
export type Edit = Result<CallersFile, string>;

export function digestsOf({ fields }: Entry): readonly string[] {
  return listOf(fields['keySha256']).map(String);
}

/** The caller with this name and the part that holds it. */
export function findCaller(file: CallersFile, name: string): { part: FilePart; caller: Entry } | null {
  for (const part of file) {
    const caller = part.callers.find((each) => each.name === name);
    if (caller !== undefined) return { part, caller };
  }
  return null;
}

export function addCaller(file: CallersFile, caller: Entry): Edit {
  const found = findCaller(file, caller.name);
  if (found === null) return place(file, caller);
  return failed(`${caller.name} is a caller already, in ${found.part.name}: "rotate" gives it a second key`);
}

/** Adds a second digest. An entry that its part has no room for moves to another part. */
export function addDigest(file: CallersFile, name: string, digest: string): Edit {
  const found = findCaller(file, name);
  if (found === null) return unknown();
  const digests = digestsOf(found.caller);
  if (digests.length === 0) {
    return failed(`${name} has no key to rotate: "npm run key -- ${name} --rotate" makes one for its entry`);
  }
  if (digests.length >= MAX_KEYS_PER_CALLER) {
    const fingerprints = digests.map(fingerprintOf).join(' and ');
    return failed(
      `${name} has ${MAX_KEYS_PER_CALLER} keys, ${fingerprints}: revoke the one that is out of use, then rotate`,
    );
  }
  const caller = { name, fields: { ...found.caller.fields, keySha256: [...digests, digest] } };
  const replaced = replace(file, found.part, name, [caller]);
  const part = replaced.find((each) => each.name === found.part.name);
  if (part !== undefined && partBytes(part) <= MAX_VALUE_BYTES) return ok(replaced);
  return place(replace(file, found.part, name, []), caller);
}

export function revokeCaller(file: CallersFile, name: string): Edit {
  const found = findCaller(file, name);
  return found === null ? unknown() : ok(replace(file, found.part, name, []));
}

/** Removes the key that audit records name by this fingerprint. */
export function revokeKey(file: CallersFile, name: string, fingerprint: string): Edit {
  const found = findCaller(file, name);
  if (found === null) return unknown();
  const digests = digestsOf(found.caller);
  const kept = digests.filter((digest) => fingerprintOf(digest) !== fingerprint.toLowerCase());
  if (kept.length === digests.length) {
    return failed(
      `${name} has no key with this fingerprint; it has ${digests.map(fingerprintOf).join(' and ') || 'none'}`,
    );
  }
  const { keySha256: _, ...fields } = found.caller.fields;
  if (kept.length > 0)
    return ok(replace(file, found.part, name, [{ name, fields: { ...found.caller.fields, keySha256: kept } }]));
  if (fields['tokens'] === undefined && fields['binding'] === undefined) {
    return failed(
      `this key is the only proof of ${name}: "rotate ${name}" makes a second one first; "revoke ${name}" removes the caller`,
    );
  }
  return ok(replace(file, found.part, name, [{ name, fields }]));
}

function unknown(): Edit {
  return failed('no caller has this name: "list" shows all');
}

function replace(file: CallersFile, part: FilePart, name: string, by: readonly Entry[]): CallersFile {
  const callers = part.callers.flatMap((caller) => (caller.name === name ? by : [caller]));
  return file.map((each) => (each === part ? { ...part, callers } : each));
}

/** Appends the caller to the first part that has room for it, or to a new one. */
function place(file: CallersFile, caller: Entry): Edit {
  if (partBytes({ callers: [caller] }) > MAX_VALUE_BYTES) {
    return failed(
      `the entry of ${caller.name} alone is larger than the ${MAX_VALUE_BYTES} bytes that Cloudflare takes`,
    );
  }
  const grown = ({ callers }: FilePart) => [...callers, caller];
  const roomy = file.find((part) => partBytes({ callers: grown(part) }) <= MAX_VALUE_BYTES);
  if (roomy === undefined) return ok([...file, { name: nextName(file), callers: [caller] }]);
  return ok(file.map((part) => (part === roomy ? { ...part, callers: grown(part) } : part)));
}

function nextName(file: CallersFile): string {
  const taken = new Set(file.map(({ name }) => name));
  let name = FIRST_PART;
  for (let n = 1; taken.has(name); n++) name = `${FIRST_PART}_${n}`;
  return name;
}
