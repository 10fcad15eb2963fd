/**
 * The configuration: every binding checked once, strictly, before anything relies on it.
 *
 * Promises: all problems are reported together, by name and rule; what is half configured is refused whole. Never: a value
 * in a message, a default for a secret, a signature over a blank, a placeholder or a stray newline.
 */
import type { BceCredentials } from './baidu/client.ts';
import { isImageId } from './baidu/images.ts';
import { LIMITS, type LimitName } from './callers/rate-limits.ts';
import { type Callers, isNamePattern, MAX_DAILY_DELETIONS, NAME_PATTERN_RULE, parseCallers } from './callers/table.ts';
import type { Policy } from './deletions/policy.ts';
import { parseJson } from './json.ts';
import type { CallerLedger } from './ledger/store.ts';

/** The Worker's bindings as they arrive: by name, with nothing assumed of what they hold. */
export type UncheckedEnv = { readonly [Name in keyof Env | 'BCE_SESSION_TOKEN']?: unknown };

export interface Limiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

export interface LedgerNamespace {
  getByName(callerId: string): CallerLedger;
}

export interface Config {
  readonly credentials: BceCredentials;
  /** Origin of the BCC API, without a trailing slash. */
  readonly endpoint: string;
  readonly attemptTimeoutMs: number;
  readonly deadlineMs: number;
  readonly policy: Policy;
  /** Of a caller that has no `dailyDeletions` of its own. */
  readonly dailyDeletions: number;
  readonly limiters: Readonly<Record<LimitName, Limiter>>;
  readonly ledger: LedgerNamespace;
}

export interface ParsedConfig {
  /** `null` where `CALLERS` is at fault: then nobody is known, and nobody learns more than that. */
  readonly callers: Callers | null;
  /** `null` where anything at all is at fault. */
  readonly config: Config | null;
  /** One sentence for each problem, beginning with the name of the variable. */
  readonly problems: readonly string[];
}

/** After a caller hangs up the platform lets a Worker run on for 30 s; see `in-time.ts` for the rest of them. */
const MAX_DEADLINE_MS = 20_000;
const MIN_TIMEOUT_MS = 50;
const DEFAULT_ATTEMPT_TIMEOUT_MS = 8_000;
const DEFAULT_DEADLINE_MS = 20_000;
const DEFAULT_DAILY_DELETIONS = 50;
const DEFAULT_RETENTION_DAYS = 400;
/** Entries of a list of what is protected: each deletion looks at every pattern. */
const MAX_LIST = 1_000;
const MAX_RETENTION_DAYS = 3_650;
const DEFAULT_ENDPOINT = 'https://bcc.bj.baidubce.com';

/** The key stands between slashes in the signature. Baidu issues letters and digits. */
const ACCESS_KEY_ID = /^[\w-]{1,128}$/;
/** Visible ASCII without quotes and backslashes, which only a shell or a template puts there. */
const OPAQUE = /^[\x21\x23-\x26\x28-\x5b\x5d-\x7e]{1,4096}$/;
/** What people and templates leave where a secret should be. No key that Baidu issues looks like this. */
const PLACEHOLDER =
  /^(?:x+|\*+|\.+|-+|todo|tbd|none|null|undefined)$|change[-_ ]?me|placeholder|replace[-_ ]?(?:me|with|this)|your[-_ ]|^<|\$\{|\{\{|:\/\//i;
const BAIDU_HOST = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+baidubce\.com$/;
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Reads the bindings. Never throws. */
export function parseConfig(env: UncheckedEnv): ParsedConfig {
  const problems: string[] = [];
  const report = (name: keyof UncheckedEnv, problem: string) => problems.push(`${name} ${problem}`);

  const callers = readCallers(env.CALLERS, (problem) => report('CALLERS', problem));
  const accessKeyId = readSecret(env, 'BCE_ACCESS_KEY_ID', ACCESS_KEY_ID, report);
  const secretAccessKey = readSecret(env, 'BCE_SECRET_ACCESS_KEY', OPAQUE, report);
  const sessionToken =
    env.BCE_SESSION_TOKEN === undefined ? undefined : readSecret(env, 'BCE_SESSION_TOKEN', OPAQUE, report);
  const endpoint = readEndpoint(env.BCC_ENDPOINT ?? DEFAULT_ENDPOINT);
  if (endpoint === null) {
    report('BCC_ENDPOINT', 'must be an origin: https on a host below baidubce.com, or http on loopback');
  }
  const timeoutMs = { unit: ' of milliseconds', from: MIN_TIMEOUT_MS, to: MAX_DEADLINE_MS };
  const deadlineMs = readNumber(env, 'UPSTREAM_DEADLINE_MS', DEFAULT_DEADLINE_MS, timeoutMs, report);
  const byDefaultMs = Math.min(DEFAULT_ATTEMPT_TIMEOUT_MS, deadlineMs);
  const attemptTimeoutMs = readNumber(env, 'UPSTREAM_ATTEMPT_TIMEOUT_MS', byDefaultMs, timeoutMs, report);
  if (attemptTimeoutMs > deadlineMs) {
    report('UPSTREAM_ATTEMPT_TIMEOUT_MS', 'must not be greater than UPSTREAM_DEADLINE_MS');
  }
  const deletionsEnabled = env.DELETIONS === undefined || env.DELETIONS === 'enabled';
  if (!deletionsEnabled && env.DELETIONS !== 'disabled') report('DELETIONS', 'must be enabled or disabled');
  const deletions = { unit: '', from: 0, to: MAX_DAILY_DELETIONS };
  const dailyDeletions = readNumber(env, 'DAILY_DELETIONS', DEFAULT_DAILY_DELETIONS, deletions, report);
  readNumber(env, 'LEDGER_RETENTION_DAYS', DEFAULT_RETENTION_DAYS, RETENTION, report);
  const protectedImages = readList(env, 'PROTECTED_IMAGES', isImageId, 'image ids', report);
  const protectedNames = readList(env, 'PROTECTED_NAMES', isNamePattern, NAME_PATTERN_RULE, report);
  const ledger = env.LEDGER;
  if (!isLedgerNamespace(ledger)) report('LEDGER', 'is not a Durable Object binding');
  const burst = readLimiter(env, 'burst', report);
  const sustained = readLimiter(env, 'sustained', report);

  const whole = problems.length === 0 && accessKeyId && secretAccessKey && endpoint !== null && burst && sustained;
  if (!whole || !isLedgerNamespace(ledger)) return { callers, config: null, problems };
  return {
    callers,
    problems,
    config: {
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
      endpoint,
      attemptTimeoutMs,
      deadlineMs,
      policy: { deletionsEnabled, protectedImages: new Set(protectedImages), protectedNames },
      dailyDeletions,
      limiters: { burst, sustained },
      ledger,
    },
  };
}

type Report = (name: keyof UncheckedEnv, problem: string) => unknown;

function readCallers(value: unknown, report: (problem: string) => void): Callers | null {
  if (typeof value !== 'string' || value.trim() === '') {
    report('is missing');
    return null;
  }
  const { callers, problems } = parseCallers(value);
  problems.forEach(report);
  return problems.length > 0 ? null : callers;
}

function readSecret(env: UncheckedEnv, name: keyof UncheckedEnv, grammar: RegExp, report: Report): string | null {
  const value = env[name];
  if (typeof value !== 'string' || value.trim() === '') {
    report(name, 'is missing or blank');
  } else if (/\s/.test(value)) {
    report(name, 'has white space in it, such as a newline at its end');
  } else if (PLACEHOLDER.test(value)) {
    report(name, 'is a placeholder');
  } else if (!grammar.test(value)) {
    report(name, 'has characters that Baidu does not use');
  } else {
    return value;
  }
  return null;
}

/** The origin, if it is one and nothing else: a path, a query, a user or another scheme would send signatures elsewhere. */
function readEndpoint(value: unknown): string | null {
  if (typeof value !== 'string' || !URL.canParse(value)) return null;
  const { protocol, hostname, port, origin } = new URL(value);
  if (origin !== value) return null;
  const isBaidu = protocol === 'https:' && port === '' && BAIDU_HOST.test(hostname);
  const isLoopback = protocol === 'http:' && LOOPBACK_HOST.test(hostname);
  return isBaidu || isLoopback ? origin : null;
}

interface NumberRule {
  readonly unit: string;
  readonly from: number;
  readonly to: number;
}

const RETENTION: NumberRule = { unit: ' of days', from: 1, to: MAX_RETENTION_DAYS };

function readNumber(
  env: UncheckedEnv,
  name: keyof UncheckedEnv,
  byDefault: number,
  { unit, from, to }: NumberRule,
  report: Report,
): number {
  const value = env[name];
  if (value === undefined) return byDefault;
  const digits = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));
  const number = digits ? Number(value) : Number.NaN;
  if (Number.isInteger(number) && number >= from && number <= to) return number;
  report(name, `must be a whole number${unit} from ${from} to ${to}`);
  return byDefault;
}

/** How long the ledger keeps a row, in days. Where that is malformed, as long as it can be: what is gone is gone. */
export function retentionDays(env: UncheckedEnv): number {
  let malformed = false;
  const days = readNumber(env, 'LEDGER_RETENTION_DAYS', DEFAULT_RETENTION_DAYS, RETENTION, () => {
    malformed = true;
  });
  return malformed ? MAX_RETENTION_DAYS : days;
}

/** A list that must be there, even if it is empty: what is protected is too important to be forgotten. */
function readList(
  env: UncheckedEnv,
  name: keyof UncheckedEnv,
  fits: (text: string) => boolean,
  what: string,
  report: Report,
): string[] {
  const value = env[name];
  const list = typeof value === 'string' ? parseJson(value) : value;
  if (!Array.isArray(list) || list.length > MAX_LIST) {
    report(name, `must be a list of at most ${MAX_LIST}, [] if nothing is meant`);
    return [];
  }
  const texts = list.filter((text) => typeof text === 'string' && fits(text)).map(String);
  if (texts.length !== list.length) report(name, `must be a list of ${what}`);
  return texts;
}

function isLedgerNamespace(value: unknown): value is LedgerNamespace {
  return typeof value === 'object' && value !== null && 'getByName' in value && typeof value.getByName === 'function';
}

function readLimiter(env: UncheckedEnv, name: LimitName, report: Report): Limiter | null {
  const { binding } = LIMITS[name];
  const value = env[binding];
  if (isLimiter(value)) return value;
  report(binding, 'is not a rate limit binding');
  return null;
}

function isLimiter(value: unknown): value is Limiter {
  return typeof value === 'object' && value !== null && 'limit' in value && typeof value.limit === 'function';
}
