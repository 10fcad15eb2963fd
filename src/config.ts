/**
 * The configuration: every binding checked once, strictly, before anything relies on it.
 *
 * Promises: all problems are reported together, by name and rule; what is half configured is refused whole. Never: a value
 * in a message, a default for a secret, a signature over a blank, a placeholder or a stray newline.
 */
import type { TimeLimits } from './bce/attempts.ts';
import type { BceCredentials } from './bce/client.ts';
import { type Callers, parseCallers } from './callers.ts';
import { LIMITS, type LimitName } from './limits.ts';

/** The Worker's bindings as they arrive: by name, with nothing assumed of what they hold. */
export type UncheckedEnv = { readonly [Name in keyof Env | 'BCE_SESSION_TOKEN']?: unknown };

export interface Limiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

export interface Config {
  readonly credentials: BceCredentials;
  /** Origin of the BCC API, without a trailing slash. */
  readonly endpoint: string;
  readonly timeLimits: TimeLimits;
  readonly limiters: Readonly<Record<LimitName, Limiter>>;
}

export interface ParsedConfig {
  /** `null` where `CALLERS` is at fault: then nobody is known, and nobody learns more than that. */
  readonly callers: Callers | null;
  /** `null` where anything at all is at fault. */
  readonly config: Config | null;
  /** One sentence for each problem, beginning with the name of the variable. */
  readonly problems: readonly string[];
}

/** After a caller hangs up the platform lets a Worker run on for 30 s, and the record is still to be written. */
export const MAX_DEADLINE_MS = 25_000;
const MIN_TIMEOUT_MS = 50;
export const DEFAULT_ATTEMPT_TIMEOUT_MS = 8_000;
export const DEFAULT_DEADLINE_MS = 20_000;
export const DEFAULT_ENDPOINT = 'https://bcc.bj.baidubce.com';

/** The key stands between slashes in the signature. Baidu issues letters and digits. */
const ACCESS_KEY_ID = /^[\w-]{1,128}$/;
const VISIBLE_ASCII = /^[\x21-\x7e]{1,4096}$/;
/** What people and templates leave where a secret should be. No key that Baidu issues looks like this. */
const PLACEHOLDER =
  /^(?:x+|\*+|\.+|-+|todo|tbd|none|null|undefined|secret|example|dummy)$|change[-_ ]?me|placeholder|replace[-_ ]?(?:me|with|this)|your[-_ ]|^<|\$\{|\{\{|:\/\//i;
const BAIDU_HOST = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+baidubce\.com$/;
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Reads the bindings. Never throws. */
export function parseConfig(env: UncheckedEnv): ParsedConfig {
  const problems: string[] = [];
  const report = (name: keyof UncheckedEnv, problem: string) => problems.push(`${name} ${problem}`);

  const callers = readCallers(env.CALLERS, (problem) => report('CALLERS', problem));
  const accessKeyId = readSecret(env, 'BCE_ACCESS_KEY_ID', ACCESS_KEY_ID, report);
  const secretAccessKey = readSecret(env, 'BCE_SECRET_ACCESS_KEY', VISIBLE_ASCII, report);
  const sessionToken =
    env.BCE_SESSION_TOKEN === undefined ? undefined : readSecret(env, 'BCE_SESSION_TOKEN', VISIBLE_ASCII, report);
  const endpoint = readEndpoint(env.BCC_ENDPOINT ?? DEFAULT_ENDPOINT);
  if (endpoint === null) {
    report('BCC_ENDPOINT', 'must be an origin: https on a host below baidubce.com, or http on loopback');
  }
  const attemptTimeoutMs = readTimeoutMs(env, 'UPSTREAM_ATTEMPT_TIMEOUT_MS', DEFAULT_ATTEMPT_TIMEOUT_MS, report);
  const deadlineMs = readTimeoutMs(env, 'UPSTREAM_DEADLINE_MS', DEFAULT_DEADLINE_MS, report);
  if (attemptTimeoutMs > deadlineMs) {
    report('UPSTREAM_ATTEMPT_TIMEOUT_MS', 'must not be greater than UPSTREAM_DEADLINE_MS');
  }
  const burst = readLimiter(env, 'burst', report);
  const sustained = readLimiter(env, 'sustained', report);

  if (problems.length > 0 || !accessKeyId || !secretAccessKey || endpoint === null || !burst || !sustained) {
    return { callers, config: null, problems };
  }
  return {
    callers,
    problems,
    config: {
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
      endpoint,
      timeLimits: { attemptTimeoutMs, deadlineMs },
      limiters: { burst, sustained },
    },
  };
}

type Report = (name: keyof UncheckedEnv, problem: string) => void;

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

function readTimeoutMs(env: UncheckedEnv, name: keyof UncheckedEnv, defaultMs: number, report: Report): number {
  const value = env[name];
  if (value === undefined) return defaultMs;
  const timeoutMs = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value)) ? Number(value) : 0;
  if (Number.isInteger(timeoutMs) && timeoutMs >= MIN_TIMEOUT_MS && timeoutMs <= MAX_DEADLINE_MS) return timeoutMs;
  report(name, `must be a whole number of milliseconds from ${MIN_TIMEOUT_MS} to ${MAX_DEADLINE_MS}`);
  return defaultMs;
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
