/**
 * Loaded before each TypeScript script: says in one sentence what the installation lacks, and what to do.
 *
 * It is JavaScript, because a Node.js that cannot read TypeScript must be able to run it.
 */
import { existsSync } from 'node:fs';

/** @param {string} sentence */
function stop(sentence) {
  console.error(sentence);
  process.exit(1);
}

if (!existsSync(new URL('../../node_modules/wrangler/package.json', import.meta.url))) {
  stop('The development dependencies are missing: run "npm ci --include=dev".');
}
// Node.js 22.18 is the first version 22 that reads TypeScript without an option.
if (!Reflect.get(process.features, 'typescript')) {
  stop(
    `Node.js ${process.versions.node} cannot read TypeScript: run "npm ci", without --ignore-scripts, which brings one that can, or use Node.js 22.18 or later.`,
  );
}
