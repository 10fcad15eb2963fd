/** The console that is deployed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildConsole, PUBLIC } from '../../src/tools/build-console.ts';
import { temporaryFolder } from '../local/stack.ts';

it('is what the source makes, under the names that the Worker serves (if not: npm run postinstall)', async () => {
  const folder = temporaryFolder('console');
  await buildConsole(folder);
  expect(readdirSync(folder).sort()).toEqual(['console.css', 'console.html', 'console.js']);
  for (const file of readdirSync(folder)) {
    expect(readFileSync(join(PUBLIC, file), 'utf8'), file).toBe(readFileSync(join(folder, file), 'utf8'));
  }
});
