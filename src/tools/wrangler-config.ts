/**
 * Reads one environment of `wrangler.toml` with Wrangler's own reader.
 *
 * Promises: rejects whatever Wrangler would reject, with Wrangler's message; chooses the environment as Wrangler does, and names it in
 * the result. Never: reads `.dev.vars` or `.env`.
 *
 * Wrangler ships no type for the result of its reader, so it is checked like any outside data.
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

/** Reads the file. Without `env`, uses `CLOUDFLARE_ENV` as Wrangler does. A failure is one or more sentences. */
export async function readWranglerConfig(
  { folder, env: variables }: Pick<World, 'folder' | 'env'>,
  file = WRANGLER_CONFIG,
  env = variables['CLOUDFLARE_ENV'] ?? '',
): Promise<Result<WranglerConfig, string>> {
  // Wrangler would treat a missing file as an empty one.
  const found = readFile(folder, file);
  if (!found.ok || found.value.text === null) return failed(`${file} ${found.ok ? 'does not exist' : found.failure}.`);
  // Loaded here, because it takes a second or two, and the help should not wait for it.
  const { unstable_readConfig } = await import('wrangler');
  try {
    const path = resolve(folder, file);
    const fields = recordOf(unstable_readConfig({ config: path, env }, { hideWarnings: true }));
    // If the file has no environments, Wrangler accepts any name and deploys the top level under it.
    const isKnown = env === '' || listOf(fields['definedEnvironments']).includes(env);
    return isKnown ? ok(readFields(path, env, fields)) : failed(`${file}: unknown environment`);
  } catch (error) {
    return failed(`${file}: ${reasonOf(error)}`);
  }
}

/** The top-level environment of the file; `null` if `config` is that environment. */
export async function readTopLevel(world: World, { path, environment }: WranglerConfig) {
  const read = environment === '' ? null : await readWranglerConfig(world, path, '');
  return read?.ok ? read.value : null;
}

/** The deployment as messages name it. */
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
    /** Blank for the top-level environment. */
    environment,
    vars: recordOf(config['vars']),
    requiredSecrets: textsOf(listOf(within('secrets', 'required'))),
    /** Class names by binding. */
    durableObjects: new Map(objects.map(({ name, class_name }) => [String(name), String(class_name)])),
    rateLimits: new Map(rateLimits),
    /** The name of the version binding. */
    version,
    /** The host near which the Worker should run; `null` if there is none. */
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

/** Wrangler's message, with the line if there is one. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message.trim() : 'cannot be read';
  const line = recordOf(recordOf(error)['location'])['line'];
  return typeof line === 'number' ? `${message} (line ${line})` : message;
}
