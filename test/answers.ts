/**
 * Checks every answer against the OpenAPI document, more strictly than the document itself.
 *
 * Promises: status, body and headers of an answer are in the document for this call, and so are code and outcome of a failure. The
 * document lets answers grow, but here a member that it does not name is a fault. So is a problem that differs from its code's row in
 * the table.
 */
import { Validator } from '@cfworker/json-schema';
import type { OpenAPIV3_1 } from 'openapi-types';
import { openapi } from '../src/openapi/document.ts';
import { isRecord } from '../src/worker/json.ts';
import { ORIGIN_PLACEHOLDER } from '../src/worker/pages.ts';
import { PROBLEM_CODES, PROBLEMS } from '../src/worker/problems/failure.ts';

/** The response to `GET /openapi.json`, as a test shows. */
export const DOCUMENT: OpenAPIV3_1.Document = JSON.parse(
  JSON.stringify(openapi()).replaceAll(ORIGIN_PLACEHOLDER, 'https://gateway.test'),
);
const PROBLEM = '#/components/schemas/Problem';
/** Headers of HTTP itself, or of the connection. */
const UNDESCRIBED = [
  'content-type',
  'content-length',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'date',
];

/** For each code, exactly what its row says. With an unknown outcome, a retry is never advised. */
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

/** The schema, without additional members. */
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

/** What is wrong with a body under a schema of the document, strictly; empty if it is valid. */
function faultsOf(schema: unknown, body: unknown): string {
  const key = JSON.stringify(schema);
  const known = validators.get(key);
  const validator = known ?? new Validator({ ...JSON.parse(key), components }, '2020-12');
  if (known === undefined) validators.set(key, validator);
  const { valid, errors } = validator.validate(body);
  return valid ? '' : errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`).join('\n');
}

/** What is wrong with a body under a named schema of the document, strictly; empty if it is valid. */
export const bodyFaults = (name: string, body: unknown) => faultsOf({ $ref: `#/components/schemas/${name}` }, body);
export const problemFaults = (body: unknown) => faultsOf({ $ref: PROBLEM }, body);

/** The document's operation for a call, if there is one. `HEAD` counts as the `GET` of the same path. */
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

/** The failures that the document lists for a call, as `code.outcome`, or `null` if it is not an operation. */
export function documentedFailures(method: string, url: string): string[] | null {
  const operation = operationOf(method, url);
  if (operation === undefined) return null;
  return Object.values(operation.responses ?? {}).flatMap((response) =>
    'content' in response ? Object.keys(response.content?.['application/problem+json']?.examples ?? {}) : [],
  );
}

/** An answer without its body. */
type Head = Pick<Response, 'status' | 'headers'>;

/** @param text the body, or `null` without one. @throws if the document does not describe this answer */
export function checkAnswer(method: string, url: string, { status, headers }: Head, text: string | null): void {
  const fault = (what: string) => new Error(`${method} ${url} answered ${status}: ${what}\n${text}`);
  const operation = operationOf(method, url);
  const found = operation?.responses?.[status];
  const response = found !== undefined && !('$ref' in found) ? found : undefined;
  if (operation !== undefined && response === undefined) throw fault('its status is not listed');

  // An unknown path or method gets a problem, and a 405 lists the allowed methods.
  const described: Record<string, unknown> = response?.headers ?? operationHeaders(status);
  const names = Object.keys(described);
  for (const name of headers.keys()) {
    const isKnown = names.some((known) => known.toLowerCase() === name);
    if (!isKnown && !UNDESCRIBED.includes(name)) throw fault(`its header ${name} is not described`);
  }
  for (const name of names) {
    if (isRequired(name) && !headers.has(name)) throw fault(`the header ${name} is missing`);
  }
  if (headers.get('cache-control') !== 'no-store') throw fault('it may be stored');

  // A redirect has no body.
  if (response !== undefined && response.content === undefined) {
    if (text !== null) throw fault('its body is not described');
    return;
  }
  const type = headers.get('content-type') ?? '';
  const content = response?.content ?? { 'application/problem+json': { schema: { $ref: PROBLEM } } };
  const schema = Object.entries(content).find(([known]) => known === type)?.[1].schema;
  if (schema === undefined) throw fault(`its media type is ${type}`);
  if (text === null) return;
  const body: unknown = type.includes('json') ? JSON.parse(text) : text;
  const faults = faultsOf(schema, body);
  if (faults !== '') throw fault(faults);
  if (status < 300 || !isRecord(body)) return;
  if (body['status'] !== status) throw fault('its body has another status');
  if (body['requestId'] !== headers.get('x-request-id')) throw fault('its body has another request id');
  const listed = documentedFailures(method, url);
  if (listed !== null && !listed.includes(`${body['code']}.${body['outcome']}`))
    throw fault('its failure is not listed');
}

/** Returns the answer after it has been checked. */
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
