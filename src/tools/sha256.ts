/**
 * `npm run sha256`: the SHA-256 of the Worker that a deploy of this checkout uploads, and of each file beside it, in the form of
 * `sha256sum`. Compare them from two machines to see whether both would deploy the same.
 *
 * Promises: Wrangler itself makes the Worker (`deploy --dry-run`), after the build that a deploy runs. Never: sends anything, or
 * depends on an environment, because code and pages are the same in all.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIST } from './build.ts';

const ROOT = join(import.meta.dirname, '../..');
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');

/** One line for each file. @throws Error with what Wrangler says if it cannot make the Worker */
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
