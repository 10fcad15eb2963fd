/**
 * The OpenAPI description of the gateway, derived from the tables that the code itself works with.
 *
 * Promises: the error codes and their schema are those of `problem.ts`, the id grammar that of `bce/images.ts`.
 * Source: https://spec.openapis.org/oas/v3.1.1.html.
 */
import { IMAGE_ID } from '../baidu/images.ts';
import { ROW_OUTCOMES } from '../ledger/store.ts';
import { PROBLEM_CONTENT_TYPE, PROBLEMS, PROBLEMS_PATH } from '../problems/table.ts';
import { DEFAULT_LIMIT, MAX_LIMIT } from './request.ts';
import { problemSchema } from './schemas.ts';

/** How a request can fail before it reaches what it asked for. */
const GATES: readonly string[] = [
  'invalid_request',
  'unauthenticated',
  'permission_denied',
  'rate_limited',
  'rate_limiter_unavailable',
  'ledger_unavailable',
  'gateway_misconfigured',
  'internal_error',
];
const READING: readonly string[] = [
  ...GATES,
  'invalid_image_id',
  'image_not_found',
  'upstream_rejected_credentials',
  'upstream_throttled',
  'upstream_unexpected',
  'upstream_error',
  'upstream_timeout',
];

const nullable = (type: string) => ({ type: [type, 'null'] });

export const previewSchema = {
  type: 'object',
  required: ['id', 'name', 'type', 'status', 'sharedWith', 'deletable', 'blockers', 'requestId', 'upstreamRequestId'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', pattern: IMAGE_ID.source },
    name: { type: 'string' },
    type: { type: 'string' },
    status: { type: 'string' },
    desc: nullable('string'),
    osName: nullable('string'),
    osVersion: nullable('string'),
    createTime: nullable('string'),
    sharedWith: {
      ...nullable('integer'),
      description: 'Accounts it is shared with; null where that could not be read.',
    },
    deletable: {
      ...nullable('boolean'),
      description:
        'null: nothing that could be read stands in the way, but whether the image is shared could not be read.',
    },
    blockers: {
      type: 'array',
      items: {
        type: 'object',
        required: ['code', 'detail'],
        additionalProperties: false,
        properties: { code: { enum: Object.keys(PROBLEMS) }, detail: { type: 'string' } },
      },
    },
    requestId: { type: 'string' },
    upstreamRequestId: nullable('string'),
  },
};

export const historySchema = {
  type: 'object',
  required: ['deletions'],
  additionalProperties: false,
  properties: {
    deletions: {
      type: 'array',
      items: {
        type: 'object',
        required: [
          'requestId',
          'caller',
          'imageId',
          'imageName',
          'reservedAt',
          'settledAt',
          'outcome',
          'code',
          'attempts',
        ],
        properties: {
          requestId: { type: 'string' },
          caller: { type: 'string' },
          imageId: { type: 'string' },
          imageName: nullable('string'),
          reservedAt: { type: 'string', format: 'date-time' },
          settledAt: { type: ['string', 'null'], format: 'date-time' },
          outcome: { enum: ROW_OUTCOMES },
          code: { enum: [...Object.keys(PROBLEMS), null] },
          attempts: { type: ['integer', 'null'], minimum: 0, maximum: 2 },
          upstreamRequestId: nullable('string'),
          keyFingerprint: { type: 'string' },
        },
      },
    },
  },
};

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
            ...problems(READING),
          },
        },
        delete: {
          operationId: 'deleteImage',
          summary: 'Delete a custom image. It cannot be recovered. Needs images:delete.',
          parameters: [
            { $ref: '#/components/parameters/id' },
            {
              name: 'allowMissing',
              in: 'query',
              description: 'With true, an absent image answers 200 already_absent instead of 404.',
              schema: { type: 'boolean', default: false },
            },
            {
              name: 'expectName',
              in: 'query',
              description:
                'Answers 412 unless the image bears this name. Best effort: Baidu has no conditional deletion.',
              schema: { type: 'string', minLength: 1, maxLength: 256 },
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
      '/deletions': {
        get: {
          operationId: 'listDeletions',
          summary: 'The history of deletions, newest first, with the next page in the Link header.',
          parameters: [
            query('caller', "Whose history; one's own by default. Another's needs deletions:read.", { type: 'string' }),
            query('imageId', 'Only of this image.', { type: 'string', pattern: IMAGE_ID.source }),
            query('outcome', 'Only with this outcome.', { enum: ROW_OUTCOMES }),
            query('since', 'Only from this time on.', { type: 'string', format: 'date-time' }),
            query('until', 'Only before this time.', { type: 'string', format: 'date-time' }),
            query('limit', 'Rows on a page.', {
              type: 'integer',
              minimum: 1,
              maximum: MAX_LIMIT,
              default: DEFAULT_LIMIT,
            }),
            query('cursor', 'From the Link header of the page before.', { type: 'string' }),
          ],
          responses: { 200: json('One page.', historySchema), ...problems(GATES) },
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
            ...problems(GATES),
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

function query(name: string, description: string, schema: object) {
  return { name, in: 'query', description, schema };
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
