/**
 * Finds `prometheus` and `promtool` on the path, or fetches Debian's packages.
 *
 * Promises: does not change the machine. apt-get fetches the packages with its own lists and checks their signatures as usual, and
 * dpkg unpacks them into a folder that Git ignores. So it needs no root and no `apt-get update`. Nothing that a package does on
 * installation, such as starting its service, happens.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

const PROGRAMS = ['prometheus', 'promtool'];
/** Older releases of Debian have both programs in the first package. */
const PACKAGES = ['prometheus', 'promtool'];
const FOLDER = join(import.meta.dirname, '../../node_modules/.cache/prometheus');
const BIN = 'usr/bin';

/** A `PATH` with both programs. @throws Error with a readable message if they cannot be obtained */
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
    if (!PROGRAMS.every(runs)) throw new Error(`apt-get and dpkg could not fetch Debian's prometheus.\n${said}`);
    renameSync(join(folder, 'unpacked'), FOLDER);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Downloads the packages that exist into the folder. Returns the output of apt-get. */
function download(folder: string): string {
  const state = join(folder, 'state');
  const cache = join(folder, 'cache');
  mkdirSync(join(state, 'lists/partial'), { recursive: true });
  mkdirSync(join(cache, 'archives/partial'), { recursive: true });
  const settings = [
    `Dir::State=${state}`,
    `Dir::Cache=${cache}`,
    // Otherwise root would fetch as a user who cannot write to this folder.
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
  ];
  const aptGet = (...order: string[]) => {
    const options = settings.flatMap((setting) => ['-o', setting]);
    const { stdout, stderr } = spawnSync('apt-get', [...options, ...order], { cwd: folder, encoding: 'utf8' });
    return `$ apt-get ${order.join(' ')}\n${stdout}${stderr}`;
  };
  // An unrelated source may fail. What matters is whether the programs run in the end.
  return [aptGet('update'), ...PACKAGES.map((name) => aptGet('download', name))].join('');
}
