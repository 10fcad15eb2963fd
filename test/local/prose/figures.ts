/**
 * The figures that README and docs state and that do not depend on the machine: `npm run figures`. With `--write`, it puts them into
 * the pages.
 *
 * `reading.ts` counts the lines. The size is that of Wrangler's upload, which a dry run shows without an account.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv } from 'node:process';
import { isRecord, parseJson } from '../../../src/worker/json.ts';
import { PROBLEMS } from '../../../src/worker/problems/failure.ts';
import { ROOT } from './pages.ts';
import { linesAbout, reading } from './reading.ts';

/** A figure, and every place that states it. The first group of the pattern is the figure. */
interface Figure {
  readonly name: string;
  readonly value: string;
  readonly places: readonly (readonly [page: string, pattern: RegExp])[];
}

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const grouped = (count: number) => count.toLocaleString('en');

/** @throws if Wrangler cannot build the Worker */
export function figures(): readonly Figure[] {
  const { dependencies } = packageFile();
  return [
    {
      name: 'gzipped size in KiB',
      value: gzippedKib(),
      places: [
        ['README.md', /(\d+) KiB gzipped/],
        ['README.zh-CN.md', /gzip 后 (\d+) KiB/],
      ],
    },
    {
      name: 'run-time dependencies',
      value: String(Object.keys(dependencies).length),
      places: [
        ['README.md', /(\d+) run-time dependencies/],
        ['README.zh-CN.md', /(\d+) 个运行时依赖/],
      ],
    },
    {
      name: 'lines that decide what is sent and what is reported',
      value: grouped(linesAbout('Only this call')),
      places: [
        ['README.md', /· ([\d,]+) lines decide what is sent/],
        ['README.md', /An afternoon is enough for the ([\d,]+) lines/],
        ['README.zh-CN.md', /\n([\d,]+) 行代码决定/],
        ['README.zh-CN.md', /一个下午足以读完 ([\d,]+) 行代码/],
      ],
    },
    {
      name: 'lines of the Worker',
      value: grouped(linesAbout('The Worker')),
      places: [
        ['README.md', /The entire Worker has ([\d,]+) lines/],
        ['README.zh-CN.md', /整个 Worker 有 ([\d,]+) 行/],
      ],
    },
    ...reading().map(
      ({ about, lines }): Figure => ({
        name: about,
        value: grouped(lines),
        places: [['SECURITY.md', new RegExp(`\\n\\| (?:\\*\\*)?${about}(?:\\*\\*)? \\|[^|\\n]*\\| ([\\d,]+) \\|`)]],
      }),
    ),
    { name: 'codes', value: String(Object.keys(PROBLEMS).length), places: [] },
  ];
}

/** The figure as a page states it; `null` if the page does not. */
export function stated(page: string, pattern: RegExp): string | null {
  return pattern.exec(read(page))?.[1] ?? null;
}

function packageFile(): { readonly dependencies: Readonly<Record<string, unknown>> } {
  const file = parseJson(read('package.json'));
  if (!isRecord(file) || !isRecord(file['dependencies'])) throw new Error('package.json has no dependencies.');
  return { dependencies: file['dependencies'] };
}

function gzippedKib(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bcc-figures-'));
  try {
    const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
    const args = [wrangler, 'deploy', '--dry-run', '--env=', '--outdir', folder];
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
    const [, kib] = /gzip: ([\d.]+) KiB/.exec(stdout) ?? [];
    if (kib === undefined) throw new Error(`Wrangler built nothing:\n${stdout}${stderr}`);
    return Number(kib).toFixed(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  for (const { name, value, places } of figures()) {
    console.log(`${value.padStart(6)}  ${name}`);
    for (const [page, pattern] of places) {
      const text = read(page);
      const [whole, before] = pattern.exec(text) ?? [];
      if (whole === undefined || before === undefined) throw new Error(`${page} does not state it: ${pattern}`);
      if (argv.includes('--write')) writeFileSync(join(ROOT, page), text.replace(whole, whole.replace(before, value)));
    }
  }
}
