/** The client accepts the gateway's bodies, and nothing else. */
import { describe, expect, it } from 'vitest';
import { readinessIn, rowsIn } from '../../src/client/shapes.ts';
import { BODIES } from '../../src/openapi/bodies.ts';
import { isRecord } from '../../src/worker/json.ts';
import { FAILURE_OUTCOMES, ROW_OUTCOMES, SUCCESS_OUTCOMES } from '../../src/worker/outcome.ts';
import { PROBLEM_CODES } from '../../src/worker/problems/failure.ts';

type Body = Readonly<Record<string, unknown>>;

const DELETION: Body = {
  id: 'm-custom01',
  outcome: 'deleted',
  confirmed: true,
  requestId: 'r',
  upstreamRequestId: 'u',
};
const PREVIEW: Body = {
  id: 'm-custom01',
  name: 'ci-1',
  type: 'Custom',
  status: 'Available',
  desc: '',
  osName: 'Ubuntu',
  osVersion: '22.04',
  createTime: '2026-11-02T06:17:03Z',
  sharedWith: 0,
  deletable: true,
  blockers: [{ code: 'image_shared', detail: 'Stop sharing it.' }],
  requestId: 'r',
  upstreamRequestId: 'u',
};
const ROW: Body = {
  requestId: 'r',
  caller: 'cleaner',
  subject: 'someone',
  imageId: 'm-custom01',
  imageName: 'ci-1',
  reservedAt: '2026-11-25T08:00:00.000Z',
  settledAt: '2026-11-25T08:00:01.000Z',
  resolvedAt: '2026-11-25T08:00:45.000Z',
  outcome: 'deleted',
  confirmed: true,
  verified: true,
  code: 'upstream_timeout',
  attempts: 2,
  upstreamRequestId: 'u',
  keyFingerprint: '9ae8a8b2',
};
const READINESS: Body = {
  status: 'ready',
  caller: 'cleaner',
  scopes: ['images:delete'],
  keyFingerprint: '9ae8a8b2',
  credentialAccepted: true,
  control: 'found',
};
const PROBLEM: Body = {
  type: 'https://gateway.test/problems/image_shared',
  title: 'The image is shared with other accounts',
  status: 409,
  detail: 'Stop sharing it.',
  instance: '/images/m-custom01',
  code: 'image_shared',
  outcome: 'rejected',
  retryable: false,
  requestId: 'r',
  upstream: { status: 409, code: null, requestId: 'u' },
  deletedBefore: { at: '2026-11-25T08:00:00.000Z', requestId: null },
  deletion: 'https://gateway.test/deletions?requestId=r',
  problems: ['CALLERS is missing'],
};
const isHistory = (page: unknown) => rowsIn(page) !== null;
const isRow = (row: unknown) => isHistory({ deletions: [row] });
const isReadiness = (body: unknown) => readinessIn(body) !== null;
const isDeletion = BODIES.Deletion.is;
const isProblem = BODIES.Problem.is;
const isCode = BODIES.ProblemCode.is;

function allowsNull(schema: unknown): boolean {
  return isRecord(schema) && Array.isArray(schema['type']) && schema['type'].includes('null');
}

/** Members that the bodies of 1.0.0 lack. */
const SINCE_1_0_0: readonly string[] = ['HistoryRow.verified', 'Readiness.control'];

/** Values of every JSON type. */
const VALUES = ['text', 7, true, null, [], {}, [7], { x: 7 }];
const NOT_OBJECTS = [undefined, null, 'text', 7, true, [], [DELETION]];

describe.each<[keyof typeof BODIES, (value: unknown) => boolean, Body]>([
  ['Deletion', isDeletion, DELETION],
  ['Image', BODIES.Image.is, PREVIEW],
  ['HistoryRow', isRow, ROW],
  ['Readiness', isReadiness, READINESS],
  ['Problem', isProblem, PROBLEM],
])('a body %s', (name, is, body) => {
  const { definition } = BODIES[name];
  const required = Array.isArray(definition['required']) ? definition['required'] : [];
  const properties = isRecord(definition['properties']) ? definition['properties'] : {};

  it('is accepted, with or without members that a newer gateway may add', () => {
    expect(is(body)).toBe(true);
    expect(is({ ...body, color: 'red' })).toBe(true);
    expect(Object.keys(body).sort()).toEqual(Object.keys(properties).sort());
  });

  it('needs exactly the members that the schema requires and a 1.0.0 gateway sends', () => {
    for (const member of Object.keys(body)) {
      const { [member]: _left, ...rest } = body;
      const isNew = SINCE_1_0_0.includes(`${name}.${member}`);
      expect(is(rest), `without ${member}`).toBe(!required.includes(member) || isNew);
    }
  });

  it('takes only members of the correct type', () => {
    for (const [name, value] of Object.entries(body)) {
      for (const other of VALUES) {
        // Another string or number may be just as valid.
        if (typeof other !== 'object' && typeof other === typeof value) continue;
        const isNull = other === null && allowsNull(properties[name]);
        const isEmptyList = Array.isArray(value) && Array.isArray(other) && other.length === 0;
        expect(is({ ...body, [name]: other }), `${name}: ${JSON.stringify(other)}`).toBe(isNull || isEmptyList);
      }
    }
  });

  it('is not anything else', () => {
    for (const other of NOT_OBJECTS) expect(is(other)).toBe(false);
  });
});

describe('a history', () => {
  it('has any number of valid rows', () => {
    expect(isHistory({ deletions: [] })).toBe(true);
    expect(isHistory({ deletions: [ROW, ROW] })).toBe(true);
    expect(isHistory({ deletions: [ROW, DELETION] })).toBe(false);
    expect(isHistory({ deletions: ROW })).toBe(false);
    expect(isHistory([])).toBe(false);
  });

  it('has no row without a valid time', () => {
    expect(isRow({ ...ROW, reservedAt: 'yesterday' })).toBe(false);
  });
});

describe('the closed words', () => {
  it('are those of the gateway', () => {
    for (const control of ['found', 'absent', null]) expect(isReadiness({ ...READINESS, control })).toBe(true);
    for (const control of ['lost', '']) expect(isReadiness({ ...READINESS, control })).toBe(false);
    for (const outcome of ROW_OUTCOMES) {
      expect(isRow({ ...ROW, outcome })).toBe(true);
      expect(isDeletion({ ...DELETION, outcome })).toBe(SUCCESS_OUTCOMES.some((known) => known === outcome));
      expect(isProblem({ ...PROBLEM, outcome })).toBe(FAILURE_OUTCOMES.some((known) => known === outcome));
    }
    for (const outcome of ['toString', 'Deleted', '']) {
      expect([
        isRow({ ...ROW, outcome }),
        isDeletion({ ...DELETION, outcome }),
        isProblem({ ...PROBLEM, outcome }),
      ]).toEqual([false, false, false]);
    }
  });
});

describe('a code', () => {
  it("is any of the gateway's, or one that a newer gateway may add", () => {
    for (const code of [...PROBLEM_CODES, 'identity_unavailable']) expect(isCode(code)).toBe(true);
    for (const other of ['', 'Image.X', 'two words', '<b>', '_', 7, null]) expect(isCode(other)).toBe(false);
  });
});
