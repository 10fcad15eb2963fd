/**
 * `node test/local/build-client-1.0.0.ts COMMIT`: builds the JavaScript of `test/client/1.0.0` from the client at that
 * commit. Client 1.0.0 is 602888c. Never: runs in a test, because a clone may lack the history.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const FIXTURE = join(ROOT, 'test/client/1.0.0');
const [commit = ''] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'bcc-client-'));
execFileSync('git', ['archive', '--output', join(folder, 'old.tar'), commit, 'src', 'tsconfig.json'], { cwd: ROOT });
execFileSync('tar', ['-xf', 'old.tar'], { cwd: folder });
symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
const options = ['-p', 'src/client', '--removeComments', '--declaration', 'false', '--outDir', 'out'];
execFileSync(process.execPath, [tsc, ...options], { cwd: folder, stdio: 'inherit' });
for (const file of globSync(join(folder, 'out/client/*.js'))) cpSync(file, join(FIXTURE, basename(file)));
rmSync(folder, { recursive: true });
