/** Runs a tool in a test, with its own folder, and collects everything that it prints. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome, World } from '../../src/tools/command.ts';

const ROOT = join(import.meta.dirname, '../..');

export type Tool = (args: readonly string[], world: World) => Promise<Outcome>;

/** A new folder, with functions to use and remove it. */
export function temporary(name: string) {
  const folder = mkdtempSync(join(tmpdir(), `bcg-${name}-`));
  const path = (file: string) => join(folder, file);
  return {
    folder,
    path,
    put: (file: string, content: unknown) =>
      writeFileSync(path(file), typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 }),
    textOf: (file: string) => readFileSync(path(file), 'utf8'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Runs a tool in this process. `stdout` includes what it printed while it ran. */
export async function runTool(
  tool: Tool,
  args: readonly string[],
  world: Partial<World> & Pick<World, 'folder'>,
): Promise<Outcome> {
  let printed = '';
  const print = async (text: string) => {
    printed += text;
    return null;
  };
  const { status, stdout, stderr } = await tool(args, {
    env: {},
    print,
    show: null,
    now: Date.now,
    sleep: async () => undefined,
    ...world,
  });
  return { status, stdout: printed + stdout, stderr };
}

/** The arguments for npm to run a script of this repository from any folder. */
export const npmArgs = (script: string, ...args: string[]) => [
  '--prefix',
  ROOT,
  'run',
  '--silent',
  script,
  '--',
  ...args,
];
