/**
 * Where `prometheus` and `promtool` are: on the path, or in Debian's packages, which it fetches.
 *
 * Promises: the machine stays as it is. apt-get fetches the packages with lists of its own and checks their signatures as always;
 * dpkg unpacks them into a folder that Git ignores. So it needs no root and no `apt-get update`, and what a package does when it is
 * installed, such as starting its service, is not done.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

const PROGRAMS = ['prometheus', 'promtool'];
/** Older releases of Debian have both programs in the first package. */
const PACKAGES = ['prometheus', 'promtool'];
const FOLDER = join(import.meta.dirname, '../../node_modules/.cache/prometheus');
const BIN = 'usr/bin';

/** The path with both programs on it. @throws Error with a sentence for people if they cannot be had */
export function pathWithPrometheus(): string {
  const path = process.env['PATH'] ?? '';
  if (PROGRAMS.every((program) => spawnSync(program, ['--version']).status === 0)) return path;
  if (!existsSync(FOLDER)) fetchFromDebian();
  return `${join(FOLDER, BIN)}${delimiter}${path}`;
}

function fetchFromDebian(): void {
  if (spawnSync('apt-get', ['--version']).status !== 0) {
    throw new Error(
      'prometheus and promtool are not on the path, and there is no apt-get to fetch them from Debian. Install Prometheus ' +
        '(https://prometheus.io/download/) or put it on the path, and run this again.',
    );
  }
  console.log("Fetching Debian's prometheus…");
  mkdirSync(dirname(FOLDER), { recursive: true });
  const folder = mkdtempSync(`${FOLDER}-`);
  try {
    const said = download(folder);
    const packages = readdirSync(folder).filter((file) => file.endsWith('.deb'));
    for (const file of packages) spawnSync('dpkg', ['-x', file, 'unpacked'], { cwd: folder, stdio: 'inherit' });
    const runs = (program: string) => spawnSync(join(folder, 'unpacked', BIN, program), ['--version']).status === 0;
    if (!PROGRAMS.every(runs)) throw new Error(`apt-get and dpkg cannot bring Debian's prometheus here.\n${said}`);
    renameSync(join(folder, 'unpacked'), FOLDER);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts the packages into the folder, as far as there are any. Returns what apt-get said. */
function download(folder: string): string {
  const state = join(folder, 'state');
  const cache = join(folder, 'cache');
  mkdirSync(join(state, 'lists/partial'), { recursive: true });
  mkdirSync(join(cache, 'archives/partial'), { recursive: true });
  const settings = [
    `Dir::State=${state}`,
    `Dir::Cache=${cache}`,
    // Root would fetch as a user who may not write into this folder.
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
  ];
  const aptGet = (...order: string[]) => {
    const options = settings.flatMap((setting) => ['-o', setting]);
    const { stdout, stderr } = spawnSync('apt-get', [...options, ...order], { cwd: folder, encoding: 'utf8' });
    return `$ apt-get ${order.join(' ')}\n${stdout}${stderr}`;
  };
  // A source that has nothing to do with this may fail. Whether the programs run in the end is what counts.
  return [aptGet('update'), ...PACKAGES.map((name) => aptGet('download', name))].join('');
}
