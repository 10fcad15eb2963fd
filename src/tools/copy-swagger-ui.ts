/**
 * Puts Swagger UI beside the page that uses it. `npm ci` and `npm install` run this (`postinstall`), so that whoever serves or
 * deploys the Worker afterwards has the files.
 *
 * Never: more than the page loads. Swagger UI's other files include a page and a layout that calls a foreign validator.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
export const FROM = join(ROOT, 'node_modules/swagger-ui-dist');
export const TO = join(ROOT, 'src/pages/public');
export const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js'];

for (const file of FILES) copyFileSync(join(FROM, file), join(TO, file));
