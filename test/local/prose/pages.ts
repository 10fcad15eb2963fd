/** The files that somebody reads: pages of Markdown, and code with its comments and texts. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../../..');

/** What git ignores below these folders, and what Wrangler and npm write. */
const GENERATED = /(?:^|\/)(?:node_modules|\.wrangler|coverage|generated\.ts|env\.d\.ts|package-lock\.json)(?:\/|$)/;

/** All files below `src` and `test` and those at the top, by their path from the top. Without what is generated or installed. */
export function files(): readonly string[] {
  const below = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  );
  const atTop = readdirSync(ROOT).filter((file) => file.includes('.'));
  return [...atTop, ...below].filter((file) => !GENERATED.test(file)).sort();
}

/** The pages of Markdown. */
export function pages(): readonly string[] {
  return files().filter((file) => file.endsWith('.md'));
}
