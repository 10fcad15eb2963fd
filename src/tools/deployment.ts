/**
 * What would be wrong with a deployment: Wrangler's configuration and the secrets together, as the Worker would find them.
 *
 * Promises: whatever the Worker's own parser would refuse is a fault here, and so is what nobody could notice after the deploy, such
 * as a name that the Worker does not know. Never: repeats a value.
 */
import { createPublicKey } from 'node:crypto';
import type { UncheckedEnv } from '../worker/bindings.ts';
import type { PublicKey } from '../worker/callers/public-key.ts';
import { RATE_LIMITS } from '../worker/callers/rate-limits.ts';
import { type ParsedConfig, parseConfig } from '../worker/config.ts';
import { isPartName, MAX_VALUE_BYTES } from './callers-file.ts';
import { type Secret, shownName } from './secrets-file.ts';
import type { WranglerConfig } from './wrangler-config.ts';

/** A fault would break the deployment. A warning is about what else goes wrong. A note is for those who did not mean it. */
export interface Finding {
  readonly level: 'fault' | 'warning' | 'note';
  readonly text: string;
}

/** Everything that the Worker reads. The compiler notices what is missing here. */
const SETTINGS = {
  BCE_ACCESS_KEY_ID: 'secret',
  BCE_SECRET_ACCESS_KEY: 'secret',
  BCE_SESSION_TOKEN: 'secret',
  CALLERS: 'secret',
  BCC_ENDPOINT: 'variable',
  ISSUERS: 'variable',
  UPSTREAM_ATTEMPT_TIMEOUT_MS: 'variable',
  UPSTREAM_DEADLINE_MS: 'variable',
  DELETIONS: 'variable',
  PROTECTED_IMAGES: 'variable',
  PROTECTED_NAMES: 'variable',
  DAILY_DELETIONS: 'variable',
  DAILY_DELETIONS_TOTAL: 'variable',
  LEDGER_RETENTION_DAYS: 'variable',
  RESOLVE_UNKNOWN_AFTER_S: 'variable',
  LEDGER: 'binding',
  RATE_LIMITER_BURST: 'binding',
  RATE_LIMITER_SUSTAINED: 'binding',
  VERSION: 'binding',
  ASSETS: 'binding',
} as const satisfies Readonly<Record<keyof UncheckedEnv, 'secret' | 'variable' | 'binding'>>;
/** Every part of the table is a secret, too. */
const KINDS: ReadonlyMap<string, 'secret' | 'variable' | 'binding'> = new Map(Object.entries(SETTINGS));
const LEDGER_CLASS = 'Ledger';

type Report = (text: string) => void;

/**
 * Faults first. `secrets` are those of all files.
 * @param base the deployment without an environment, if `config` is one of its environments
 */
export function checkDeployment(
  config: WranglerConfig,
  secrets: readonly Secret[],
  base: WranglerConfig | null = null,
): readonly Finding[] {
  const findings: Finding[] = [];
  const reporter =
    (level: Finding['level']): Report =>
    (text) =>
      findings.push({ level, text });
  const fault = reporter('fault');
  const parsed = parseConfig(envOf(config, secrets));
  checkNames(config, secrets, fault);
  checkBindings(config, fault);
  for (const problem of parsed.problems) fault(problem);
  for (const name of config.requiredSecrets) {
    const isThere = secrets.some((secret) => secret.name === name);
    const isReported = parsed.problems.some((problem) => problem.startsWith(`${name} `));
    if (!isThere && !isReported) fault(`${name} is missing, and secrets.required names it`);
  }
  checkSizes(config, secrets, fault);
  checkKeys(parsed, fault);
  if (base !== null) compare(config, base, reporter('warning'));
  note(config, parsed, reporter('note'));
  return findings;
}

/** The bindings as the Worker would find them. What the platform provides is there: `checkBindings` looks whether it is declared. */
function envOf({ vars }: WranglerConfig, secrets: readonly Secret[]): UncheckedEnv {
  const rateLimiter = { limit: () => undefined };
  return {
    ...vars,
    ...Object.fromEntries(secrets.map(({ name, value }) => [name, value])),
    LEDGER: { getByName: () => undefined },
    RATE_LIMITER_BURST: rateLimiter,
    RATE_LIMITER_SUSTAINED: rateLimiter,
  };
}

function kindOf(name: string): string | undefined {
  return isPartName(name) ? 'secret' : KINDS.get(name);
}

function checkNames({ vars }: WranglerConfig, secrets: readonly Secret[], fault: Report): void {
  Object.keys(vars).forEach((name, index) => {
    const kind = kindOf(name);
    const shown = `${shownName(name, index)} in the variables`;
    if (kind === undefined) fault(`${shown} is nothing that the Worker knows`);
    else if (kind !== 'variable') fault(`${shown} is a ${kind} and no variable`);
  });
  secrets.forEach(({ name }, index) => {
    const kind = kindOf(name);
    const shown = `${shownName(name, index)} in the secrets`;
    if (kind === undefined) fault(`${shown} is nothing that the Worker knows`);
    else if (kind === 'binding') fault(`${shown} is a binding and no secret`);
    if (Object.hasOwn(vars, name)) fault(`${shown} is also a variable`);
    if (secrets.findIndex((secret) => secret.name === name) < index) fault(`${shown} occurs twice`);
  });
}

function checkBindings(config: WranglerConfig, fault: Report): void {
  if (config.durableObjects.get('LEDGER') !== LEDGER_CLASS) {
    fault(`LEDGER is not declared as a Durable Object of the class ${LEDGER_CLASS}`);
  }
  for (const { binding, requests, periodS } of Object.values(RATE_LIMITS)) {
    const declared = config.rateLimits.get(binding);
    if (declared?.requests !== requests || declared.periodS !== periodS) {
      fault(`${binding} is not declared as a rate limit of ${requests} in ${periodS} s, which callers are told`);
    }
  }
  if (config.version !== 'VERSION') fault('VERSION is not declared as the binding of version_metadata');
}

function checkSizes({ vars }: WranglerConfig, secrets: readonly Secret[], fault: Report): void {
  const variables = Object.entries(vars).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return { name, bytes: Buffer.byteLength(text) };
  });
  for (const list of [variables, secrets]) {
    list.forEach(({ name, bytes }, index) => {
      const shown = shownName(name, index);
      if (bytes > MAX_VALUE_BYTES) fault(`${shown} has ${bytes} bytes, and Cloudflare takes ${MAX_VALUE_BYTES}`);
    });
  }
}

/** A key that cannot be imported verifies no token, and nobody would notice before the first one. */
function checkKeys({ callers }: ParsedConfig, fault: Report): void {
  for (const { name, jwks } of callers?.issuers ?? []) {
    const isWhole = typeof jwks === 'string' || jwks.every(isImportable);
    if (!isWhole) fault(`ISSUERS ${name}: jwks has a key that is no point of its curve`);
  }
}

function isImportable(key: PublicKey): boolean {
  try {
    createPublicKey({ key, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

/** What an environment shares with the deployment beside it, or lacks, without anybody having written so. */
function compare(config: WranglerConfig, base: WranglerConfig, warn: Report): void {
  for (const name of Object.keys(base.vars)) {
    if (!Object.hasOwn(config.vars, name)) warn(`${name} is not inherited: this environment has the Worker's default`);
  }
  for (const route of config.routes.filter((each) => base.routes.includes(each))) {
    warn(`the route ${route} is taken from the deployment without an environment`);
  }
  for (const [name, { namespaceId }] of config.rateLimits) {
    const isShared = [...base.rateLimits.values()].some((other) => other.namespaceId === namespaceId);
    if (isShared) warn(`${name} has a namespace_id of the deployment without an environment, and counts with it`);
  }
}

function note(config: WranglerConfig, { callers, config: whole }: ParsedConfig, say: Report): void {
  if (config.routes.length === 0 && !config.isOnWorkersDev) {
    say('no route, and workers_dev is off: only a service binding leads to the Worker');
  }
  if (whole !== null) {
    const { deletionsEnabled, protectedImages, protectedNames } = whole.policy;
    if (!deletionsEnabled) say('DELETIONS is disabled: nobody can delete');
    if (protectedImages.size + protectedNames.length === 0) {
      say('PROTECTED_IMAGES and PROTECTED_NAMES are empty: nothing is protected');
    }
  }
  if (callers === null) return;
  if (callers.byName.size === 0) say('CALLERS is empty: nobody may call');
  for (const { id, scopes } of callers.byName.values()) {
    if (scopes.size === 0) say(`${id} has no scopes, so it can do nothing`);
  }
}
