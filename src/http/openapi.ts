/**
 * The OpenAPI document, derived from the tables that the code itself works with.
 *
 * Promises: the failures of an operation are exactly those that it can answer, by the stages that it passes.
 *
 * Source: https://spec.openapis.org/oas/v3.1.1.html.
 */

import type { Stage } from '../problems/facts.ts';
import { PROBLEM_CODES, PROBLEMS, type ProblemCode } from '../problems/failure.ts';
import { PROBLEM_CONTENT_TYPE, PROBLEMS_PATH } from '../problems/problem.ts';
import { METRICS_CONTENT_TYPE } from './metrics.ts';
import { DELETION_PARAMETERS, HISTORY_PARAMETERS, PARAMETERS, type ParameterName } from './query.ts';
import { deletionSchema, historySchema, imageIdSchema, previewSchema, problemSchema, statusSchema } from './schemas.ts';

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
        get: {
          operationId: 'previewImage',
          summary: 'What an image is, and whether the caller could delete it now. Needs images:read.',
          parameters: [{ $ref: '#/components/parameters/id' }],
          responses: {
            200: json('The image, and what stands in the way of its deletion.', previewSchema),
            ...failures('any', 'admission', 'permission', 'image', 'upstream'),
          },
        },
        delete: {
          operationId: 'deleteImage',
          summary: 'Delete a custom image. It cannot be recovered. Needs images:delete.',
          description:
            'If the outcome is unknown, do not delete again: look under `deletion`, where the fate becomes known.',
          parameters: [{ $ref: '#/components/parameters/id' }, ...queryParameters(DELETION_PARAMETERS)],
          responses: {
            200: json('The image is gone.', deletionSchema),
            ...failures('any', 'admission', 'permission', 'image', 'upstream', 'ledger', 'deletion'),
          },
        },
      },
      '/deletions': {
        get: {
          operationId: 'listDeletions',
          summary: 'The history of deletions, newest first, with the next page in the Link header.',
          parameters: queryParameters(HISTORY_PARAMETERS),
          responses: {
            200: json('One page.', historySchema),
            ...failures('any', 'admission', 'permission', 'ledger'),
          },
        },
      },
      '/metrics': {
        get: {
          operationId: 'metrics',
          summary: 'Counts and budgets for Prometheus, in its text format 0.0.4. Needs metrics:read.',
          responses: {
            200: { description: 'The metrics.', content: { [METRICS_CONTENT_TYPE]: { schema: { type: 'string' } } } },
            ...failures('any', 'admission', 'permission', 'ledger'),
          },
        },
      },
      '/healthz': {
        get: {
          operationId: 'healthz',
          summary: 'Whether the Worker runs.',
          security: [],
          responses: { 200: json('It runs.', statusSchema('ok')), ...failures('any') },
        },
      },
      '/readyz': {
        get: {
          operationId: 'readyz',
          summary: 'Whether the configuration is whole, and if not, what is wrong.',
          responses: { 200: json('It is whole.', statusSchema('ready')), ...failures('any', 'admission') },
        },
      },
      '/openapi.json': {
        get: {
          operationId: 'openapi',
          summary: 'This document.',
          security: [],
          responses: { 200: json('The document.', { type: 'object' }), ...failures('any') },
        },
      },
      [`${PROBLEMS_PATH}/{code}`]: {
        get: {
          operationId: 'explainProblem',
          summary: 'What the code of a problem means, and what to do.',
          security: [],
          parameters: [{ name: 'code', in: 'path', required: true, schema: { enum: PROBLEM_CODES } }],
          responses: {
            200: json('The explanation.', { type: 'object' }),
            ...byStatus(PROBLEM_CODES.filter((code) => code === 'route_not_found' || PROBLEMS[code].stage === 'any')),
          },
        },
      },
    },
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      parameters: { id: { name: 'id', in: 'path', required: true, schema: imageIdSchema } },
      schemas: { Problem: problemSchema },
    },
  };
}

function json(description: string, schema: object) {
  return { description, content: { 'application/json': { schema } } };
}

function queryParameters(names: readonly ParameterName[]) {
  return names.map((name) => {
    const { description, schema } = PARAMETERS[name];
    return { name, in: 'query', description, schema };
  });
}

/** The failures of an operation that passes these stages. */
function failures(...stages: readonly Stage[]) {
  return byStatus(PROBLEM_CODES.filter((code) => stages.includes(PROBLEMS[code].stage)));
}

/** One response for each status, with the codes that can stand behind it. */
function byStatus(codes: readonly ProblemCode[]) {
  const statuses = new Set(codes.map((code) => PROBLEMS[code].status));
  return Object.fromEntries([...statuses].map((status) => [status, failure(codes, status)]));
}

function failure(codes: readonly ProblemCode[], status: number) {
  return {
    description: codes.filter((code) => PROBLEMS[code].status === status).join(', '),
    content: { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}
