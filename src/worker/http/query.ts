/**
 * The query parameters, one row for each. Parser, problem text and OpenAPI document derive from the row.
 *
 * Promises: an unknown, repeated or malformed parameter is a failure, so that `?dryrun=1` cannot delete. Never: quotes the request
 * in a failure.
 */
import type { OpenAPIV3 } from 'openapi-types';
import { isCallerId } from '../callers/caller.ts';
import { IMAGE_ID, IMAGE_ID_RULE, type ImageId, isImageId } from '../image-id.ts';
import type { MayKeep } from '../kept-text.ts';
import type { Cursor } from '../ledger/rows.ts';
import { ROW_OUTCOMES, type RowOutcome } from '../outcome.ts';
import type { Failure } from '../problems/failure.ts';
import { REQUEST_ID, REQUEST_ID_RULE } from '../request-id.ts';
import { failed, ok, type Result } from '../result.ts';
import { parseCursor } from './history.ts';

interface Parameter<T> {
  /** What a value must be, as the end of a sentence that begins with the parameter's name. */
  readonly rule: string;
  readonly description: string;
  /** JSON Schema of the value. */
  readonly schema: OpenAPIV3.NonArraySchemaObject;
  /** The value if the parameter is absent. */
  readonly absent: T;
  /** Whether the value is logged, stored or repeated, and so must not contain part of a credential. */
  readonly isKept?: true;
  /** `undefined` if the value breaks the rule. */
  readonly parse: (text: string) => T | undefined;
}

const DEFAULT_PAGE_ROWS = 100;
const MAX_PAGE_ROWS = 500;
const MAX_NAME_CHARS = 256;

const flag = {
  rule: 'true or false',
  schema: { type: 'boolean', default: false },
  absent: false,
  parse: parseBoolean,
} as const;
const dateTime = {
  rule: 'a date-time of RFC 3339, such as 2026-11-23T08:00:00Z',
  schema: { type: 'string', format: 'date-time' },
  absent: null,
  parse: parseDateTime,
} as const;

export const PARAMETERS = {
  allowMissing: parameter<boolean>({
    description: 'With true, an absent image gets 200 already_absent instead of 404.',
    ...flag,
  }),
  expectName: parameter<string | null>({
    rule: `an image name of 1 to ${MAX_NAME_CHARS} characters`,
    description: 'Fails with 412 unless the image has this name. Best effort: Baidu has no conditional deletion.',
    schema: { type: 'string', minLength: 1, maxLength: MAX_NAME_CHARS },
    absent: null,
    parse: (text) => (text.length >= 1 && text.length <= MAX_NAME_CHARS ? text : undefined),
  }),
  upstream: parameter<boolean>({
    description:
      'With true, also asks Baidu whether it accepts the credential. Each isolate reuses the result for ten seconds.',
    ...flag,
  }),
  caller: parameter<string | null>({
    rule: 'the name of a caller',
    description: 'Only deletions of this caller. Without deletions:read, only your own name is allowed.',
    schema: { type: 'string' },
    absent: null,
    isKept: true,
    parse: (text) => (isCallerId(text) ? text : undefined),
  }),
  imageId: parameter<ImageId | null>({
    rule: IMAGE_ID_RULE,
    description: 'Only deletions of this image.',
    schema: { type: 'string', pattern: IMAGE_ID.source },
    absent: null,
    isKept: true,
    parse: (text) => (isImageId(text) ? text : undefined),
  }),
  requestId: parameter<string | null>({
    rule: REQUEST_ID_RULE,
    description: 'Only deletions with this X-Request-Id.',
    schema: { type: 'string', pattern: REQUEST_ID.source },
    absent: null,
    isKept: true,
    parse: (text) => (REQUEST_ID.test(text) ? text : undefined),
  }),
  outcome: parameter<RowOutcome | null>({
    rule: `one of ${ROW_OUTCOMES.join(', ')}`,
    description: 'Only deletions with this outcome.',
    schema: { type: 'string', enum: [...ROW_OUTCOMES] },
    absent: null,
    parse: (text) => ROW_OUTCOMES.find((outcome) => outcome === text),
  }),
  since: parameter<number | null>({
    description: 'Only deletions at or after this time.',
    ...dateTime,
  }),
  until: parameter<number | null>({
    description: 'Only deletions before this time.',
    ...dateTime,
  }),
  limit: parameter<number>({
    rule: `a whole number from 1 to ${MAX_PAGE_ROWS}`,
    description: 'Rows per page.',
    schema: { type: 'integer', minimum: 1, maximum: MAX_PAGE_ROWS, default: DEFAULT_PAGE_ROWS },
    absent: DEFAULT_PAGE_ROWS,
    parse: (text) => (/^[1-9]\d{0,2}$/.test(text) && Number(text) <= MAX_PAGE_ROWS ? Number(text) : undefined),
  }),
  cursor: parameter<Cursor | null>({
    rule: 'from the Link header of the previous page',
    description: 'Where the page begins, from the Link header of the previous page.',
    schema: { type: 'string' },
    absent: null,
    parse: parseCursor,
  }),
};

export type ParameterName = keyof typeof PARAMETERS;
type Values = { readonly [N in ParameterName]: (typeof PARAMETERS)[N]['absent'] };

/** The parameters of the calls that take some. */
export const DELETION_PARAMETERS = ['allowMissing', 'expectName'] as const;
export const READINESS_PARAMETERS = ['upstream'] as const;
export const HISTORY_PARAMETERS = [
  'caller',
  'imageId',
  'requestId',
  'outcome',
  'since',
  'until',
  'limit',
  'cursor',
] as const;

/** Reads the parameters `names` from `query`. Any other parameter is a failure. */
export function readQuery<N extends ParameterName>(
  query: URLSearchParams,
  names: readonly N[],
  mayKeep: MayKeep,
): Result<Pick<Values, N>, Failure<'invalid_request'>> {
  const given = [...query.keys()];
  if (!given.every((name) => names.some((known) => known === name))) return invalid('unknown_parameter');
  if (new Set(given).size < given.length) return invalid('repeated_parameter');
  const values: Record<string, unknown> = {};
  for (const name of names) {
    const { absent, parse, rule, isKept } = PARAMETERS[name];
    const text = query.get(name);
    const value = text === null ? absent : parse(text);
    if (value === undefined) return invalid({ parameter: name, rule });
    if (isKept && text !== null && !mayKeep(text)) return invalid('holds_credential');
    values[name] = value;
  }
  // Each value was parsed by the row of its own name.
  return ok(values as Pick<Values, N>);
}

function parameter<T>(row: Parameter<T>): Parameter<T> {
  return row;
}

function invalid(fault: Failure<'invalid_request'>['fault']): Result<never, Failure<'invalid_request'>> {
  return failed({ code: 'invalid_request', fault });
}

function parseBoolean(text: string): boolean | undefined {
  return text === 'true' || text === 'false' ? text === 'true' : undefined;
}

const DATE_TIME =
  /^(?<day>\d{4}-\d\d-\d\d)T(?<minute>(?:[01]\d|2[0-3]):\d\d):(?<second>\d\d)(?<rest>(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))$/i;
/** A leap second is the last second of a month, in UTC. */
const END_OF_MONTH = /-01T00:00:00\.\d{3}Z$/;

/**
 * RFC 3339 `date-time` (§5.6, also in lower case) as milliseconds since the epoch. Second 60 (§5.7) counts as the next second, as it
 * does in Unix time. `Date.parse` alone would take 30 February for 2 March.
 */
function parseDateTime(text: string): number | undefined {
  const { day, minute, second, rest = '' } = DATE_TIME.exec(text)?.groups ?? {};
  const midnightMs = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(midnightMs) || !new Date(midnightMs).toISOString().startsWith(`${day}T`)) return undefined;
  const isLeap = second === '60';
  const timeMs = Date.parse(`${day}T${minute}:${isLeap ? '59' : second}${rest.toUpperCase()}`) + (isLeap ? 1_000 : 0);
  if (Number.isNaN(timeMs) || (isLeap && !END_OF_MONTH.test(new Date(timeMs).toISOString()))) return undefined;
  return timeMs;
}
