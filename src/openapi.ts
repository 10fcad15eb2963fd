/**
 * The OpenAPI description of the gateway, derived from the tables that the code itself works with.
 *
 * Promises: the error codes and their schema are those of `problem.ts`, the id grammar that of `bce/images.ts`.
 * Source: https://spec.openapis.org/oas/v3.1.1.html.
 */
import { IMAGE_ID } from './bce/images.ts';
import { PROBLEM_CONTENT_TYPE, PROBLEMS, PROBLEMS_PATH, problemSchema } from './problem.ts';

/** The document, with `origin` as the server. */
export function openapi(origin: string) {
  return {
    openapi: '3.1.1',
    info: {
      title: 'bcc-image-gateway',
      version: '1',
      description: 'Deletes Baidu Cloud custom images for internal services that hold no Baidu credential.',
    },
    servers: [{ url: origin }],
    security: [{ key: [] }],
    paths: {
      '/images/{id}': {
        delete: {
          operationId: 'deleteImage',
          summary: 'Delete a custom image. It cannot be recovered.',
          parameters: [
            { $ref: '#/components/parameters/id' },
            {
              name: 'allowMissing',
              in: 'query',
              description: 'With true, an absent image answers 200 already_absent instead of 404.',
              schema: { type: 'boolean', default: false },
            },
          ],
          responses: {
            200: json('The image is gone.', {
              type: 'object',
              required: ['id', 'outcome', 'requestId', 'upstreamRequestId'],
              additionalProperties: false,
              properties: {
                id: { type: 'string', pattern: IMAGE_ID.source },
                outcome: { enum: ['deleted', 'already_absent'] },
                requestId: { type: 'string' },
                upstreamRequestId: { type: ['string', 'null'] },
              },
            }),
            ...problems(Object.keys(PROBLEMS)),
          },
        },
      },
      '/healthz': {
        get: {
          operationId: 'healthz',
          summary: 'Whether the Worker runs.',
          security: [],
          responses: { 200: json('It runs.', status('ok')) },
        },
      },
      '/readyz': {
        get: {
          operationId: 'readyz',
          summary: 'Whether the configuration is whole, and what is not.',
          responses: {
            200: json('It is whole.', status('ready')),
            ...problems([
              'unauthenticated',
              'rate_limited',
              'rate_limiter_unavailable',
              'gateway_misconfigured',
              'internal_error',
            ]),
          },
        },
      },
      '/openapi.json': {
        get: {
          operationId: 'openapi',
          summary: 'This document.',
          security: [],
          responses: { 200: json('The document.', { type: 'object' }) },
        },
      },
      [`${PROBLEMS_PATH}/{code}`]: {
        get: {
          operationId: 'explainProblem',
          summary: 'What the code of a problem means, and what to do.',
          security: [],
          parameters: [{ name: 'code', in: 'path', required: true, schema: { enum: Object.keys(PROBLEMS) } }],
          responses: { 200: json('The explanation.', { type: 'object' }), ...problems(['route_not_found']) },
        },
      },
    },
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      parameters: {
        id: { name: 'id', in: 'path', required: true, schema: { type: 'string', pattern: IMAGE_ID.source } },
      },
      schemas: { Problem: problemSchema },
    },
  };
}

function json(description: string, schema: object) {
  return { description, content: { 'application/json': { schema } } };
}

function status(value: string) {
  return { type: 'object', required: ['status'], properties: { status: { const: value } } };
}

/** One response for each status, with the codes that can stand behind it. */
function problems(codes: readonly string[]) {
  const byStatus: Record<number, object> = {};
  const known = Object.entries(PROBLEMS).filter(([code]) => codes.includes(code));
  for (const { status } of known.map(([, row]) => row)) {
    const here = known.filter(([, row]) => row.status === status).map(([code]) => code);
    byStatus[status] = {
      description: here.join(', '),
      content: { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return byStatus;
}
