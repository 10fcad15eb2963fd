/**
 * `npm run build`: makes `dist/pages`, the Worker's static assets. Wrangler runs it before `dev`, `deploy` and `versions upload`.
 *
 * Promises: equal inputs make equal bytes; does nothing if `dist` is up to date. Writes files elsewhere, then renames them, with the
 * digest of the inputs last. So an interrupted build leaves no partial file and runs again. Never: includes a file that no page
 * loads. Swagger UI has such files, one with a call to a foreign validator.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const DOCS = join(ROOT, 'src/openapi/page');
const CONSOLE = join(ROOT, 'src/console');
const SWAGGER_UI = join(ROOT, 'node_modules/swagger-ui-dist');
const SWAGGER_UI_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js'];

export const DIST = join(ROOT, 'dist');
/** Holds the digest of the inputs. */
const STAMP = 'inputs.sha256';

/** Whether there is a build, from current or older inputs. */
export function isBuilt(dist = DIST): boolean {
  return existsSync(join(dist, STAMP));
}

/** Builds the pages. Returns `false` if they were up to date. */
export async function build(dist = DIST): Promise<boolean> {
  const stamp = join(dist, STAMP);
  const inputs = digestOfInputs();
  if (isBuilt(dist) && readFileSync(stamp, 'utf8') === inputs) return false;
  const pages = join(dist, 'pages');
  mkdirSync(pages, { recursive: true });
  // Beside `dist`, because a rename works only within one file system.
  const beside = mkdtempSync(`${dist}-`);
  try {
    await makePages(beside);
    const made = readdirSync(beside);
    rmSync(stamp, { force: true });
    for (const file of made) renameSync(join(beside, file), join(pages, file));
    for (const file of readdirSync(pages)) if (!made.includes(file)) rmSync(join(pages, file));
    writeFileSync(join(beside, STAMP), inputs);
    renameSync(join(beside, STAMP), stamp);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  return true;
}

/** Writes the pages into an empty folder, under the names that the Worker serves. */
async function makePages(folder: string): Promise<void> {
  for (const file of readdirSync(DOCS)) copyFileSync(join(DOCS, file), join(folder, file));
  for (const file of SWAGGER_UI_FILES) copyFileSync(join(SWAGGER_UI, file), join(folder, file));
  // Loaded here, because it takes a second and most builds are up to date.
  const [vite, { openapi }] = await Promise.all([import('vite'), import('../openapi/document.ts')]);
  writeFileSync(join(folder, 'openapi.json'), JSON.stringify(openapi()));
  await vite.build({
    configFile: false,
    root: CONSOLE,
    base: '/assets/',
    logLevel: 'warn',
    build: {
      outDir: folder,
      emptyOutDir: false,
      modulePreload: { polyfill: false },
      rolldownOptions: {
        input: join(CONSOLE, 'console.html'),
        output: { entryFileNames: '[name].js', assetFileNames: '[name][extname]' },
        checks: { pluginTimings: false },
      },
    },
  });
}

/** SHA-256 over the path and content of everything that can change the result. */
function digestOfInputs(): string {
  const sources = ['src/client', 'src/console', 'src/openapi', 'src/worker'];
  const tools = [
    'vite/package.json',
    'rolldown/package.json',
    ...SWAGGER_UI_FILES.map((file) => `swagger-ui-dist/${file}`),
  ];
  const files = [
    import.meta.filename,
    join(ROOT, 'tsconfig.json'),
    ...sources.flatMap((path) => filesIn(join(ROOT, path))),
    ...tools.map((path) => join(ROOT, 'node_modules', path)),
  ];
  const digest = createHash('sha256');
  for (const file of files) {
    const content = readFileSync(file);
    digest.update(`${relative(ROOT, file)}\n${content.length}\n`).update(content);
  }
  return digest.digest('hex');
}

/** The files below a folder, in the same order on every machine. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

if (import.meta.main && (await build())) console.log('Built dist/pages.');
