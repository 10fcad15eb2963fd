/**
 * What `wrangler.toml` declares, read with Wrangler's own reader, for the deployment or for one of its environments.
 *
 * Promises: whatever Wrangler would refuse is refused here with Wrangler's words. Never: reads `.dev.vars` or `.env`.
 *
 * Wrangler ships no type for what its reader returns, so it is taken apart like any outside data.
 *
 * Source: https://developers.cloudflare.com/workers/wrangler/configuration/
 */
import { resolve } from 'node:path';
import { isRecord, listOf } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';
import { readFile } from './files.ts';

export interface WranglerConfig {
  readonly vars: Readonly<Record<string, unknown>>;
  readonly requiredSecrets: readonly string[];
  /** Class names by binding. */
  readonly durableObjects: ReadonlyMap<string, string>;
  readonly rateLimits: ReadonlyMap<string, RateLimit>;
  /** The name of the binding that tells the version. */
  readonly version: string | null;
  /** Patterns of hosts and paths that lead to the Worker. */
  readonly routes: readonly string[];
  /** Whether it has a host below workers.dev. */
  readonly isOnWorkersDev: boolean;
}

export interface RateLimit {
  readonly namespaceId: string;
  readonly requests: number;
  readonly periodS: number;
}

/** Reads the file; with `env`, one of its environments. A failure is one sentence or more. */
export async function readWranglerConfig(
  folder: string,
  file: string,
  env: string | undefined,
): Promise<Result<WranglerConfig, string>> {
  // Wrangler would take a missing file for an empty one.
  const found = readFile(folder, file);
  if (!found.ok || found.value.text === null) return failed(`${file} ${found.ok ? 'does not exist' : found.failure}.`);
  // Loaded here, because it takes a second or two, and help should not.
  const { unstable_readConfig } = await import('wrangler');
  try {
    const config: unknown = unstable_readConfig({ config: resolve(folder, file), env }, { hideWarnings: true });
    const fields = recordOf(config);
    // With no environment at all in the file, Wrangler takes any name and deploys the top level under it.
    const isKnown = env === undefined || listOf(fields['definedEnvironments']).includes(env);
    return isKnown ? ok(readFields(fields)) : failed(`${file}: has no environment of this name`);
  } catch (error) {
    return failed(`${file}: ${reasonOf(error)}`);
  }
}

function readFields(config: Fields): WranglerConfig {
  const routes = [...listOf(config['routes']), config['route']].flatMap((route) =>
    textsOf([isRecord(route) ? route['pattern'] : route]),
  );
  const rateLimits = listOf(config['ratelimits']).map((entry) => {
    const { name, namespace_id, simple } = recordOf(entry);
    const { limit, period } = recordOf(simple);
    return [
      String(name),
      { namespaceId: String(namespace_id), requests: Number(limit), periodS: Number(period) },
    ] as const;
  });
  const objects = listOf(recordOf(config['durable_objects'])['bindings']).map((entry) => {
    const { name, class_name } = recordOf(entry);
    return [String(name), String(class_name)] as const;
  });
  return {
    vars: recordOf(config['vars']),
    requiredSecrets: textsOf(listOf(recordOf(config['secrets'])['required'])),
    durableObjects: new Map(objects),
    rateLimits: new Map(rateLimits),
    version: textsOf([recordOf(config['version_metadata'])['binding']])[0] ?? null,
    routes,
    // Wrangler's default: a Worker without routes is put there.
    isOnWorkersDev: config['workers_dev'] === undefined ? routes.length === 0 : config['workers_dev'] === true,
  };
}

type Fields = Readonly<Record<string, unknown>>;

function recordOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
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
