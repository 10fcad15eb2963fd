/**
 * Builds the console beside the other pages. `npm ci` and `npm install` run this (`postinstall`), so that whoever serves or deploys
 * the Worker afterwards has the files. The Worker serves them under these names.
 */
import { join } from 'node:path';
import { build } from 'vite';

const CONSOLE = join(import.meta.dirname, '../console');
export const PUBLIC = join(import.meta.dirname, '../pages/public');

export async function buildConsole(folder: string): Promise<void> {
  await build({
    configFile: false,
    root: CONSOLE,
    base: '/assets/',
    logLevel: 'warn',
    build: {
      outDir: folder,
      // The files of the other pages stay.
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

if (import.meta.main) await buildConsole(PUBLIC);
