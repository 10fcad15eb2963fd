/**
 * The Worker's modules that a search runs: `src/worker`, or a copy of it with one text replaced.
 *
 * Promises: `src` is never changed; a text that does not occur exactly once is an error.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');
const WORKER = join(ROOT, 'src/worker');
/** Git ignores it. */
const COPIES = join(ROOT, '.wrangler/interleavings');

export interface Code {
  readonly LedgerStore: typeof import('../../../src/worker/ledger/store.ts').LedgerStore;
  readonly checkImage: typeof import('../../../src/worker/deletions/check.ts').checkImage;
  readonly deleteImage: typeof import('../../../src/worker/deletions/deletion.ts').deleteImage;
  readonly createGateway: typeof import('../../../src/worker/create-gateway.ts').createGateway;
  readonly outcomeOf: typeof import('../../../src/worker/problems/failure.ts').outcomeOf;
}

/** A deliberate break: the first occurrence of `from` in `file` becomes `to`. */
export interface Replacement {
  /** A path below `src/worker`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** The unchanged modules. */
export function loadCode(): Promise<Code> {
  return loadFrom(WORKER);
}

/** The modules with one text replaced, in a folder called `name`. @throws Error if the text does not occur exactly once */
export async function loadMutant(name: string, { file, from, to }: Replacement): Promise<Code> {
  const folder = join(COPIES, name.replaceAll(/\W+/g, '-'));
  rmSync(folder, { recursive: true, force: true });
  cpSync(WORKER, folder, { recursive: true });
  const path = join(folder, file);
  const parts = readFileSync(path, 'utf8').split(from);
  if (parts.length !== 2) throw new Error(`${name}: "${from}" occurs ${parts.length - 1} times in ${file}.`);
  writeFileSync(path, parts.join(to));
  return loadFrom(folder);
}

async function loadFrom(folder: string): Promise<Code> {
  const store: typeof import('../../../src/worker/ledger/store.ts') = await import(`${folder}/ledger/store.ts`);
  const deletion: typeof import('../../../src/worker/deletions/deletion.ts') = await import(
    `${folder}/deletions/deletion.ts`
  );
  const gateway: typeof import('../../../src/worker/create-gateway.ts') = await import(`${folder}/create-gateway.ts`);
  const failure: typeof import('../../../src/worker/problems/failure.ts') = await import(
    `${folder}/problems/failure.ts`
  );
  const check: typeof import('../../../src/worker/deletions/check.ts') = await import(`${folder}/deletions/check.ts`);
  return {
    LedgerStore: store.LedgerStore,
    deleteImage: deletion.deleteImage,
    createGateway: gateway.createGateway,
    outcomeOf: failure.outcomeOf,
    checkImage: check.checkImage,
  };
}
