/**
 * `npm run sha256`: prints the SHA-256 of the Worker that a deploy of this checkout would upload, and of each asset, in the format of
 * `sha256sum`. Compare the output of two machines to see whether both would deploy the same.
 *
 * Promises: Wrangler itself builds the Worker (`deploy --dry-run`), with the same build as a deploy. Never: sends anything, or
 * depends on an environment: code and pages are the same in all.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIST } from './build.ts';

const ROOT = join(import.meta.dirname, '../..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');

/** One line per file. @throws Error with Wrangler's output if it cannot build the Worker */
export function sha256Lines(): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'bcg-worker-'));
  try {
    const args = ['deploy', '--dry-run', '--env=', '--outdir', folder];
    const { status, stdout, stderr } = spawnSync(process.execPath, [WRANGLER, ...args], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`Wrangler failed:\n${stdout}${stderr}`);
    const pages = join(DIST, 'pages');
    return [
      `${sha256(join(folder, 'index.js'))}  index.js`,
      ...readdirSync(pages)
        .sort()
        .map((file) => `${sha256(join(pages, file))}  dist/pages/${file}`),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

if (import.meta.main) {
  try {
    console.log(sha256Lines().join('\n'));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
