/**
 * The bodies as JSON Schema (2020-12), held to their types by the compiler.
 *
 * Promises: a member too few or too many does not compile. Never: forbids further members or fixes a sentence, because an answer
 * may grow without breaking what a caller has generated from the document. What the answers are today is stricter, and the tests
 * hold them to that. A problem is one flat schema: what belongs to a code is in its example and at its own URL, because generators
 * make a class of every branch.
 */
import type { OpenAPIV3_1 } from 'openapi-types';
import type {
  Blocker,
  DeletionBody,
  DeletionJson,
  HealthBody,
  HistoryBody,
  PreviewBody,
  ReadinessBody,
} from '../worker/deletions/bodies.ts';
import { REQUEST_ID } from '../worker/http/query.ts';
import { IMAGE_ID } from '../worker/image-id.ts';
import { FAILURE_OUTCOMES, ROW_OUTCOMES, SUCCESS_OUTCOMES } from '../worker/outcome.ts';
import type { DeletedBefore, Upstream } from '../worker/problems/facts.ts';
import { type Explanation, PROBLEM_CODES, PROBLEMS, type ProblemCode } from '../worker/problems/failure.ts';
import { MAX_INSTANCE_CHARS, type ProblemBody } from '../worker/problems/problem.ts';
import { SCOPES } from '../worker/scope.ts';

/** The body of every answer, and the parts of those, by the names that they have in the document. */
export interface Bodies {
  readonly Image: PreviewBody;
  readonly Blocker: Blocker;
  readonly Deletion: DeletionBody;
  readonly HistoryPage: HistoryBody;
  readonly HistoryRow: DeletionJson;
  readonly Health: HealthBody;
  readonly Readiness: ReadinessBody;
  readonly Explanation: Explanation;
  readonly Problem: ProblemBody;
  readonly ProblemCode: ProblemCode;
  readonly Upstream: Upstream;
  readonly DeletedBefore: DeletedBefore;
}

export type Schema = OpenAPIV3_1.SchemaObject;
type SchemaOrReference = Schema | OpenAPIV3_1.ReferenceObject;

type OptionalKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];

/** The schema of an object that has the members of `T`. */
function object<T>(
  properties: { readonly [K in keyof T]-?: SchemaOrReference },
  optional: readonly OptionalKeys<T>[] = [],
): Schema {
  const isOptional = (name: string) => optional.some((known) => known === name);
  return { type: 'object', required: Object.keys(properties).filter((name) => !isOptional(name)), properties };
}

/** A reference to a named schema. */
export function schema(name: keyof Bodies, description?: string): OpenAPIV3_1.ReferenceObject {
  return { $ref: `#/components/schemas/${name}`, ...(description && { description }) };
}

const oneOf = (values: readonly string[], description?: string): Schema => ({
  type: 'string',
  enum: [...values],
  ...(description && { description }),
});
const nullable = (type: 'string' | 'integer' | 'boolean', description?: string): Schema => ({
  type: [type, 'null'],
  ...(description && { description }),
});
const described = (description: string): Schema => ({ type: 'string', description });
const text: Schema = { type: 'string' };
const dateTime: Schema = { type: 'string', format: 'date-time' };
const maybeDateTime = (description: string): Schema => ({ ...nullable('string', description), format: 'date-time' });
export const imageIdSchema = { type: 'string', pattern: IMAGE_ID.source } satisfies Schema;
const requestId: Schema = {
  type: 'string',
  pattern: REQUEST_ID.source,
  description: 'The X-Request-Id of the request.',
};
const upstreamRequestId = nullable('string', "Baidu's id of the last call to it.");
const CONFIRMED = 'true: Baidu said so. false: the image was gone after an attempt whose effect is unknown.';
const KEY_FINGERPRINT =
  "Of the gateway's Baidu key: the first 8 hex digits of the SHA-256 of its id. Not of the caller's key, which the log calls caller.key.fingerprint.";

const problem = object<ProblemBody>(
  {
    type: { type: 'string', format: 'uri-reference', description: 'Where the code is explained.' },
    title: described('The code in words.'),
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', minLength: 1, description: 'This occurrence in a sentence.' },
    instance: { type: 'string', pattern: '^/', maxLength: MAX_INSTANCE_CHARS, description: 'The path of the request.' },
    code: schema('ProblemCode'),
    outcome: oneOf(
      FAILURE_OUTCOMES,
      'not_attempted: no deletion was sent to Baidu. rejected: Baidu refused, and nothing changed. already_absent: Baidu has no such image. unknown: a deletion was sent, and its effect is not known yet.',
    ),
    retryable: {
      type: 'boolean',
      description: 'Never true if the outcome is unknown.',
    },
    requestId,
    upstream: schema('Upstream', "Baidu's last answer, if one came."),
    deletedBefore: schema('DeletedBefore', 'The last deletion of an image that is absent.'),
    deletion: {
      type: 'string',
      format: 'uri-reference',
      description:
        'If the outcome is unknown, or if your own deletion of the image is open: where the final outcome will appear.',
    },
    problems: { type: 'array', items: text, description: 'Of /readyz only: the faults of the configuration.' },
  },
  ['upstream', 'deletedBefore', 'deletion', 'problems'],
);

/** The named schemas of the document. */
export const schemas: { readonly [N in keyof Bodies]: Schema } = {
  Image: object<PreviewBody>({
    id: imageIdSchema,
    name: text,
    type: text,
    status: text,
    desc: nullable('string'),
    osName: nullable('string'),
    osVersion: nullable('string'),
    createTime: nullable('string'),
    sharedWith: nullable('integer', 'With how many accounts the image is shared; null if not known.'),
    deletable: nullable(
      'boolean',
      'null: it is not known whether the image is shared, and nothing else stands in the way.',
    ),
    blockers: { type: 'array', items: schema('Blocker') },
    requestId,
    upstreamRequestId,
  }),
  Blocker: object<Blocker>({ code: schema('ProblemCode'), detail: text }),
  Deletion: object<DeletionBody>({
    id: imageIdSchema,
    outcome: oneOf(SUCCESS_OUTCOMES),
    confirmed: { type: 'boolean', description: CONFIRMED },
    requestId,
    upstreamRequestId,
  }),
  HistoryPage: object<HistoryBody>({ deletions: { type: 'array', items: schema('HistoryRow') } }),
  HistoryRow: object<DeletionJson>({
    requestId,
    caller: text,
    subject: nullable('string', "Of the caller's token."),
    imageId: text,
    imageName: nullable('string'),
    reservedAt: dateTime,
    settledAt: maybeDateTime('When the request reported its outcome.'),
    resolvedAt: maybeDateTime('When a check of the image, or a later deletion of it, decided an unknown outcome.'),
    outcome: oneOf(ROW_OUTCOMES),
    confirmed: nullable('boolean', CONFIRMED),
    verified: nullable(
      'boolean',
      'If the request reported deleted: true if a later check found the image gone, false if it was still there at the last planned check, null if no check has told.',
    ),
    code: nullable('string', 'Of the failure.'),
    attempts: { ...nullable('integer', 'Deletions sent to Baidu.'), minimum: 0, maximum: 2 },
    upstreamRequestId,
    keyFingerprint: described(KEY_FINGERPRINT),
  }),
  Health: object<HealthBody>({ status: oneOf(['ok']) }),
  Readiness: object<ReadinessBody>({
    status: oneOf(['ready']),
    caller: described('Who asks.'),
    scopes: { type: 'array', items: oneOf(SCOPES), description: 'What the caller may.' },
    keyFingerprint: described(KEY_FINGERPRINT),
    credentialAccepted: nullable('boolean', 'true: Baidu accepts the key. null: it was not asked.'),
    control: {
      ...nullable(
        'string',
        'Whether Baidu has the first image of PROTECTED_IMAGES. found: key, account and region are correct. null: Baidu was not asked, no image is configured, or it could not be read.',
      ),
      enum: ['found', 'absent', null],
    },
  }),
  Explanation: object<Explanation>({
    code: schema('ProblemCode'),
    status: { type: 'integer' },
    outcomes: { type: 'array', items: oneOf(FAILURE_OUTCOMES) },
    retryable: { type: 'boolean' },
    title: text,
    explanation: text,
  }),
  Problem: problem,
  ProblemCode: {
    ...oneOf(PROBLEM_CODES, 'A later version may have more codes.'),
    // Generators that know this extension document each value.
    ...{ 'x-enum-descriptions': PROBLEM_CODES.map((code) => PROBLEMS[code].title) },
  },
  Upstream: object<Upstream>({
    status: { type: 'integer' },
    code: nullable('string'),
    requestId: nullable('string'),
  }),
  DeletedBefore: object<DeletedBefore>({
    at: dateTime,
    requestId: nullable('string', "null if it was another caller's."),
  }),
};
