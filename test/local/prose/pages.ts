/** The files that people read: Markdown pages, and code with its comments and texts. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../../..');

/** What git ignores in these folders, and what Wrangler and npm write. */
const GENERATED = /(?:^|\/)(?:node_modules|\.wrangler|coverage|generated\.ts|env\.d\.ts|package-lock\.json)(?:\/|$)/;

/** All files in `src`, in `test` and at the top, by their path from the top, except generated and installed ones. */
export function files(): readonly string[] {
  const below = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  );
  const atTop = readdirSync(ROOT).filter((file) => file.includes('.'));
  return [...atTop, ...below].filter((file) => !GENERATED.test(file)).sort();
}

/** The Markdown pages. */
export function pages(): readonly string[] {
  return files().filter((file) => file.endsWith('.md'));
}
