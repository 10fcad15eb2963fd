/**
 * What `wrangler.toml` declares, read with Wrangler's own reader, for one of its environments.
 *
 * Promises: whatever Wrangler would refuse is refused here with Wrangler's words; the environment is the one that Wrangler would take,
 * and the result names it. Never: reads `.dev.vars` or `.env`.
 *
 * Wrangler ships no type for what its reader returns, so it is taken apart like any outside data.
 *
 * Source: https://developers.cloudflare.com/workers/wrangler/configuration/
 */
import { join, resolve } from 'node:path';
import { listOf } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import type { World } from './command.ts';
import { readFile } from './files.ts';
import { recordOf } from './json-text.ts';

export type WranglerConfig = ReturnType<typeof readFields>;

export const WRANGLER_CONFIG = join(import.meta.dirname, '../../wrangler.toml');

/** Reads the file. Without `env`, Wrangler uses the variable of the process. A failure is one sentence or more. */
export async function readWranglerConfig(
  { folder, env: variables }: Pick<World, 'folder' | 'env'>,
  file = WRANGLER_CONFIG,
  env = variables['CLOUDFLARE_ENV'] ?? '',
): Promise<Result<WranglerConfig, string>> {
  // Wrangler would take a missing file for an empty one.
  const found = readFile(folder, file);
  if (!found.ok || found.value.text === null) return failed(`${file} ${found.ok ? 'does not exist' : found.failure}.`);
  // Loaded here, because it takes a second or two, and help should not.
  const { unstable_readConfig } = await import('wrangler');
  try {
    const path = resolve(folder, file);
    const fields = recordOf(unstable_readConfig({ config: path, env }, { hideWarnings: true }));
    // With no environment at all in the file, Wrangler takes any name and deploys the top level under it.
    const isKnown = env === '' || listOf(fields['definedEnvironments']).includes(env);
    return isKnown ? ok(readFields(path, env, fields)) : failed(`${file}: unknown environment`);
  } catch (error) {
    return failed(`${file}: ${reasonOf(error)}`);
  }
}

/** The top-level environment of the file; `null` if `config` is that one. */
export async function readTopLevel(world: World, { path, environment }: WranglerConfig) {
  const read = environment === '' ? null : await readWranglerConfig(world, path, '');
  return read?.ok ? read.value : null;
}

/** Which deployment a tool has worked on, as its messages say it. */
export function deploymentOf({ name, environment }: WranglerConfig): string {
  return `${name} (${environment === '' ? 'the top-level environment' : `environment ${environment}`})`;
}

function readFields(path: string, environment: string, config: Readonly<Record<string, unknown>>) {
  const within = (name: string, member: string) => recordOf(config[name])[member];
  const [version = null] = textsOf([within('version_metadata', 'binding')]);
  const [placement = null] = textsOf([within('placement', 'hostname')]);
  const routes = textsOf(
    [...listOf(config['routes']), config['route']].map((route) => recordOf(route)['pattern'] ?? route),
  );
  const rateLimits = listOf(config['ratelimits'])
    .map(recordOf)
    .map(({ name, namespace_id, simple }) => {
      const { limit, period } = recordOf(simple);
      return [
        String(name),
        { namespaceId: String(namespace_id), requests: Number(limit), periodS: Number(period) },
      ] as const;
    });
  const objects = listOf(within('durable_objects', 'bindings')).map(recordOf);
  return {
    /** Absolute. */
    path,
    /** The name of the Worker. */
    name: String(config['name']),
    /** Blank for the one at the top. */
    environment,
    vars: recordOf(config['vars']),
    requiredSecrets: textsOf(listOf(within('secrets', 'required'))),
    /** Class names by binding. */
    durableObjects: new Map(objects.map(({ name, class_name }) => [String(name), String(class_name)])),
    rateLimits: new Map(rateLimits),
    /** The name of the binding that tells the version. */
    version,
    /** The host near which the Worker is to run; `null` if it names none. */
    placement,
    /** Patterns of hosts and paths that lead to the Worker. */
    routes,
    /** Whether it has a host below workers.dev: Wrangler's default if there are no routes. */
    isOnWorkersDev: Boolean(config['workers_dev'] ?? routes.length === 0),
  };
}

function textsOf(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string');
}

/** Wrangler's message, with the line if it tells one. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message.trim() : 'cannot be read';
  const line = recordOf(recordOf(error)['location'])['line'];
  return typeof line === 'number' ? `${message} (line ${line})` : message;
}
