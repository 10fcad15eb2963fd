/**
 * The OpenAPI document, derived from the tables that the code itself works with.
 *
 * Promises: the failures of an operation are exactly those that it can answer, by the stages that it passes, and each has an
 * example; every header of an answer is described. Never: forbids an answer to grow (`schemas.ts` says why).
 *
 * Source: https://spec.openapis.org/oas/v3.1.1.html.
 */
import type { OpenAPIV3_1 } from 'openapi-types';
import { METRICS_CONTENT_TYPE } from '../worker/http/metrics.ts';
import {
  DELETION_PARAMETERS,
  HISTORY_PARAMETERS,
  PARAMETERS,
  type ParameterName,
  READINESS_PARAMETERS,
  REQUEST_ID,
} from '../worker/http/query.ts';
import { HSTS_HEADER } from '../worker/http/transport.ts';
import { VERSION_HEADER } from '../worker/http/version-header.ts';
import { CONTENT_TYPES, FILES_PATH, ORIGIN_PLACEHOLDER, PAGE_HEADERS } from '../worker/pages.ts';
import type { Stage } from '../worker/problems/facts.ts';
import { type Failure, headersOf, outcomeOf, PROBLEMS } from '../worker/problems/failure.ts';
import { PROBLEM_CONTENT_TYPE, PROBLEMS_PATH } from '../worker/problems/problem.ts';
import { EXAMPLES, FAILURES, problemExample } from './examples.ts';
import { RELEASE } from './release.ts';
import { imageIdSchema, schema, schemas } from './schemas.ts';

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
    schema: { type: 'integer', minimum: 1, maximum: 86_400 },
  },
  'RateLimit-Policy': { description: 'The limits of a caller.', schema: { type: 'string' } },
  'Content-Security-Policy': { description: 'Only files of this origin.', schema: { type: 'string' } },
  'X-Content-Type-Options': { description: 'nosniff.', schema: { type: 'string' } },
  'Referrer-Policy': { description: 'no-referrer.', schema: { type: 'string' } },
  Link: { description: 'The next page: <URL>; rel="next". Absent on the last.', schema: { type: 'string' } },
} satisfies Record<string, OpenAPIV3_1.HeaderObject>;

/** A page is for people, who may type its address without a scheme. */
const toHttps = {
  description: 'Over plain http and without a credential: the same path over https.',
  headers: headersWith(['Location']),
};

/** The document, with a placeholder for the origin of the gateway, which alone knows it. */
export function openapi() {
  const id = { $ref: '#/components/parameters/id' };
  return {
    openapi: '3.1.1',
    info: {
      title: 'bcc-image-gateway',
      version: RELEASE,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Deletes Baidu Cloud custom images for internal services that hold no Baidu credential. Answers may get more members. HEAD works wherever GET does.',
    },
    servers: [{ url: ORIGIN_PLACEHOLDER }],
    security: [{ key: [] }],
    tags: [
      { name: 'images', description: 'Look at an image, and delete it.' },
      { name: 'deletions', description: 'What was deleted.' },
      { name: 'gateway', description: 'The gateway itself.' },
    ],
    paths: {
      '/images/{id}': {
        get: {
          operationId: 'previewImage',
          tags: ['images'],
          summary: 'What an image is, and whether the caller could delete it now. Needs images:read.',
          parameters: [id],
          responses: {
            200: success('The image, and what stands in the way of its deletion.', 'Image'),
            ...failures('any', 'transport', 'admission', 'permission', 'image', 'upstream'),
          },
        },
        delete: {
          operationId: 'deleteImage',
          tags: ['images'],
          summary: 'Delete a custom image. It cannot be recovered. Needs images:delete.',
          description:
            'One deletion of an image runs at a time; another gets deletion_in_progress. If the outcome is unknown, do not delete again: ask under `deletion`, where the final outcome will appear. The same request again (same caller, image and X-Request-Id) gets the 200 of the first if that one deleted the image.',
          parameters: [id, ...queryParameters(DELETION_PARAMETERS)],
          responses: {
            200: success('The image is gone.', 'Deletion'),
            ...failures('any', 'transport', 'admission', 'permission', 'image', 'upstream', 'ledger', 'deletion'),
          },
        },
      },
      '/deletions': {
        get: {
          operationId: 'listDeletions',
          tags: ['deletions'],
          summary: 'The history of deletions, newest first, with the next page in the Link header.',
          parameters: queryParameters(HISTORY_PARAMETERS),
          responses: {
            200: success('One page.', 'HistoryPage', 'Link'),
            ...failures('any', 'transport', 'admission', 'permission', 'ledger'),
          },
        },
      },
      '/metrics': {
        get: {
          operationId: 'metrics',
          tags: ['gateway'],
          summary: 'Counts and budgets for Prometheus, in its text format 0.0.4. Needs metrics:read.',
          responses: {
            200: answer('The metrics.', { [METRICS_CONTENT_TYPE]: { schema: { type: 'string' } } }),
            ...failures('any', 'transport', 'admission', 'permission', 'ledger'),
          },
        },
      },
      '/healthz': {
        get: {
          operationId: 'healthz',
          tags: ['gateway'],
          summary: 'Whether the Worker runs.',
          security: [],
          responses: { 200: success('It runs.', 'Health'), ...failures('any') },
        },
      },
      '/readyz': {
        get: {
          operationId: 'readyz',
          tags: ['gateway'],
          summary: 'Whether the configuration is valid, and if not, what is wrong.',
          description:
            'With `upstream=true` it also checks the credential at Baidu, by reads alone. An absent `control` is no failure: the status stays 200.',
          parameters: queryParameters(READINESS_PARAMETERS),
          responses: {
            200: success('It is valid.', 'Readiness'),
            ...failures('any', 'transport', 'admission', 'upstream'),
          },
        },
      },
      '/openapi.json': {
        get: {
          operationId: 'openapi',
          tags: ['gateway'],
          summary: 'This document.',
          security: [],
          responses: {
            200: answer('The document.', {
              'application/json': { schema: { type: 'object', additionalProperties: true } },
            }),
            308: toHttps,
            ...failures('any', 'transport', 'routing'),
          },
        },
      },
      '/docs': {
        get: {
          operationId: 'docs',
          tags: ['gateway'],
          summary: 'This document as a page for people.',
          security: [],
          responses: {
            200: pageOf('The page.', CONTENT_TYPES.html),
            308: toHttps,
            ...failures('any', 'transport', 'routing'),
          },
        },
      },
      '/console': {
        get: {
          operationId: 'console',
          tags: ['gateway'],
          summary: 'A page that shows history, budgets and readiness, and changes nothing.',
          security: [],
          responses: {
            200: pageOf('The page.', CONTENT_TYPES.html),
            308: toHttps,
            ...failures('any', 'transport', 'routing'),
          },
        },
      },
      [`${FILES_PATH}/{file}`]: {
        get: {
          operationId: 'pageFile',
          tags: ['gateway'],
          summary: 'Style and script of the pages.',
          security: [],
          parameters: [
            { name: 'file', in: 'path', required: true, description: 'Its name.', schema: { type: 'string' } },
          ],
          responses: {
            200: pageOf('The file.', CONTENT_TYPES.css, CONTENT_TYPES.js),
            308: toHttps,
            ...failures('any', 'transport', 'routing'),
          },
        },
      },
      [`${PROBLEMS_PATH}/{code}`]: {
        get: {
          operationId: 'explainProblem',
          tags: ['gateway'],
          summary: 'What the code of a problem means, and what to do.',
          security: [],
          parameters: [
            {
              name: 'code',
              in: 'path',
              required: true,
              description: 'Of a problem.',
              schema: schema('ProblemCode'),
            },
          ],
          responses: {
            200: success('The explanation.', 'Explanation'),
            308: toHttps,
            ...failures('any', 'transport', 'routing'),
          },
        },
      },
    },
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key, or a token of an issuer that the operator configured.',
        },
      },
      parameters: {
        id: {
          name: 'id',
          in: 'path',
          required: true,
          description: 'It belongs to one region.',
          schema: imageIdSchema,
        },
      },
      headers: HEADERS,
      schemas: {
        ...schemas,
        Problem: { ...schemas.Problem, examples: ofNone.map((failure) => problemExample(failure, ORIGIN_PLACEHOLDER)) },
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

/** No operation answers 405: it is what a path says to a method that is no operation. */
const ofNone = FAILURES.filter(({ code }) => code === 'method_not_allowed');
const ofOperations = FAILURES.filter((failure) => !ofNone.includes(failure));

/** The example's name, by which a client can look it up: `image_shared.rejected`. */
const exampleName = (failure: Failure) => `${failure.code}.${outcomeOf(failure)}`;

function success(description: string, name: keyof typeof EXAMPLES, ...more: readonly (keyof typeof HEADERS)[]) {
  return answer(description, { 'application/json': { schema: schema(name), example: EXAMPLES[name] } }, more);
}

/** An answer has the headers of every answer, and `more`. */
function answer<Content>(description: string, content: Content, more: readonly string[] = []) {
  return { description, headers: headersWith(more), content };
}

function headersWith(more: readonly string[]) {
  const names = ['X-Request-Id', 'Cache-Control', VERSION_HEADER, HSTS_HEADER, ...more];
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function pageOf(description: string, ...types: readonly string[]) {
  const content = Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' as const } }]));
  return answer(description, content, Object.keys(PAGE_HEADERS));
}

function queryParameters(names: readonly ParameterName[]): OpenAPIV3_1.ParameterObject[] {
  return names.map((name) => {
    const { description, schema } = PARAMETERS[name];
    return { name, in: 'query', description, schema };
  });
}

/** The failures of an operation that passes these stages, by status. Baidu can refuse only a deletion. */
function failures(...stages: readonly Stage[]) {
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
