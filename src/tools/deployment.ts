/**
 * Checks a deployment: Wrangler's configuration and the secrets together, as the Worker would receive them.
 *
 * Promises: reports whatever the Worker's own parser would reject, and mistakes that would go unnoticed after a deploy, such as a
 * misspelled variable. Never: repeats a value.
 */
import { createPublicKey } from 'node:crypto';
import type { UncheckedEnv } from '../worker/bindings.ts';
import { readKeySet } from '../worker/callers/public-key.ts';
import { RATE_LIMITS } from '../worker/callers/rate-limits.ts';
import { namesNoSubject } from '../worker/callers/token-rules.ts';
import { type ParsedConfig, parseConfig } from '../worker/config.ts';
import { isRecord, parseJson } from '../worker/json.ts';
import { isLoopback } from '../worker/origin.ts';
import { isShardName, keyIn, MAX_VALUE_BYTES, withName } from './callers-file.ts';
import { type Finding, fault, note, warning } from './findings.ts';
import { parseObject } from './json-text.ts';
import type { WranglerConfig } from './wrangler-config.ts';

export interface Secret {
  readonly name: string;
  readonly value: string;
}

type Binding = 'LEDGER' | 'RATE_LIMITER_BURST' | 'RATE_LIMITER_SUSTAINED' | 'VERSION' | 'ASSETS';
/** Every text that the Worker reads. A missing one does not compile. */
const SETTINGS: Readonly<Record<Exclude<keyof UncheckedEnv, Binding>, 'secret' | 'variable'>> = {
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
};
const KINDS = new Map(Object.entries(SETTINGS));
const LEDGER_CLASS = 'Ledger';
const METHODS = { getByName: () => undefined, limit: () => undefined };
/** What the platform provides if it is declared, which `checkBindings` checks. */
const PROVIDED = { LEDGER: METHODS, RATE_LIMITER_BURST: METHODS, RATE_LIMITER_SUSTAINED: METHODS };
/** Placeholders in the docs and in `wrangler.toml`. */
const EXAMPLE = /…|<(?:AUD|SHA-256|user id)\b|\bexample\.com\b|"456789"/;

/**
 * Checks a configuration with the secrets of all files.
 * @param base the top-level environment, if `config` is another one
 */
export function checkDeployment(
  config: WranglerConfig,
  secrets: readonly Secret[],
  base: WranglerConfig | null = null,
): readonly Finding[] {
  const texts = Object.fromEntries(secrets.map(({ name, value }) => [name, value]));
  const parsed = parseConfig({ ...config.vars, ...texts, ...PROVIDED });
  const isReported = (name: string) => parsed.problems.some((problem) => problem.startsWith(`${name} `));
  const missing = config.requiredSecrets.filter((name) => !secrets.some((secret) => secret.name === name));
  return [
    ...checkValues(config, secrets),
    ...checkBindings(config),
    ...parsed.problems.map((problem) => fault(withName(problem, texts))),
    ...missing.filter((name) => !isReported(name)).map((name) => fault(`${name} is missing from the secrets`)),
    ...checkKeys(parsed),
    ...(base === null ? [] : compare(config, base)),
    ...remarks(config, parsed),
  ];
}

function* checkValues({ vars, routes }: WranglerConfig, secrets: readonly Secret[]): Generator<Finding> {
  const textOf = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const variables = Object.entries(vars).map(([name, value], index) => ({
    name,
    value: textOf(value),
    index,
    kind: 'variable',
  }));
  for (const { name, value, index, kind } of [
    ...variables,
    ...secrets.map((each, index) => ({ ...each, index, kind: 'secret' })),
  ]) {
    const known = isShardName(name) ? 'secret' : KINDS.get(name);
    const bytes = Buffer.byteLength(value);
    const shown = shownName(name, index);
    if (known === undefined) yield fault(`${shown} is an unknown ${kind}`);
    if (known === 'secret' && kind === 'variable') yield fault(`${shown} must be a secret, not a variable`);
    if (kind === 'secret' && Object.hasOwn(vars, name)) yield fault(`${shown} is a secret and a variable`);
    if (kind === 'secret' && secrets.findIndex((each) => each.name === name) < index)
      yield fault(`${shown} is given twice`);
    if (bytes > MAX_VALUE_BYTES) {
      yield fault(
        `${shown} has ${bytes} bytes; Cloudflare allows ${MAX_VALUE_BYTES}${name === 'ISSUERS' ? spare(value) : ''}`,
      );
    }
    if (EXAMPLE.test(value)) yield warning(`${shown} still has an example value`);
  }
  if (routes.some((route) => EXAMPLE.test(route))) yield warning('routes still has an example value');
}

/** How large `ISSUERS` would be without the members and keys that the Worker ignores. */
function spare(json: string): string {
  const value = parseJson(json);
  if (!isRecord(value)) return '';
  const lean = Object.entries(value).map(([name, entry]) => {
    const isPasted = isRecord(entry) && isRecord(entry['jwks']);
    return [name, isPasted ? { ...entry, jwks: { keys: readKeySet(entry['jwks']).keys } } : entry];
  });
  const bytes = Buffer.byteLength(JSON.stringify(Object.fromEntries(lean)));
  return `: ${bytes} without unused members of pasted keys, such as x5c, and without unusable keys`;
}

function* checkBindings(config: WranglerConfig): Generator<Finding> {
  if (config.durableObjects.get('LEDGER') !== LEDGER_CLASS) {
    yield fault(`LEDGER is not declared as a Durable Object of the class ${LEDGER_CLASS}`);
  }
  for (const { binding, requests, periodS } of Object.values(RATE_LIMITS)) {
    const declared = config.rateLimits.get(binding);
    if (declared?.requests === requests && declared.periodS === periodS) continue;
    yield fault(
      `${binding} is not declared as a rate limit of ${requests} in ${periodS} s, the limit that responses state`,
    );
  }
  if (config.version !== 'VERSION') yield fault('VERSION is not declared as the binding of version_metadata');
}

/** A key that cannot be imported verifies no token, which nobody would notice before the first one. */
function* checkKeys({ callers }: ParsedConfig): Generator<Finding> {
  for (const { name, jwks } of callers?.issuers ?? []) {
    try {
      if (typeof jwks !== 'string') for (const key of jwks) createPublicKey({ key, format: 'jwk' });
    } catch {
      yield fault(`ISSUERS ${name}: jwks has a key that is not a point on its curve`);
    }
  }
}

/** What an environment shares with the top-level one, or lacks, perhaps by accident. */
function* compare(config: WranglerConfig, base: WranglerConfig): Generator<Finding> {
  for (const name of Object.keys(base.vars).filter((each) => !Object.hasOwn(config.vars, each))) {
    yield warning(`${name} is not inherited: this environment uses the Worker's default`);
  }
  for (const route of config.routes.filter((each) => base.routes.includes(each))) {
    yield warning(`the route ${route} belongs to the top-level environment`);
  }
  const taken = Array.from(base.rateLimits.values(), ({ namespaceId }) => namespaceId);
  for (const [name, { namespaceId }] of config.rateLimits) {
    if (taken.includes(namespaceId))
      yield warning(`${name} shares its namespace_id with the top-level environment, and counts with it`);
  }
}

/** What works, but may not be what was meant. */
function* remarks(
  { routes, isOnWorkersDev, placement }: WranglerConfig,
  { callers, config }: ParsedConfig,
): Generator<Finding> {
  if (isOnWorkersDev) yield warning('workers_dev is on: anyone can reach the Worker on its workers.dev host');
  else if (routes.length === 0)
    yield note('no route, and workers_dev is off: only a service binding reaches the Worker');
  const region = config === null ? null : new URL(config.endpoint).hostname;
  if (region !== null && placement !== null && placement !== region && !isLoopback(region)) {
    yield note('placement.hostname is not the host of BCC_ENDPOINT: the Worker may run far from it');
  }
  if (config?.policy.deletionsEnabled === false) yield note('DELETIONS is disabled: nobody can delete');
  if (config?.policy.protectedImages.size === 0 && config.policy.protectedNames.length === 0) {
    yield note('PROTECTED_IMAGES and PROTECTED_NAMES are empty: nothing is protected');
  }
  for (const rule of callers?.rules ?? []) {
    const issuer = callers?.issuers.find(({ name }) => name === rule.issuer);
    if (issuer !== undefined && namesNoSubject(rule, issuer)) {
      yield note(
        `${rule.caller.id} has a rule for ${issuer.name} without "sub": anyone there with the other claims matches`,
      );
    }
  }
  if (callers?.byName.size === 0) yield note('CALLERS is empty: no caller has access');
  const total = config?.dailyDeletionsTotal ?? Number.POSITIVE_INFINITY;
  const tooMany = (name: string, budget: number) =>
    warning(`${name} allows ${budget} deletions a day, but DAILY_DELETIONS_TOTAL only ${total}`);
  if (config !== null && config.dailyDeletions > total) yield tooMany('DAILY_DELETIONS', config.dailyDeletions);
  for (const { id, scopes, names, dailyDeletions } of callers?.byName.values() ?? []) {
    if (scopes.size === 0) yield note(`${id} has no scopes, so it can do nothing`);
    if (names?.length === 0) yield note(`${id} has an empty list of names, so it can delete nothing`);
    if (dailyDeletions !== null && dailyDeletions > total) yield tooMany(id, dailyDeletions);
  }
}

/** Names that are safe to print. A secret pasted in place of a name hardly ever matches. */
const NAME = /^[A-Z]+(?:_[A-Z]+)*(?:_\d{1,3})?$/;

/** The name, such as `PROTECTED_IMAGE`, or `member 3` if it may be a value. */
function shownName(name: string, index: number): string {
  return NAME.test(name) || isShardName(name) ? name : `member ${index + 1}`;
}

/** The secrets in a file. `isConfidential`: whether the file may hold credentials, unlike a table of callers. */
export function readSecretsFile(text: string) {
  const parsed = parseObject(text);
  if (!parsed.ok) return { secrets: [], isConfidential: true, problems: [parsed.failure] };
  const members = Object.entries(parsed.value);
  const isTable = members.length > 0 && members.every(([, value]) => isRecord(value));
  const key = keyIn(text);
  const problems = key === null ? [] : [key];
  const secrets = members.flatMap(([name, value], index): Secret[] => {
    const secret = isTable ? JSON.stringify(value) : value;
    if (typeof secret === 'string') return [{ name, value: secret }];
    problems.push(`has ${shownName(name, index)}, which is not a string`);
    return [];
  });
  return { secrets, isConfidential: !isTable, problems };
}
