/** What `npm run sha256` prints. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256Lines } from '../../src/tools/sha256.ts';
import { npmArgs } from './world.ts';

const ROOT = join(import.meta.dirname, '../..');

it('npm run sha256 prints a line for the Worker and for each of its assets, the same each time', () => {
  const lines = sha256Lines();
  expect(lines[0]).toMatch(/^[0-9a-f]{64} {2}index\.js$/);
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines.slice(1)) {
    const [digest, file = ''] = line.split('  ');
    expect(digest, file).toBe(
      createHash('sha256')
        .update(readFileSync(join(ROOT, file)))
        .digest('hex'),
    );
  }
  const { stdout, stderr } = spawnSync('npm', npmArgs('sha256'), { encoding: 'utf8' });
  expect([stdout, stderr]).toEqual([`${lines.join('\n')}\n`, '']);
});
