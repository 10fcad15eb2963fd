/**
 * The bodies as JSON Schema (2020-12), held to their types by the compiler.
 *
 * Promises: a member too few or too many does not compile; a problem's schema allows for each code exactly what its row says. The
 * schemas are part of the OpenAPI document, and the tests hold every answer against them.
 */
import type { Blocker, DeletionBody, DeletionJson, HistoryBody, PreviewBody } from '../deletions/bodies.ts';
import { IMAGE_ID } from '../image-id.ts';
import { FAILURE_OUTCOMES, type FailureOutcome, ROW_OUTCOMES, SUCCESS_OUTCOMES } from '../outcome.ts';
import type { DeletedBefore, Upstream } from '../problems/facts.ts';
import { PROBLEM_CODES, PROBLEMS } from '../problems/failure.ts';
import { MAX_INSTANCE_CHARS, type ProblemBody } from '../problems/problem.ts';
import { REQUEST_ID } from './query.ts';

type Schema = Readonly<Record<string, unknown>>;

type OptionalKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];

/** The schema of an object that has exactly the members of `T`. */
function object<T>(properties: { readonly [K in keyof T]-?: Schema }, optional: readonly OptionalKeys<T>[] = []) {
  const isOptional = (name: string) => optional.some((known) => known === name);
  const required = Object.keys(properties).filter((name) => !isOptional(name));
  return { type: 'object', required, additionalProperties: false, properties } as const;
}

const nullable = (type: string): Schema => ({ type: [type, 'null'] });
const text: Schema = { type: 'string' };
const dateTime: Schema = { type: 'string', format: 'date-time' };
export const imageIdSchema: Schema = { type: 'string', pattern: IMAGE_ID.source };
const code: Schema = { enum: PROBLEM_CODES };

export const deletionSchema = object<DeletionBody>({
  id: imageIdSchema,
  outcome: { enum: SUCCESS_OUTCOMES },
  confirmed: {
    type: 'boolean',
    description: 'true: Baidu said so. false: the image was gone after an attempt whose effect is unknown.',
  },
  requestId: text,
  upstreamRequestId: nullable('string'),
});

export const previewSchema = object<PreviewBody>({
  id: imageIdSchema,
  name: text,
  type: text,
  status: text,
  desc: nullable('string'),
  osName: nullable('string'),
  osVersion: nullable('string'),
  createTime: nullable('string'),
  sharedWith: {
    ...nullable('integer'),
    description: 'How many accounts the image is shared with; null if that could not be read.',
  },
  deletable: {
    ...nullable('boolean'),
    description: 'null: nothing known stands in the way, but whether the image is shared could not be read.',
  },
  blockers: { type: 'array', items: object<Blocker>({ code, detail: text }) },
  requestId: text,
  upstreamRequestId: nullable('string'),
});

export const historySchema = object<HistoryBody>({
  deletions: {
    type: 'array',
    items: object<DeletionJson>({
      requestId: text,
      caller: text,
      subject: nullable('string'),
      imageId: text,
      imageName: nullable('string'),
      reservedAt: dateTime,
      settledAt: { ...nullable('string'), format: 'date-time' },
      resolvedAt: { ...nullable('string'), format: 'date-time' },
      outcome: { enum: ROW_OUTCOMES },
      confirmed: nullable('boolean'),
      code: { enum: [...PROBLEM_CODES, null] },
      attempts: { ...nullable('integer'), minimum: 0, maximum: 2 },
      upstreamRequestId: nullable('string'),
      keyFingerprint: text,
    }),
  },
});

/** What `/healthz` and `/readyz` answer. */
export interface StatusBody {
  readonly status: 'ok' | 'ready';
}

export function statusSchema(status: StatusBody['status']) {
  return object<StatusBody>({ status: { const: status } });
}

const OPTIONAL_PROBLEM_MEMBERS = ['upstream', 'deletedBefore', 'deletion', 'problems'] as const;

export const problemSchema = {
  ...object<ProblemBody>(
    {
      type: { type: 'string', format: 'uri-reference' },
      title: text,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: { type: 'string', minLength: 1 },
      instance: { type: 'string', pattern: '^/', maxLength: MAX_INSTANCE_CHARS },
      code,
      outcome: { enum: FAILURE_OUTCOMES },
      retryable: { type: 'boolean' },
      requestId: { type: 'string', pattern: REQUEST_ID.source },
      upstream: object<Upstream>({
        status: { type: 'integer' },
        code: nullable('string'),
        requestId: nullable('string'),
      }),
      deletedBefore: object<DeletedBefore>({ at: dateTime, requestId: nullable('string') }),
      deletion: {
        type: 'string',
        format: 'uri-reference',
        description: 'Where the fate of a deletion becomes known whose outcome is unknown.',
      },
      problems: { type: 'array', items: text },
    },
    OPTIONAL_PROBLEM_MEMBERS,
  ),
  oneOf: PROBLEM_CODES.flatMap((name) => {
    const { status, title, outcomes, retryable } = PROBLEMS[name];
    const branch = (outcome: readonly FailureOutcome[], advice: boolean) => ({
      properties: {
        code: { const: name },
        title: { const: title },
        status: { const: status },
        outcome: { enum: outcome },
        retryable: { const: advice },
      },
    });
    const known = outcomes.filter((outcome) => outcome !== 'unknown');
    // With an unknown outcome, deleting again is never the advice.
    return retryable && known.length < outcomes.length
      ? [branch(known, true), branch(['unknown'], false)]
      : [branch(outcomes, retryable)];
  }),
};
