/**
 * The configuration: checks every binding once, before anything uses it.
 *
 * Promises: the configuration is valid or `null`; all problems are reported together. Never: puts a value into a message, or
 * has a default for a secret.
 */
import type { BceCredentials } from './baidu/client.ts';
import { BindingReader, hasMethod, type NumberRule, type UncheckedEnv } from './bindings.ts';
import { MAX_DAILY_DELETIONS } from './callers/caller.ts';
import { parseIssuers } from './callers/issuers.ts';
import { isNamePattern, NAME_PATTERN_RULE, protectionOf } from './callers/name-pattern.ts';
import { RATE_LIMITS, type RateLimiter, type RateLimiters, type RateLimitName } from './callers/rate-limits.ts';
import { type Callers, parseCallers } from './callers/table.ts';
import type { LedgerNamespace } from './deletions/ledger-stub.ts';
import type { Policy } from './deletions/policy.ts';
import { isImageId } from './image-id.ts';
import { isRecord } from './json.ts';
import type { Assets } from './pages.ts';
import { DAY_S } from './time.ts';

export interface Config {
  readonly credentials: BceCredentials;
  /** Origin of the BCC API, without a trailing slash. */
  readonly endpoint: string;
  readonly attemptTimeoutMs: number;
  readonly deadlineMs: number;
  readonly policy: Policy;
  /** For a caller that has no `dailyDeletions` of its own. */
  readonly dailyDeletions: number;
  /** For all callers together. */
  readonly dailyDeletionsTotal: number;
  readonly rateLimiters: RateLimiters;
  readonly ledger: LedgerNamespace;
}

/** The ledger's own settings. */
export interface LedgerSettings {
  readonly retentionDays: number;
  /** When to check an image after a deletion, in seconds after the reservation; strictly growing, never empty. */
  readonly resolveAfterS: readonly number[];
}

export interface ParsedConfig {
  /** `null` if `CALLERS` or `ISSUERS` is invalid: then no caller is known, and responses say no more. */
  readonly callers: Callers | null;
  /** `null` if anything is invalid. */
  readonly config: Config | null;
  /** `null` if there are none: then there are no pages, but everything else works. */
  readonly assets: Assets | null;
  /** One sentence for each problem, beginning with the name of the binding. */
  readonly problems: readonly string[];
  /** The running version as the platform names it, even if the rest is invalid; `null` if it names none. */
  readonly version: string | null;
}

const DEFAULT_ENDPOINT = 'https://bcc.bj.baidubce.com';
const DEFAULT_ATTEMPT_TIMEOUT_MS = 8_000;
/** After a caller hangs up, a Worker may run for 30 s. `PLATFORM_TIMEOUT_MS` says how the rest is used. */
const DEADLINE: NumberRule = { unit: ' of milliseconds', from: 50, to: 20_000, byDefault: 20_000 };
const DAILY_DELETIONS: NumberRule = { unit: '', from: 0, to: MAX_DAILY_DELETIONS, byDefault: 50 };
const DAILY_DELETIONS_TOTAL: NumberRule = { unit: '', from: 0, to: 100_000, byDefault: 500 };
/** At least two days: no row may go that still counts against a budget or is in its first day of checks. */
const RETENTION: NumberRule = { unit: ' of days', from: 2, to: 3_650, byDefault: 400 };
const RESOLVE_AFTER_S = [45, 120, 900, 3_600];
/** How long a request may still run after its deadline, in seconds. */
const GRACE_S = 3;
/** No check is planned later than this; more follow if the planned ones fail. */
const MAX_RESOLVE_AFTER_S = DAY_S;
const MAX_CHECKS = 20;

/** The signature has this key between slashes. Baidu issues letters and digits. */
const ACCESS_KEY_ID = /^[\w-]{1,128}$/;
/** Visible ASCII without quotes and backslashes: those come from a shell or a template. */
const OPAQUE = /^[\x21\x23-\x26\x28-\x5b\x5d-\x7e]{1,4096}$/;

/** Reads the bindings. Never throws. */
export function parseConfig(env: UncheckedEnv): ParsedConfig {
  const read = new BindingReader(env);
  const callers = readCallers(read);
  const credentials = readCredentials(read);
  const endpoint = read.origin('BCC_ENDPOINT', DEFAULT_ENDPOINT);
  const deadlineMs = read.number('UPSTREAM_DEADLINE_MS', DEADLINE);
  const values = {
    credentials,
    endpoint,
    deadlineMs,
    attemptTimeoutMs: readAttemptTimeout(read, deadlineMs),
    policy: {
      deletionsEnabled: read.isEnabled('DELETIONS'),
      protectedImages: new Set(read.list('PROTECTED_IMAGES', isImageId, 'image ids')),
      protectedNames: read.list('PROTECTED_NAMES', isNamePattern, NAME_PATTERN_RULE).map(protectionOf),
    },
    dailyDeletions: read.number('DAILY_DELETIONS', DAILY_DELETIONS),
    dailyDeletionsTotal: read.number('DAILY_DELETIONS_TOTAL', DAILY_DELETIONS_TOTAL),
  };
  // The ledger reads these itself, but their problems must be reported here.
  readLedgerSettings(read, deadlineMs);
  const ledger = read.binding('LEDGER', isLedgerNamespace, 'Durable Object');
  const burst = readRateLimiter(read, 'burst');
  const sustained = readRateLimiter(read, 'sustained');
  const assets = isAssets(env.ASSETS) ? env.ASSETS : null;
  const { problems } = read;
  const version = versionOf(env.VERSION);
  if (problems.length > 0 || ledger === null || burst === null || sustained === null) {
    return { callers, config: null, assets, problems, version };
  }
  return { callers, config: { ...values, ledger, rateLimiters: { burst, sustained } }, assets, problems, version };
}

/** The ledger's settings. If they are malformed: the longest retention and the default schedule. */
export function parseLedgerSettings(env: UncheckedEnv): LedgerSettings {
  const read = new BindingReader(env);
  const settings = readLedgerSettings(read, read.number('UPSTREAM_DEADLINE_MS', DEADLINE));
  return read.problems.length > 0 ? { retentionDays: RETENTION.to, resolveAfterS: RESOLVE_AFTER_S } : settings;
}

function readLedgerSettings(read: BindingReader, deadlineMs: number): LedgerSettings {
  const earliestS = deadlineMs / 1000 + GRACE_S;
  return {
    retentionDays: read.number('LEDGER_RETENTION_DAYS', RETENTION),
    resolveAfterS: read.json(
      'RESOLVE_UNKNOWN_AFTER_S',
      RESOLVE_AFTER_S,
      (value) => isSchedule(value, earliestS),
      `must be a list of 1 to ${MAX_CHECKS} whole seconds, strictly growing, greater than ${earliestS} and at most ${MAX_RESOLVE_AFTER_S}`,
    ),
  };
}

function isSchedule(value: unknown, earliestS: number): value is readonly number[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_CHECKS) return false;
  const follows = (each: unknown, index: number) =>
    Number.isInteger(each) && Number(each) > Number(index === 0 ? earliestS : value[index - 1]);
  return value.every(follows) && Number(value.at(-1)) <= MAX_RESOLVE_AFTER_S;
}

/** The id goes into a header. */
const VERSION_ID = /^[\w-]{1,64}$/;

/** The id of `version_metadata`. Source: https://developers.cloudflare.com/workers/runtime-apis/bindings/version-metadata/ */
function versionOf(metadata: unknown): string | null {
  const id = isRecord(metadata) ? metadata['id'] : null;
  return typeof id === 'string' && VERSION_ID.test(id) ? id : null;
}

function readCallers(read: BindingReader): Callers | null {
  const { issuers, problems: issuerProblems } = parseIssuers(read.value('ISSUERS') ?? {});
  for (const problem of issuerProblems) read.report('ISSUERS', problem);
  const shards = read.callerShards().map((name) => ({ name, json: read.text(name) }));
  const there = shards.flatMap(({ name, json }) => (json === null ? [] : [{ name, json }]));
  const { callers, problems } = parseCallers(there, issuers);
  for (const { shard, problem } of problems) read.report(shard, problem);
  const isValid = there.length === shards.length && issuerProblems.length + problems.length === 0;
  return isValid ? callers : null;
}

function readCredentials(read: BindingReader): BceCredentials {
  const accessKeyId = read.secret('BCE_ACCESS_KEY_ID', ACCESS_KEY_ID);
  const secretAccessKey = read.secret('BCE_SECRET_ACCESS_KEY', OPAQUE);
  if (!read.has('BCE_SESSION_TOKEN')) return { accessKeyId, secretAccessKey };
  return { accessKeyId, secretAccessKey, sessionToken: read.secret('BCE_SESSION_TOKEN', OPAQUE) };
}

function readAttemptTimeout(read: BindingReader, deadlineMs: number): number {
  const byDefault = Math.min(DEFAULT_ATTEMPT_TIMEOUT_MS, deadlineMs);
  const attemptTimeoutMs = read.number('UPSTREAM_ATTEMPT_TIMEOUT_MS', { ...DEADLINE, byDefault });
  if (attemptTimeoutMs > deadlineMs) {
    read.report('UPSTREAM_ATTEMPT_TIMEOUT_MS', 'must not be greater than UPSTREAM_DEADLINE_MS');
  }
  return attemptTimeoutMs;
}

function readRateLimiter(read: BindingReader, name: RateLimitName): RateLimiter | null {
  return read.binding(RATE_LIMITS[name].binding, isRateLimiter, 'rate limit');
}

function isRateLimiter(value: unknown): value is RateLimiter {
  return hasMethod(value, 'limit');
}

function isLedgerNamespace(value: unknown): value is LedgerNamespace {
  return hasMethod(value, 'getByName');
}

function isAssets(value: unknown): value is Assets {
  return hasMethod(value, 'fetch');
}
