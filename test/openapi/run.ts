/**
 * `npm run openapi`: checks the OpenAPI document with the tools of its readers.
 *
 * Promises: the document has no error and no warning under Redocly's recommended rules, except for rules that `redocly.yaml` turns off
 * with a reason. The types that `openapi-typescript` generates compile and equal those of the code. Both tools are installed on demand,
 * below this folder, and send no data.
 */
import { join } from 'node:path';
import { installTools, run } from '../local/on-demand.ts';

const FOLDER = 'test/openapi';
const QUIET = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
const tool = (path: string) => join(FOLDER, 'node_modules', path);

installTools(FOLDER);
const document = 'dist/pages/openapi.json';

run(process.execPath, [tool('@redocly/cli/bin/cli.js'), 'lint', `--config=${FOLDER}/redocly.yaml`, document], QUIET);

const generated = join(FOLDER, 'generated.ts');
run(process.execPath, [tool('openapi-typescript/bin/cli.js'), document, '--immutable', `--output=${generated}`], QUIET);
run('tsc', ['-p', FOLDER]);
