/**
 * The JSON Schema (2020-12) of every failure, made from the table of codes.
 *
 * Promises: one shape for all, and for each code exactly the status, title, outcomes and retry advice of its row. It is part of
 * the OpenAPI document, and the tests hold every answer that is not 2xx against it.
 */
import { isProblemCode, MAX_INSTANCE_CHARS, PROBLEMS, rowOf } from '../problems/table.ts';

export const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'outcome', 'retryable', 'requestId'],
  additionalProperties: false,
  properties: {
    type: { type: 'string', format: 'uri-reference' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', minLength: 1 },
    instance: { type: 'string', pattern: '^/', maxLength: MAX_INSTANCE_CHARS },
    code: { enum: Object.keys(PROBLEMS) },
    outcome: { enum: ['not_attempted', 'rejected', 'already_absent', 'unknown'] },
    retryable: { type: 'boolean' },
    requestId: { type: 'string', pattern: '^[\\w.-]{1,64}$' },
    upstream: {
      type: 'object',
      required: ['status', 'code', 'requestId'],
      additionalProperties: false,
      properties: {
        status: { type: 'integer' },
        code: { type: ['string', 'null'] },
        requestId: { type: ['string', 'null'] },
      },
    },
    deletedBefore: {
      type: 'object',
      required: ['at', 'requestId'],
      additionalProperties: false,
      properties: { at: { type: 'string', format: 'date-time' }, requestId: { type: 'string' } },
    },
    problems: { type: 'array', items: { type: 'string' } },
  },
  oneOf: Object.keys(PROBLEMS)
    .filter(isProblemCode)
    .map((code) => ({
      properties: {
        code: { const: code },
        title: { const: rowOf(code).title },
        status: { const: rowOf(code).status },
        outcome: { enum: rowOf(code).outcomes },
        retryable: { const: rowOf(code).retryable },
      },
    })),
} as const;
