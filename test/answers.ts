/**
 * Every answer against the OpenAPI document, more strictly than the document itself.
 *
 * Promises: an answer has a status, a body, headers, and as a failure a code and an outcome that the document lists for the call.
 * The document lets answers grow; here a member that it does not name is a fault, and so is anything in a problem that is not
 * what the table says about its code.
 */
import { Validator } from '@cfworker/json-schema';
import type { OpenAPIV3_1 } from 'openapi-types';
import { openapi } from '../src/openapi/document.ts';
import { isRecord } from '../src/worker/json.ts';
import { ORIGIN_PLACEHOLDER } from '../src/worker/pages.ts';
import { PROBLEM_CODES, PROBLEMS } from '../src/worker/problems/failure.ts';

/** As `GET /openapi.json` answers it, which a test compares. */
export const DOCUMENT: OpenAPIV3_1.Document = JSON.parse(
  JSON.stringify(openapi()).replaceAll(ORIGIN_PLACEHOLDER, 'https://gateway.test'),
);
const PROBLEM = '#/components/schemas/Problem';
/** Of HTTP itself, or of the connection. */
const UNDESCRIBED = [
  'content-type',
  'content-length',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'date',
];

/** For each code exactly what its row says. With an unknown outcome, deleting again is never the advice. */
const PROBLEM_BRANCHES = PROBLEM_CODES.flatMap((code) => {
  const { status, title, outcomes, retryable } = PROBLEMS[code];
  const branch = (outcome: readonly string[], advice: boolean) => ({
    properties: {
      code: { const: code },
      title: { const: title },
      status: { const: status },
      outcome: { enum: outcome },
      retryable: { const: advice },
    },
  });
  return [
    branch(
      outcomes.filter((outcome) => outcome !== 'unknown'),
      retryable,
    ),
    ...(outcomes.includes('unknown') ? [branch(['unknown'], false)] : []),
  ];
});

/** A schema that allows no member which it does not name. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (!isRecord(schema)) return schema;
  const parts = Object.fromEntries(Object.entries(schema).map(([name, part]) => [name, closed(part)]));
  return 'properties' in parts ? { ...parts, additionalProperties: false } : parts;
}

const named = Object.entries(DOCUMENT.components?.schemas ?? {}).map(([name, schema]) => {
  // Its examples are data.
  const { examples: _, ...rest } = schema;
  const strict = closed(rest);
  return [name, name === 'Problem' && isRecord(strict) ? { ...strict, oneOf: PROBLEM_BRANCHES } : strict];
});
const components = { schemas: Object.fromEntries(named) };
const validators = new Map<string, Validator>();

/** What is wrong with a body under a schema of the document, strictly; blank if nothing is. */
function faultsOf(schema: unknown, body: unknown): string {
  const key = JSON.stringify(schema);
  const known = validators.get(key);
  const validator = known ?? new Validator({ ...JSON.parse(key), components }, '2020-12');
  if (known === undefined) validators.set(key, validator);
  const { valid, errors } = validator.validate(body);
  return valid ? '' : errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`).join('\n');
}

/** What is wrong with a body under a named schema of the document, strictly; blank if nothing is. */
export const bodyFaults = (name: string, body: unknown) => faultsOf({ $ref: `#/components/schemas/${name}` }, body);
export const problemFaults = (body: unknown) => faultsOf({ $ref: PROBLEM }, body);

/** The operation of the document that a call is, if it is one. `HEAD` is the `GET` of the same path. */
export function operationOf(method: string, url: string): OpenAPIV3_1.OperationObject | undefined {
  const pathname = /^(?:[a-z]+:\/\/[^/?#]*)?([^?#]*)/.exec(url)?.[1] ?? '';
  const template = Object.keys(DOCUMENT.paths ?? {}).find((known) =>
    new RegExp(`^${known.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(pathname),
  );
  const operations = DOCUMENT.paths?.[template ?? ''];
  switch (method) {
    case 'GET':
    case 'HEAD':
      return operations?.get;
    case 'DELETE':
      return operations?.delete;
    default:
      return undefined;
  }
}

/** The failures that the document lists for a call, as `code.outcome`, or `null` if the call is none of its operations. */
export function documentedFailures(method: string, url: string): string[] | null {
  const operation = operationOf(method, url);
  if (operation === undefined) return null;
  return Object.values(operation.responses ?? {}).flatMap((response) =>
    'content' in response ? Object.keys(response.content?.['application/problem+json']?.examples ?? {}) : [],
  );
}

/** The part of an answer that needs no reading. */
type Head = Pick<Response, 'status' | 'headers'>;

/** @throws if the answer is not one that the document describes. `text` is the body, and `null` if there is none. */
export function checkAnswer(method: string, url: string, { status, headers }: Head, text: string | null): void {
  const fault = (what: string) => new Error(`${method} ${url} answered ${status}: ${what}\n${text}`);
  const operation = operationOf(method, url);
  const found = operation?.responses?.[status];
  const response = found !== undefined && !('$ref' in found) ? found : undefined;
  if (operation !== undefined && response === undefined) throw fault('a status that is not listed');

  // A path or a method that is no operation answers a problem, and a 405 says what is allowed.
  const described: Record<string, unknown> = response?.headers ?? operationHeaders(status);
  const names = Object.keys(described);
  for (const name of headers.keys()) {
    const isKnown = names.some((known) => known.toLowerCase() === name);
    if (!isKnown && !UNDESCRIBED.includes(name)) throw fault(`a header ${name} that is not described`);
  }
  for (const name of names) {
    if (isRequired(name) && !headers.has(name)) throw fault(`no header ${name}`);
  }
  if (headers.get('cache-control') !== 'no-store') throw fault('it may be stored');

  // A redirect has no body.
  if (response !== undefined && response.content === undefined) {
    if (text !== null) throw fault('a body that is not described');
    return;
  }
  const type = headers.get('content-type') ?? '';
  const content = response?.content ?? { 'application/problem+json': { schema: { $ref: PROBLEM } } };
  const schema = Object.entries(content).find(([known]) => known === type)?.[1].schema;
  if (schema === undefined) throw fault(`the media type ${type}`);
  if (text === null) return;
  const body: unknown = type.includes('json') ? JSON.parse(text) : text;
  const faults = faultsOf(schema, body);
  if (faults !== '') throw fault(faults);
  if (status < 300 || !isRecord(body)) return;
  if (body['status'] !== status) throw fault('another status in the body');
  if (body['requestId'] !== headers.get('x-request-id')) throw fault('another request id in the body');
  const listed = documentedFailures(method, url);
  if (listed !== null && !listed.includes(`${body['code']}.${body['outcome']}`)) throw fault('a failure not listed');
}

/** The answer itself, when it has been checked. */
export async function checked(method: string, url: string, response: Response): Promise<Response> {
  checkAnswer(method, url, response, response.body === null ? null : await response.clone().text());
  return response;
}

const operationHeaders = (status: number) => ({
  'X-Request-Id': {},
  'Cache-Control': {},
  'Gateway-Version': {},
  'Strict-Transport-Security': {},
  ...(status === 405 && { Allow: {} }),
});

function isRequired(name: string): boolean {
  const header = DOCUMENT.components?.headers?.[name];
  return header !== undefined && 'required' in header && header.required === true;
}
