/**
 * The examples for callers, each run as its header says against the running gateway. The scripts of the two platforms are taken out of
 * their files, and find a token where the platform would put it. An example whose runtime is not on this machine is skipped.
 */
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createKey } from '../../src/tools/new-key.ts';
import { isRecord } from '../../src/worker/json.ts';
import { TestIssuer } from '../issuer.ts';
import { type Door, type DoorFault, openDoor } from './door.ts';
import { type IssuerServer, startIssuer } from './issuer.ts';
import { type Gateway, HASTY, type Server, startEmulator, startGateway, temporaryFolder, varsFor } from './stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOLDER = temporaryFolder('examples');
const SETUP_TIMEOUT_MS = 180_000;
const GITHUB_PROOF = 'Bearer proof-of-this-job';
const run = promisify(execFile);
const here = (file: string) => join(FOLDER, file);
const example = (file: string) => join(ROOT, 'test/examples', file);
const textOf = (file: string) => readFileSync(example(file), 'utf8');

type Variables = Readonly<Record<string, string>>;

interface Example {
  readonly file: string;
  /** The programs that it needs. */
  readonly needs: readonly string[];
  readonly prepare?: () => Promise<unknown>;
  /** The program and its arguments. */
  readonly command: (image: string, patienceS: string) => readonly string[];
  /** The variables with which it proves who it is; by default its key. */
  readonly proof?: () => Variables;
  /** Puts another token in the place of the one that was there. */
  readonly renew?: () => Promise<void>;
}

const EXAMPLES: readonly Example[] = [
  {
    file: 'delete-image.sh',
    needs: ['sh', 'curl', 'jq'],
    command: (image) => ['sh', example('delete-image.sh'), image],
  },
  {
    file: 'delete-image.ts',
    needs: [],
    prepare: async () => {
      const client = here('node_modules/bcc-image-gateway-client');
      const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
      await run(process.execPath, [compiler, '-p', join(ROOT, 'src/client'), '--outDir', join(client, 'dist')]);
      cpSync(join(ROOT, 'src/client/package.json'), join(client, 'package.json'));
      cpSync(example('delete-image.ts'), here('delete-image.ts'));
    },
    command: (image) => [process.execPath, here('delete-image.ts'), image],
  },
  {
    file: 'delete-image.py',
    needs: ['python3'],
    command: (image) => ['python3', example('delete-image.py'), image],
  },
  {
    file: 'delete-image.go',
    needs: ['go'],
    prepare: () => run('go', ['build', '-o', here('delete-image'), example('delete-image.go')]),
    command: (image, patienceS) => [here('delete-image'), '-patience', `${patienceS}s`, image],
  },
  {
    file: 'kubernetes.yaml',
    needs: ['python3'],
    command: () => ['python3', '-c', scriptOf('kubernetes.yaml')],
    proof: () => ({ GATEWAY_TOKEN_FILE: here('token') }),
    renew: async () => writeFileSync(here('token'), await tokenFor('kubernetes.yaml', audienceOf('kubernetes.yaml'))),
  },
  {
    file: 'github-actions.yaml',
    needs: ['bash', 'curl', 'jq'],
    prepare: async () => writeFileSync(here('step.sh'), scriptOf('github-actions.yaml')),
    // As GitHub runs a step with `shell: bash`.
    command: () => ['bash', '--noprofile', '--norc', '-eo', 'pipefail', here('step.sh')],
    proof: () => ({
      AUDIENCE: audienceOf('github-actions.yaml'),
      ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: GITHUB_PROOF.replace('Bearer ', ''),
    }),
    // GitHub makes a token whenever it is asked.
    renew: async () => undefined,
  },
];

/** The script with which a YAML file ends, without its indentation. */
function scriptOf(file: string): string {
  const [, indent = '', script = ''] = /(?:run:|-) \|\n( +)(.*)/s.exec(textOf(file)) ?? [];
  return script.replaceAll(`\n${indent}`, '\n');
}

function audienceOf(file: string): string {
  return /audience: ([\w-]+)/i.exec(textOf(file))?.[1] ?? '';
}

const keys = new Map(EXAMPLES.map(({ file }) => [file, createKey()]));
let emulator: Server;
let issuers: IssuerServer;
let issuer: TestIssuer;
let github: { url: string; stop: () => void };
let gateway: Gateway;
let door: Door;

const tokenFor = (sub: string, audience: string) => issuer.token({ sub, aud: audience, jti: crypto.randomUUID() });

/** GitHub's side of a job: tokens for whoever proves to be the job. */
async function startGitHub(): Promise<typeof github> {
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const isJob = request.headers.authorization === GITHUB_PROOF && pathname === '/token';
    if (!isJob) response.writeHead(401).end();
    else
      response.end(
        JSON.stringify({ value: await tokenFor('github-actions.yaml', searchParams.get('audience') ?? '') }),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, stop: () => server.close() };
}

const direct = (order: string, body: unknown) =>
  fetch(`${emulator.url}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });

/** One more image, which no other test deletes, so that its fate is not explained by another deletion. */
async function newImage(): Promise<string> {
  const id = `m-${crypto.randomUUID().replaceAll('-', '')}`;
  await direct('images', { id, name: 'ci-build' });
  return id;
}

async function stands(id: string): Promise<boolean> {
  const state: unknown = await (await fetch(`${emulator.url}/__emulator/state`)).json();
  if (!isRecord(state) || !Array.isArray(state['images'])) throw new Error('no images');
  return state['images'].some((image) => isRecord(image) && image['id'] === id);
}

beforeAll(async () => {
  emulator = await startEmulator(0);
  issuers = await startIssuer();
  issuer = await TestIssuer.create(issuers.url);
  github = await startGitHub();
  const callerOf = ({ file, proof }: Example) => ({
    scopes: ['images:delete'],
    ...(proof === undefined
      ? { keySha256: [keys.get(file)?.keySha256] }
      : { tokens: [{ issuer: 'local', claims: { sub: file } }] }),
  });
  gateway = await startGateway({
    port: 0,
    vars: {
      ...varsFor(emulator),
      ...HASTY,
      ISSUERS: JSON.stringify({ local: issuer.entry() }),
      CALLERS: JSON.stringify(Object.fromEntries(EXAMPLES.map((each) => [each.file, callerOf(each)]))),
    },
  });
  door = await openDoor(gateway.url);
}, SETUP_TIMEOUT_MS);

afterAll(async () => {
  await door?.stop();
  github?.stop();
  await gateway?.stop();
  await issuers?.stop();
  await emulator?.stop();
  rmSync(FOLDER, { recursive: true, force: true });
});

beforeEach(() => {
  door.fault = null;
  door.proofs.clear();
});

function isOnPath(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

for (const { file, needs, prepare, command, proof, renew } of EXAMPLES) {
  const missing = needs.filter((program) => !isOnPath(program));
  const why = missing.length === 0 ? '' : ` (skipped, because there is no ${missing.join(' and no ')})`;

  /** How the example ends, and how many deletions it has sent. */
  const start = (image: string, patienceS = '60') => {
    const identity = proof?.() ?? { GATEWAY_TOKEN: keys.get(file)?.key };
    const env = { PATH: process.env['PATH'], GATEWAY_URL: door.url, IMAGE: image, PATIENCE_S: patienceS, ...identity };
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    door.deletions = 0;
    return new Promise((resolve) => {
      execFile('env', ['-i', ...variables, ...command(image, patienceS)], (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : error.code, deletions: door.deletions, output: stdout + stderr });
      });
    });
  };
  const ends = (status: number, deletions: number, said: string) => ({
    status,
    deletions,
    output: expect.stringContaining(said),
  });

  describe.skipIf(missing.length > 0)(`${file}${why}`, () => {
    beforeAll(async () => {
      await prepare?.();
      await renew?.();
    }, SETUP_TIMEOUT_MS);

    it('deletes an image, takes an absent one for a success, and says what is refused', async () => {
      const image = await newImage();
      expect(await start(image)).toEqual(ends(0, 1, `${image}: deleted`));
      expect(await stands(image)).toBe(false);
      expect(await start(image)).toEqual(ends(0, 1, `${image}: already_absent`));
      expect(await start('m-system01')).toEqual(ends(3, 1, 'm-system01: rejected'));
    });

    it.each<DoorFault>(['cut_after', 'html_after'])(
      'ends in deleted without a second deletion if the answer is lost (%s)',
      async (fault) => {
        const image = await newImage();
        door.fault = fault;
        expect(await start(image)).toEqual(ends(0, 1, `${image}: deleted`));
      },
    );

    it('ends in deleted without a second deletion if nobody heard what Baidu did, and asks with the token of the moment', async () => {
      const image = await newImage();
      await direct('faults', ['stalled_200', 'drop_after']);
      const end = start(image);
      await vi.waitFor(() => expect(door.deletions).toBe(1), { timeout: 30_000 });
      await renew?.();
      expect(await end).toEqual(ends(0, 1, `${image}: deleted`));
      expect(door.proofs.size > 1).toBe(renew !== undefined);
    });

    it('says that nobody knows if its patience ends first', async () => {
      const image = await newImage();
      door.fault = 'cut_before';
      expect(await start(image, '1')).toEqual(ends(1, 1, `${image}: unknown`));
      expect(await stands(image)).toBe(true);
    });

    it('tries again what changed nothing, after the time that the gateway says, twice and no more', async () => {
      const image = await newImage();
      await direct('faults', ['throttled', 'throttled', 'throttled']);
      expect(await start(image)).toEqual(ends(3, 3, `${image}: rejected`));
      await direct('faults', ['throttled_long']);
      expect(await start(image)).toEqual(ends(3, 1, `${image}: rejected`));
      await direct('faults', ['throttled']);
      expect(await start(image)).toEqual(ends(0, 2, `${image}: deleted`));
    });
  });
}

describe('kubernetes.yaml', () => {
  it('reads the token where it mounts it, and starts no second pod', () => {
    const text = textOf('kubernetes.yaml');
    const folder = /mountPath: ([^\s,]+)/.exec(text)?.[1];
    const path = /path: (\w+)/.exec(text)?.[1];
    expect(text).toContain(`{ name: GATEWAY_TOKEN_FILE, value: ${folder}/${path} }`);
    expect(text).toContain('  backoffLimit: 0\n');
    expect(text).toContain('      restartPolicy: Never\n');
  });
});
