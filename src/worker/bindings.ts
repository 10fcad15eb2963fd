/**
 * Reads the Worker's bindings one by one, strictly.
 *
 * Promises: each problem names the binding and the rule that it breaks. The reader then returns a harmless value, so that one pass
 * finds all problems. If there are `problems`, the values must not be used. Never: repeats a value.
 */
import { parseJson } from './json.ts';
import { isLoopback } from './origin.ts';

/** The bindings as they arrive: by name, with nothing assumed about their values. */
export type UncheckedEnv = { readonly [Name in keyof Env | 'BCE_SESSION_TOKEN']?: unknown };
export type BindingName = keyof UncheckedEnv | `CALLERS_${string}`;

export interface NumberRule {
  /** With a leading space, such as ` of days`. */
  readonly unit: string;
  readonly from: number;
  readonly to: number;
  readonly byDefault: number;
}

/** Entries of a list. Every deletion compares all of them. */
const MAX_LIST = 1_000;

/** Every credential that Baidu issues is longer. */
const MIN_SECRET_CHARS = 16;

/** What people and templates put in place of a secret. No key that Baidu issues matches. */
const PLACEHOLDERS: readonly RegExp[] = [
  /^(?:x+|\*+|\.+|-+|todo|tbd|none|null|undefined)$/i,
  /change[-_ ]?me|placeholder|replace[-_ ]?(?:me|with|this)|your[-_ ]/i,
  /^<|\$\{|\{\{/,
  /:\/\//,
];
const BAIDU_HOST = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+baidubce\.com$/;

export class BindingReader {
  readonly #env: ReadonlyMap<string, unknown>;
  readonly #problems: string[] = [];

  constructor(env: UncheckedEnv) {
    this.#env = new Map(Object.entries(env));
  }

  /** One sentence for each problem, beginning with the name of the binding. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  report(name: BindingName, problem: string): void {
    this.#problems.push(`${name} ${problem}`);
  }

  /** The names of all shards: `CALLERS`, then the others, sorted. */
  callerShards(): readonly BindingName[] {
    const isFurther = (name: string): name is `CALLERS_${string}` => name.startsWith('CALLERS_');
    return ['CALLERS', ...[...this.#env.keys()].filter(isFurther).sort()];
  }

  value(name: BindingName): unknown {
    return this.#env.get(name);
  }

  has(name: BindingName): boolean {
    return this.#env.get(name) !== undefined;
  }

  /** A text that is not blank, or `null`. */
  text(name: BindingName): string | null {
    const value = this.#env.get(name);
    if (typeof value === 'string' && value.trim() !== '') return value;
    this.report(name, 'is missing');
    return null;
  }

  /** A credential: one word that matches the grammar and is no placeholder. */
  secret(name: BindingName, grammar: RegExp): string {
    const value = this.#env.get(name);
    if (typeof value !== 'string' || value.trim() === '') {
      this.report(name, 'is missing or blank');
    } else if (value.length < MIN_SECRET_CHARS) {
      this.report(name, `is shorter than ${MIN_SECRET_CHARS} characters`);
    } else if (/\s/.test(value)) {
      this.report(name, 'contains white space, such as a trailing newline');
    } else if (PLACEHOLDERS.some((placeholder) => placeholder.test(value))) {
      this.report(name, 'is a placeholder');
    } else if (!grammar.test(value)) {
      this.report(name, 'has characters that Baidu does not use');
    } else {
      return value;
    }
    return '';
  }

  number(name: BindingName, { unit, from, to, byDefault }: NumberRule): number {
    const value = this.#env.get(name);
    if (value === undefined) return byDefault;
    const isNumber = typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));
    const number = isNumber ? Number(value) : Number.NaN;
    if (Number.isInteger(number) && number >= from && number <= to) return number;
    this.report(name, `must be a whole number${unit} from ${from} to ${to}`);
    return byDefault;
  }

  /** An origin and nothing else: a path, query, user or other scheme would send signatures elsewhere. */
  origin(name: BindingName, byDefault: string): string {
    const value = this.#env.get(name) ?? byDefault;
    if (typeof value === 'string' && URL.canParse(value)) {
      const { protocol, hostname, port, origin } = new URL(value);
      const isBaidu = protocol === 'https:' && port === '' && BAIDU_HOST.test(hostname);
      const isLocal = protocol === 'http:' && isLoopback(hostname);
      if (origin === value && (isBaidu || isLocal)) return origin;
    }
    this.report(name, 'must be an origin: https on a host below baidubce.com, or http on loopback');
    return byDefault;
  }

  /** `true` for `enabled`, or if there is no value. */
  isEnabled(name: BindingName): boolean {
    const value = this.#env.get(name) ?? 'enabled';
    if (value !== 'enabled' && value !== 'disabled') this.report(name, 'must be enabled or disabled');
    return value === 'enabled';
  }

  /** A list that must be set, even if empty, so that nobody forgets to protect images. */
  list(name: BindingName, fits: (text: string) => boolean, rule: string): readonly string[] {
    const value = this.#env.get(name);
    const list = typeof value === 'string' ? parseJson(value) : value;
    if (!Array.isArray(list) || list.length > MAX_LIST) {
      this.report(name, `must be a list of at most ${MAX_LIST} entries, [] for none`);
      return [];
    }
    const texts = list.filter((text) => typeof text === 'string' && fits(text)).map(String);
    if (texts.length !== list.length) this.report(name, `must be a list of ${rule}`);
    return texts;
  }

  /** A JSON value, as a text or already parsed by the platform. */
  json<T>(name: BindingName, byDefault: T, fits: (value: unknown) => value is T, rule: string): T {
    const value = this.#env.get(name);
    if (value === undefined) return byDefault;
    const parsed = typeof value === 'string' ? parseJson(value) : value;
    if (fits(parsed)) return parsed;
    this.report(name, rule);
    return byDefault;
  }

  /** An object of the platform, recognised by one of its methods. Reports anything else, and returns `null`. */
  binding<T>(name: BindingName, isBinding: (value: unknown) => value is T, kind: string): T | null {
    const value = this.#env.get(name);
    if (isBinding(value)) return value;
    this.report(name, `is not a ${kind} binding`);
    return null;
  }
}

/** Whether the value is an object with a method of that name. */
export function hasMethod<M extends string>(value: unknown, method: M): value is { [K in M]: unknown } {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function';
}
