/**
 * The OpenAPI document, derived from the tables that the code uses.
 *
 * Promises: an operation lists exactly the failures that it can return, by its stages, and each has an example; every response header
 * is described. Never: forbids further members (`bodies.ts` says why).
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

/** All headers but Content-Type, which the specification excludes. */
const HEADERS = {
  'X-Request-Id': {
    required: true,
    description: "The caller's own if it is safe to repeat, otherwise the gateway's.",
    schema: { type: 'string', pattern: REQUEST_ID.source },
  },
  'Cache-Control': { required: true, description: 'no-store.', schema: { type: 'string' } },
  [VERSION_HEADER]: {
    description: 'The version of the Worker. Absent if the platform does not name it.',
    schema: { type: 'string' },
  },
  [HSTS_HEADER]: {
    description: 'Over https, but not through a binding: tells browsers to use only https for a year.',
    schema: { type: 'string' },
  },
  Location: { description: 'The same URL over https.', schema: { type: 'string', format: 'uri' } },
  'WWW-Authenticate': { description: 'Bearer.', schema: { type: 'string' } },
  'Retry-After': {
    description: 'Seconds to wait.',
    schema: { type: 'integer', minimum: 1, maximum: MAX_RETRY_AFTER_S },
  },
  'RateLimit-Policy': { description: 'The rate limits of a caller.', schema: { type: 'string' } },
  'Content-Security-Policy': { description: 'Allows only files of this origin.', schema: { type: 'string' } },
  'X-Content-Type-Options': { description: 'nosniff.', schema: { type: 'string' } },
  'Referrer-Policy': { description: 'no-referrer.', schema: { type: 'string' } },
  Link: { description: 'The next page: <URL>; rel="next". Absent on the last.', schema: { type: 'string' } },
} satisfies Record<string, OpenAPIV3_1.HeaderObject>;

const TO_HTTPS = {
  description: 'Over plain http and without a credential: the same path over https.',
  headers: headersWith(['Location']),
};

/** The document, with a placeholder for the gateway's origin, which is known only at run time. */
export function openapi() {
  return {
    openapi: '3.1.1',
    info: {
      title: 'bcc-image-gateway',
      version: RELEASE,
      contact: { name: 'The operator of this gateway' },
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Deletes Baidu Cloud custom images for internal services that hold no Baidu credential. Responses may gain members. HEAD works wherever GET does.',
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
          description: 'A key, or a token from an issuer that the operator has configured.',
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
      // People may type the URL of a page without a scheme.
      ...(isPublic && stages.includes('transport') && { 308: TO_HTTPS }),
      ...failures(stages),
    },
  } satisfies OpenAPIV3_1.OperationObject;
}

/** No operation lists 405: a 405 means that the path lacks such an operation. */
const ofNone = FAILURES.filter(({ code }) => code === 'method_not_allowed');
const ofOperations = FAILURES.filter((failure) => !ofNone.includes(failure));

/** The example's name, such as `image_shared.rejected`. */
const exampleName = (failure: Failure) => `${failure.code}.${outcomeOf(failure)}`;

function contentOf({ body, types = {} }: Success) {
  if (body !== undefined) return { 'application/json': { schema: schema(body), example: EXAMPLES[body] } };
  return Object.fromEntries(Object.entries(types).map(([type, schema]) => [type, { schema }]));
}

/** A response with the common headers and `more`. */
function answer<Content>(description: string, content: Content, more: readonly string[] = []) {
  return { description, headers: headersWith(more), content };
}

function headersWith(more: readonly string[]) {
  const names = ['X-Request-Id', 'Cache-Control', VERSION_HEADER, HSTS_HEADER, ...more];
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** The failures of an operation with these stages, by status. Only a deletion can be `rejected` or `unknown`. */
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
