/**
 * Defines the body of every response once: schemas for the document, guards for the client. Types and their documentation are in
 * `src/worker`, and the compiler checks each shape against its type.
 *
 * Promises: a problem is one flat object, because generators make a class of every branch. Never: forbids further members or fixes a
 * sentence, because responses may grow without breaking generated clients. Today's responses are stricter, and tests check that.
 */
import type {
  Blocker,
  DeletionBody,
  DeletionJson,
  HealthBody,
  HistoryBody,
  PreviewBody,
  ReadinessBody,
} from '../worker/deletions/bodies.ts';
import { IMAGE_ID } from '../worker/image-id.ts';
import { FAILURE_OUTCOMES, ROW_OUTCOMES, SUCCESS_OUTCOMES } from '../worker/outcome.ts';
import { type DeletedBefore, MAX_INSTANCE_CHARS, type Upstream } from '../worker/problems/facts.ts';
import type { Explanation, ProblemCode } from '../worker/problems/failure.ts';
import type { ProblemBody } from '../worker/problems/problem.ts';
import { REQUEST_ID } from '../worker/request-id.ts';
import { SCOPES } from '../worker/scope.ts';
import {
  body,
  boolean,
  dateTime,
  described,
  integer,
  list,
  named,
  nullable,
  oneOf,
  openSet,
  optional,
  type Shape,
  text,
} from './shape.ts';

export const imageIdSchema = { type: 'string', pattern: IMAGE_ID.source } as const;
const imageId: Shape<string> = { ...text, schema: imageIdSchema };
const requestId = described(text, 'The X-Request-Id of the request.', { pattern: REQUEST_ID.source });
const upstreamRequestId = described(nullable(text), "Baidu's id of the last call.");
const KEY_FINGERPRINT =
  "Of the gateway's Baidu key: the first 8 hex digits of the SHA-256 of its id. Not of the caller's key, whose fingerprint is only in the log, as caller.key.fingerprint.";
const CONFIRMED =
  'true: Baidu confirmed it. false: inferred, from a later absence or from a 404 whose code is not on the list.';

/** `schemas.ts` adds today's codes, which only the document needs. */
const problemCode = named('ProblemCode', openSet<ProblemCode>([], /^[a-z][a-z_]{0,63}$/));

const blocker = body<Blocker>('Blocker', { code: problemCode, detail: text });

const historyRow = body<DeletionJson>('HistoryRow', {
  requestId,
  caller: text,
  subject: described(nullable(text), "The subject of the caller's token."),
  imageId: text,
  imageName: nullable(text),
  reservedAt: dateTime,
  settledAt: described(nullable(dateTime), 'When the request reported its outcome.'),
  resolvedAt: described(
    nullable(dateTime),
    'When a check or a later deletion of the image decided the unknown outcome.',
  ),
  outcome: oneOf(ROW_OUTCOMES),
  confirmed: described(nullable(boolean), CONFIRMED),
  verified: described(
    nullable(boolean),
    'true: a later check found the image gone. false: the last planned check still found it. null: no check was made or conclusive.',
  ),
  code: described(nullable(text), 'The problem code of the failure.'),
  attempts: described(nullable(integer), 'Deletions sent to Baidu.', { minimum: 0, maximum: 2 }),
  upstreamRequestId,
  keyFingerprint: described(text, KEY_FINGERPRINT),
});

const upstream = body<Upstream>('Upstream', { status: integer, code: nullable(text), requestId: nullable(text) });

const deletedBefore = body<DeletedBefore>('DeletedBefore', {
  at: dateTime,
  requestId: described(nullable(text), "null if it was another caller's."),
});

/** By their names in the document. */
export const BODIES = {
  Image: body<PreviewBody>('Image', {
    id: imageId,
    name: text,
    type: text,
    status: text,
    desc: nullable(text),
    osName: nullable(text),
    osVersion: nullable(text),
    createTime: nullable(text),
    sharedWith: described(nullable(integer), 'How many accounts the image is shared with; null if not known.'),
    deletable: described(
      nullable(boolean),
      'null: it is not known whether the image is shared, and there is no other blocker.',
    ),
    blockers: list(blocker),
    requestId,
    upstreamRequestId,
  }),
  Blocker: blocker,
  Deletion: body<DeletionBody>('Deletion', {
    id: imageId,
    outcome: oneOf(SUCCESS_OUTCOMES),
    confirmed: described(boolean, CONFIRMED),
    requestId,
    upstreamRequestId,
  }),
  HistoryPage: body<HistoryBody>('HistoryPage', { deletions: list(historyRow) }),
  HistoryRow: historyRow,
  Health: body<HealthBody>('Health', { status: oneOf(['ok']) }),
  Readiness: body<ReadinessBody>('Readiness', {
    status: oneOf(['ready']),
    caller: described(text, 'The name of the caller.'),
    scopes: described(list(openSet(SCOPES, /^[a-z]+:[a-z]+$/)), 'What the caller may do.'),
    keyFingerprint: described(text, KEY_FINGERPRINT),
    credentialAccepted: described(nullable(boolean), 'true: Baidu accepts the key. null: Baidu was not asked.'),
    control: described(
      nullable(oneOf(['found', 'absent'])),
      'Whether Baidu has the first image of PROTECTED_IMAGES. found: key, account and region are correct. null: Baidu was not asked, no image is configured, or it could not be read.',
    ),
  }),
  Explanation: body<Explanation>('Explanation', {
    code: problemCode,
    status: integer,
    outcomes: list(oneOf(FAILURE_OUTCOMES)),
    retryable: boolean,
    title: text,
    explanation: text,
  }),
  Problem: body<ProblemBody>('Problem', {
    type: described(text, 'The URL that explains the code.', { format: 'uri-reference' }),
    title: described(text, 'The code in words.'),
    status: { ...integer, schema: { type: 'integer', minimum: 400, maximum: 599 } },
    detail: described(text, 'One sentence about this occurrence.', { minLength: 1 }),
    instance: described(text, 'The path of the request.', { pattern: '^/', maxLength: MAX_INSTANCE_CHARS }),
    code: problemCode,
    outcome: described(
      oneOf(FAILURE_OUTCOMES),
      'not_attempted: no deletion was sent to Baidu. rejected: Baidu refused, and nothing changed. already_absent: Baidu has no such image. unknown: a deletion was sent; its effect is not known.',
    ),
    retryable: described(boolean, 'Never true if the outcome is unknown.'),
    requestId,
    upstream: optional(described(upstream, "Baidu's last response, if any arrived.")),
    deletedBefore: optional(described(deletedBefore, 'If the image is absent: its last deletion.')),
    deletion: optional(
      described(
        text,
        'The URL where the final outcome will appear, if the outcome is unknown or your own deletion of the image is open.',
        { format: 'uri-reference' },
      ),
    ),
    problems: optional(described(list(text), 'Only on /readyz: what is wrong with the configuration.')),
  }),
  ProblemCode: problemCode,
  Upstream: upstream,
  DeletedBefore: deletedBefore,
};
