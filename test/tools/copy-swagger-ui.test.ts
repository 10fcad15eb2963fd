/** The copy of Swagger UI that is deployed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FILES, FROM, TO } from '../../src/tools/copy-swagger-ui.ts';

it.each(FILES)('%s is the file of the version that is pinned', (file) => {
  expect(readFileSync(join(TO, file)).equals(readFileSync(join(FROM, file)))).toBe(true);
});
