/**
 * Whether something has the shape of one of the gateway's bodies.
 *
 * Promises: every member is checked, and a new member of a body does not compile until it is checked here; members that are not
 * known are left alone, because a newer gateway may have them.
 */
import type { Blocker, DeletionBody, DeletionJson, PreviewBody, ReadinessBody } from '../worker/deletions/bodies.ts';
import { isRecord } from '../worker/json.ts';
import type { FailureOutcome, RowOutcome, SuccessOutcome } from '../worker/outcome.ts';
import type { DeletedBefore, Upstream } from '../worker/problems/facts.ts';
import type { ProblemCode } from '../worker/problems/failure.ts';
import type { ProblemBody } from '../worker/problems/problem.ts';

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const isBoolean: Check = (value) => typeof value === 'boolean';
const nullable =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

/** One of the words, all of which must be named. */
function word<W extends string>(words: Readonly<Record<W, true>>): Check {
  return (value) => typeof value === 'string' && Object.hasOwn(words, value);
}

/** An object with these members, all of which must be named. */
function shape<T>(members: { readonly [K in keyof T]-?: Check } & Readonly<Record<string, Check>>) {
  return (value: unknown): value is T =>
    isRecord(value) && Object.entries<Check>(members).every(([name, check]) => check(value[name]));
}

/** Only the form is checked, because a newer gateway may have more codes. Nothing that the client does depends on a code. */
export function isCode(value: unknown): value is ProblemCode {
  return typeof value === 'string' && /^[a-z][a-z_]{0,63}$/.test(value);
}

export const isDeletion = shape<DeletionBody>({
  id: isText,
  outcome: word<SuccessOutcome>({ deleted: true, already_absent: true }),
  confirmed: isBoolean,
  requestId: isText,
  upstreamRequestId: nullable(isText),
});

export const isPreview = shape<PreviewBody>({
  id: isText,
  name: isText,
  type: isText,
  status: isText,
  desc: nullable(isText),
  osName: nullable(isText),
  osVersion: nullable(isText),
  createTime: nullable(isText),
  sharedWith: nullable(isNumber),
  deletable: nullable(isBoolean),
  blockers: listOf(shape<Blocker>({ code: isCode, detail: isText })),
  requestId: isText,
  upstreamRequestId: nullable(isText),
});

/** A gateway of 1.0.0 leaves these members out. */
type Older<T, K extends keyof T> = Omit<T, K> & { readonly [N in K]?: T[N] | undefined };

const isRow = shape<Older<DeletionJson, 'verified'>>({
  requestId: isText,
  caller: isText,
  subject: nullable(isText),
  imageId: isText,
  imageName: nullable(isText),
  reservedAt: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
  settledAt: nullable(isText),
  resolvedAt: nullable(isText),
  outcome: word<RowOutcome>({
    deleted: true,
    already_absent: true,
    rejected: true,
    not_attempted: true,
    not_deleted: true,
    unknown: true,
  }),
  confirmed: nullable(isBoolean),
  verified: optional(nullable(isBoolean)),
  code: nullable(isText),
  attempts: nullable(isNumber),
  upstreamRequestId: nullable(isText),
  keyFingerprint: isText,
});

/** A row may lack `verified`, which the client makes `null`. */
export const isHistory = shape<{ readonly deletions: readonly Older<DeletionJson, 'verified'>[] }>({
  deletions: listOf(isRow),
});

export const isReadiness = shape<Older<ReadinessBody, 'control'>>({
  status: word<'ready'>({ ready: true }),
  caller: isText,
  scopes: listOf(isText),
  keyFingerprint: isText,
  credentialAccepted: nullable(isBoolean),
  control: optional(nullable(word<'found' | 'absent'>({ found: true, absent: true }))),
});

export const isProblem = shape<ProblemBody>({
  type: isText,
  title: isText,
  status: isNumber,
  detail: isText,
  instance: isText,
  code: isCode,
  outcome: word<FailureOutcome>({ not_attempted: true, rejected: true, already_absent: true, unknown: true }),
  retryable: isBoolean,
  requestId: isText,
  upstream: optional(shape<Upstream>({ status: isNumber, code: nullable(isText), requestId: nullable(isText) })),
  deletedBefore: optional(shape<DeletedBefore>({ at: isText, requestId: nullable(isText) })),
  deletion: optional(isText),
  problems: optional(listOf(isText)),
});
