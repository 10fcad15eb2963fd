/**
 * The OpenAPI document, derived from the tables that the code uses.
 *
 * Promises: the failures of an operation are exactly those that it can answer, by the stages that it passes, and each has an
 * example; every header of an answer is described. Never: forbids an answer to grow (`schemas.ts` says why).
 *
 * Source: https://spec.openapis.org/oas/v3.1.1.html.
 */
import type { OpenAPIV3_1 } from 'openapi-types';
import { HSTS_HEADER } from '../worker/http/transport.ts';
import { VERSION_HEADER } from '../worker/http/version-header.ts';
import { ORIGIN_PLACEHOLDER } from '../worker/pages.ts';
import type { Stage } from '../worker/problems/facts.ts';
import { type Failure, headersOf, outcomeOf, PROBLEMS } from '../worker/problems/failure.ts';
import { PROBLEM_CONTENT_TYPE } from '../worker/problems/problem.ts';
import { MAX_RETRY_AFTER_S } from '../worker/problems/table.ts';
import { REQUEST_ID } from '../worker/request-id.ts';
import { EXAMPLES, FAILURES, problemExample } from './examples.ts';
import { OPERATIONS, type Operation, PATH_PARAMETERS, type Success, TAGS } from './operations.ts';
import { RELEASE } from './release.ts';
import { schema, schemas } from './schemas.ts';

/** Beside Content-Type, which the specification wants left out. The first three are in every answer. */
const HEADERS = {
  'X-Request-Id': {
    required: true,
    description: "The caller's own if it was safe, else ours.",
    schema: { type: 'string', pattern: REQUEST_ID.source },
  },
  'Cache-Control': { required: true, description: 'no-store.', schema: { type: 'string' } },
  [VERSION_HEADER]: {
    description: 'The version of the Worker that answered. Absent if the platform does not name it.',
    schema: { type: 'string' },
  },
  [HSTS_HEADER]: {
    description: 'Over https, but not through a binding: use nothing else for a year.',
    schema: { type: 'string' },
  },
  Location: { description: 'An address over https.', schema: { type: 'string', format: 'uri' } },
  'WWW-Authenticate': { description: 'Bearer.', schema: { type: 'string' } },
  'Retry-After': {
    description: 'Seconds to wait.',
    schema: { type: 'integer', minimum: 1, maximum: MAX_RETRY_AFTER_S },
  },
  'RateLimit-Policy': { description: 'The limits of a caller.', schema: { type: 'string' } },
  'Content-Security-Policy': { description: 'Only files of this origin.', schema: { type: 'string' } },
  'X-Content-Type-Options': { description: 'nosniff.', schema: { type: 'string' } },
  'Referrer-Policy': { description: 'no-referrer.', schema: { type: 'string' } },
  Link: { description: 'The next page: <URL>; rel="next". Absent on the last.', schema: { type: 'string' } },
} satisfies Record<string, OpenAPIV3_1.HeaderObject>;

const TO_HTTPS = {
  description: 'Over plain http and without a credential: the same path over https.',
  headers: headersWith(['Location']),
};

/** The document, with a placeholder for the origin of the gateway, which alone knows it. */
export function openapi() {
  return {
    openapi: '3.1.1',
    info: {
      title: 'bcc-image-gateway',
      version: RELEASE,
      contact: { name: 'The operator of this gateway' },
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Deletes Baidu Cloud custom images for internal services that hold no Baidu credential. Answers may get more members. HEAD works wherever GET does.',
    },
    servers: [{ url: ORIGIN_PLACEHOLDER }],
    security: [{ key: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: Object.fromEntries(
      [...new Set(OPERATIONS.map(({ path }) => path))].map((path) => [
        path,
        Object.fromEntries(
          OPERATIONS.filter((each) => each.path === path).map((each) => [each.method, operation(each)]),
        ),
      ]),
    ),
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key, or a token of an issuer that the operator configured.',
        },
      },
      parameters: PATH_PARAMETERS,
      headers: HEADERS,
      schemas: {
        ...schemas,
        Problem: {
          ...schemas['Problem'],
          examples: ofNone.map((failure) => problemExample(failure, ORIGIN_PLACEHOLDER)),
        },
      },
      examples: Object.fromEntries(
        ofOperations.map((failure) => [
          exampleName(failure),
          { summary: PROBLEMS[failure.code].title, value: problemExample(failure, ORIGIN_PLACEHOLDER) },
        ]),
      ),
    },
  } satisfies OpenAPIV3_1.Document;
}

function operation({ id, tag, summary, description, parameters, stages, success }: Operation) {
  const isPublic = !stages.includes('admission');
  return {
    operationId: id,
    tags: [tag],
    summary,
    description,
    ...(isPublic && { security: [] }),
    ...(parameters && { parameters: [...parameters] }),
    responses: {
      200: answer(success.description, contentOf(success), success.headers),
      // People may type the address of a page without a scheme.
      ...(isPublic && stages.includes('transport') && { 308: TO_HTTPS }),
      ...failures(stages),
    },
  } satisfies OpenAPIV3_1.OperationObject;
}

/** No operation answers 405: it is what a path says to a method that is no operation. */
const ofNone = FAILURES.filter(({ code }) => code === 'method_not_allowed');
const ofOperations = FAILURES.filter((failure) => !ofNone.includes(failure));

/** The example's name, by which a client can look it up: `image_shared.rejected`. */
const exampleName = (failure: Failure) => `${failure.code}.${outcomeOf(failure)}`;

function contentOf({ body, types = {} }: Success) {
  if (body !== undefined) return { 'application/json': { schema: schema(body), example: EXAMPLES[body] } };
  return Object.fromEntries(Object.entries(types).map(([type, schema]) => [type, { schema }]));
}

/** An answer has the headers of every answer, and `more`. */
function answer<Content>(description: string, content: Content, more: readonly string[] = []) {
  return { description, headers: headersWith(more), content };
}

function headersWith(more: readonly string[]) {
  const names = ['X-Request-Id', 'Cache-Control', VERSION_HEADER, HSTS_HEADER, ...more];
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** The failures of an operation that passes these stages, by status. Baidu can refuse only a deletion. */
function failures(stages: readonly Stage[]) {
  const possible = ofOperations.filter((failure) => {
    const isCertain = !['rejected', 'unknown'].includes(outcomeOf(failure));
    return stages.includes(PROBLEMS[failure.code].stage) && (isCertain || stages.includes('deletion'));
  });
  const statuses = new Set(possible.map(({ code }) => PROBLEMS[code].status));
  return Object.fromEntries(
    [...statuses].map((status) => [status, failureOf(possible.filter(({ code }) => PROBLEMS[code].status === status))]),
  );
}

function failureOf(failures: readonly Failure[]) {
  const examples = failures.map(exampleName).map((name) => [name, { $ref: `#/components/examples/${name}` }]);
  return answer(
    [...new Set(failures.map(({ code }) => code))].join(', '),
    { [PROBLEM_CONTENT_TYPE]: { schema: schema('Problem'), examples: Object.fromEntries(examples) } },
    failures.flatMap((failure) => Object.keys(headersOf(failure))),
  );
}
