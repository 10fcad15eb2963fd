/** Deletions from the request to the answer. Each answer is compared with the audit record and with what reached Baidu. */
import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/worker/config.ts';
import { createGateway } from '../../../src/worker/create-gateway.ts';
import { deleteImage } from '../../../src/worker/deletions/deletion.ts';
import { isImageId } from '../../../src/worker/image-id.ts';
import { platformRuntime } from '../../../src/worker/platform.ts';
import { HOUR_MS } from '../../../src/worker/time.ts';
import { FAULTS, type FaultName, failure } from '../../emulator/emulator.ts';
import { ANSWERS, checkOf, idOf, KEYS } from '../../fixtures.ts';
import {
  bearer,
  codesOf,
  createHarness,
  type ExpectedDeletion,
  expectDeletion,
  freshLedgers,
  historyPage,
  previewOf,
  problemOf,
  storeIn,
  validEnv,
} from '../../harness.ts';

const { deleted, failed, rejectedCredentials, throttled, timedOut, unexpected } = ANSWERS;

const absent = { status: 404, code: 'image_not_found', outcome: 'already_absent' };
const shared = { status: 409, code: 'image_shared', outcome: 'rejected' };

describe('deleting an image', () => {
  const states: [string, string, ExpectedDeletion][] = [
    ['custom and available', 'm-custom01', { ...deleted, calls: 1 }],
    ['custom, although its creation failed,', 'm-failed01', { ...deleted, calls: 1 }],
    ['absent', 'm-absent01', { ...absent, calls: 1 }],
    [
      'absent, with allowMissing=true,',
      'm-absent01?allowMissing=true',
      { ...deleted, outcome: 'already_absent', calls: 1 },
    ],
    [
      'absent, with allowMissing=false,',
      'm-absent01?allowMissing=false',
      { status: 404, code: 'image_not_found', outcome: 'already_absent', calls: 1 },
    ],
    ['a system image', 'm-system01', { status: 403, code: 'image_not_custom', outcome: 'rejected', calls: 1 }],
    [
      'a service-integration image',
      'm-integr01',
      { status: 403, code: 'image_not_custom', outcome: 'rejected', calls: 1 },
    ],
    ['being created', 'm-create01', { status: 409, code: 'image_creating', outcome: 'rejected', calls: 1 }],
    ['shared with another account', 'm-shared01', { status: 409, code: 'image_shared', outcome: 'rejected', calls: 1 }],
  ];

  const cases = states.map(([state, id, expected]) => ({ state, id, expected }));
  it.each(cases)('that is $state gives $expected.status $expected.outcome', async ({ id, expected }) => {
    const harness = createHarness();
    const before = new Set(harness.emulator.images.keys());
    const body = await expectDeletion(harness, `/images/${id}`, expected);
    const gone = [...before].filter((known) => !harness.emulator.images.has(known));
    expect(gone).toEqual(expected.outcome === 'deleted' ? [id] : []);
    expect(JSON.stringify(body)).toContain('equestId');
  });
});

/** The image is gone after an attempt with an unknown effect. */
const inferred = { ...deleted, confirmed: false };

/** The result if only the first attempt meets the fault. */
const ONCE: Record<FaultName, ExpectedDeletion> = {
  slow: { ...deleted, calls: 2 },
  hang: { ...deleted, calls: 2 },
  hang_after: { ...inferred, calls: 2 },
  drop_before: { ...deleted, calls: 2 },
  drop_after: { ...inferred, calls: 2 },
  drop_and_later: { ...deleted, calls: 2 },
  html_502: { ...deleted, calls: 2 },
  html_502_after: { ...inferred, calls: 2 },
  html_200: { ...unexpected, outcome: 'unknown', calls: 1 },
  html_404: { ...unexpected, outcome: 'rejected', calls: 1 },
  internal_error: { ...deleted, calls: 2 },
  internal_error_after: { ...inferred, calls: 2 },
  accepted_202: { ...unexpected, outcome: 'unknown', calls: 1 },
  bare_200: { ...unexpected, outcome: 'unknown', calls: 1 },
  bare_200_after: { ...unexpected, outcome: 'unknown', calls: 1 },
  request_timeout_408: { ...deleted, calls: 2 },
  request_timeout_408_after: { ...inferred, calls: 2 },
  shared_on_502: { ...shared, calls: 1 },
  cut_404: { ...deleted, calls: 2 },
  cut_403: { ...deleted, calls: 2 },
  cut_429: { ...throttled, calls: 1, retryAfter: '10' },
  cut_200: { ...inferred, calls: 2 },
  stalled_404: { ...deleted, calls: 2 },
  stalled_409: { ...deleted, calls: 2 },
  stalled_200: { ...inferred, calls: 2 },
  half_json_500: { ...deleted, calls: 2 },
  half_json_409: { ...unexpected, outcome: 'rejected', calls: 1 },
  half_json_200: { ...unexpected, outcome: 'unknown', calls: 1 },
  nothing_500: { ...deleted, calls: 2 },
  nothing_404: { ...unexpected, outcome: 'rejected', calls: 1 },
  megabyte_200: { ...unexpected, outcome: 'unknown', calls: 1 },
  megabyte_500: { ...deleted, calls: 2 },
  redirect: { ...unexpected, outcome: 'unknown', calls: 1 },
  throttled: { ...deleted, calls: 2 },
  throttled_long: { ...throttled, calls: 1, retryAfter: '120' },
  unavailable: { ...deleted, calls: 2 },
  unavailable_long: { ...failed, calls: 1, retryAfter: '120' },
  iam_signature_invalid: { ...rejectedCredentials, calls: 1 },
  error_code_on_200: { ...unexpected, outcome: 'unknown', calls: 1 },
  unauthorized: { ...rejectedCredentials, calls: 1 },
  throttled_504_after: { ...inferred, calls: 2 },
  in_use: { ...unexpected, outcome: 'rejected', calls: 1 },
  user_unknown: { ...unexpected, outcome: 'rejected', calls: 1 },
  account_unknown: { ...unexpected, outcome: 'rejected', calls: 1 },
  region_unknown: { ...unexpected, outcome: 'rejected', calls: 1 },
  undocumented_code: { ...unexpected, outcome: 'rejected', calls: 1 },
  unseen_404: { ...absent, calls: 1 },
  route_unknown: { ...unexpected, outcome: 'rejected', calls: 1 },
  version_unknown: { ...unexpected, outcome: 'rejected', calls: 1 },
};

/** The result if both attempts meet the fault. Faults without a second attempt are left out. */
const TWICE: Partial<Record<FaultName, ExpectedDeletion>> = {
  slow: { ...timedOut, calls: 2 },
  hang: { ...timedOut, calls: 2 },
  hang_after: { ...timedOut, calls: 2 },
  drop_before: { ...failed, calls: 2 },
  drop_after: { ...failed, calls: 2 },
  drop_and_later: { ...failed, calls: 2 },
  html_502: { ...failed, calls: 2 },
  html_502_after: { ...failed, calls: 2 },
  internal_error: { ...failed, calls: 2 },
  internal_error_after: { ...failed, calls: 2 },
  request_timeout_408: { ...failed, calls: 2 },
  request_timeout_408_after: { ...failed, calls: 2 },
  cut_404: { ...unexpected, outcome: 'rejected', calls: 2 },
  cut_403: { ...unexpected, outcome: 'rejected', calls: 2 },
  cut_200: { ...failed, calls: 2 },
  stalled_404: { ...unexpected, outcome: 'rejected', calls: 2 },
  stalled_409: { ...unexpected, outcome: 'rejected', calls: 2 },
  stalled_200: { ...timedOut, calls: 2 },
  half_json_500: { ...failed, calls: 2 },
  nothing_500: { ...failed, calls: 2 },
  megabyte_500: { ...failed, calls: 2 },
  throttled: { ...throttled, calls: 2, retryAfter: '1' },
  unavailable: { ...failed, calls: 2, retryAfter: '1' },
  throttled_504_after: { ...failed, calls: 2 },
};

const faultNames = Object.keys(FAULTS).filter((name): name is FaultName => name in ONCE);

describe('a deletion that meets the fault', () => {
  const once = faultNames.map((name) => ({ name, ...ONCE[name] }));
  it.each(once)('$name once gives $status $outcome', async ({ name }) => {
    const harness = createHarness();
    harness.emulator.misbehave(name);
    await expectDeletion(harness, '/images/m-custom01', ONCE[name]);
    if (ONCE[name].outcome === 'deleted') expect(harness.emulator.images.has('m-custom01')).toBe(false);
    if (ONCE[name].outcome === 'rejected') expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });

  const twice = Object.entries(TWICE).map(([name, expected]) => ({ name, expected }));
  it.each(twice)('$name twice gives $expected.status $expected.outcome', async ({ name, expected }) => {
    const harness = createHarness();
    for (const known of faultNames) if (known === name) harness.emulator.misbehave(known, known);
    await expectDeletion(harness, '/images/m-custom01', expected);
  });
});

describe('every fault of the emulator', () => {
  it('has a case here', () => {
    expect(faultNames).toHaveLength(Object.keys(FAULTS).length);
    expect(Object.keys(TWICE)).toEqual(faultNames.filter((name) => ONCE[name].calls === 2));
  });
});

describe('two attempts that disagree', () => {
  const pairs: [FaultName, FaultName | string, ExpectedDeletion][] = [
    // The first attempt may have deleted the image, and the second answer says nothing about the image.
    ['drop_after', 'iam_signature_invalid', { ...rejectedCredentials, outcome: 'unknown', calls: 2 }],
    ['drop_after', 'throttled_long', { ...throttled, outcome: 'unknown', calls: 2, retryAfter: '120' }],
    ['drop_before', 'undocumented_code', { ...unexpected, outcome: 'unknown', calls: 2 }],
    ['drop_before', 'unseen_404', { ...unexpected, outcome: 'unknown', calls: 2 }],
    ['hang', 'drop_before', { ...failed, calls: 2 }],
    ['drop_before', 'hang', { ...timedOut, calls: 2 }],
    ['internal_error', 'iam_signature_invalid', { ...rejectedCredentials, outcome: 'unknown', calls: 2 }],
    ['unavailable', 'undocumented_code', { ...unexpected, outcome: 'unknown', calls: 2 }],
    // The first attempt was refused, so only the second answer counts.
    ['throttled', 'iam_signature_invalid', { ...rejectedCredentials, calls: 2 }],
    ['throttled', 'redirect', { ...unexpected, outcome: 'unknown', calls: 2 }],
    ['cut_404', 'undocumented_code', { ...unexpected, outcome: 'rejected', calls: 2 }],
    ['stalled_409', 'throttled_long', { ...throttled, calls: 2, retryAfter: '120' }],
    // The second attempt may have deleted the image, whatever the first did.
    ['cut_403', 'bare_200_after', { ...unexpected, outcome: 'unknown', calls: 2 }],
  ];
  const cases = pairs.map(([first, second, expected]) => ({ first, second, expected }));
  const title = 'give $expected.status $expected.outcome after $first and then $second';
  it.each(cases)(title, async ({ first, second, expected }) => {
    const harness = createHarness();
    for (const name of [first, second])
      for (const known of faultNames) if (known === name) harness.emulator.misbehave(known);
    await expectDeletion(harness, '/images/m-custom01', expected);
  });

  it.each([
    ['m-system01', 'image_not_custom'],
    ['m-create01', 'image_creating'],
    ['m-shared01', 'image_shared'],
  ])(
    'give unknown if the first answer is lost and the second refuses %s, because the first attempt may still take effect',
    async (id, code) => {
      const harness = createHarness();
      harness.emulator.misbehave('drop_before');
      const response = await harness.call('DELETE', `/images/${id}`);
      expect(await problemOf(response)).toMatchObject({ code, outcome: 'unknown', retryable: false });
    },
  );

  it('do not count a 404 as our own deletion if the first attempt was refused', async () => {
    const harness = createHarness();
    harness.emulator.misbehave('throttled');
    await expectDeletion(harness, '/images/m-absent01', {
      status: 404,
      code: 'image_not_found',
      outcome: 'already_absent',
      calls: 2,
    });
  });
});

describe('a deletion that Baidu answers with', () => {
  /** Every error that Baidu documents or has been seen to send. */
  const errors: [string, number, Omit<ExpectedDeletion, 'calls'> & { calls?: number }][] = [
    ['AccessDenied', 403, rejectedCredentials],
    ['InvalidAccessKeyId', 403, rejectedCredentials],
    ['InvalidHTTPAuthHeader', 400, rejectedCredentials],
    ['SignatureDoesNotMatch', 400, rejectedCredentials],
    ['OptInRequired', 403, rejectedCredentials],
    ['QualifyNotPass', 403, rejectedCredentials],
    ['AuthError', 401, rejectedCredentials],
    ['IamSignatureInvalid', 403, rejectedCredentials],
    ['IamSignatureInvalid', 401, rejectedCredentials],
    ['IamSignatureInvalid', 500, { ...failed, calls: 2 }],
    ['NoSuchObject', 500, { ...failed, calls: 2 }],
    ['Image.ImageHasBeenSharedToOthers', 503, shared],
    ['NoSuchObject', 302, { ...unexpected, outcome: 'unknown' }],
    ['Http400', 400, { ...unexpected, outcome: 'rejected' }],
    ['IamAuthorizationFailed', 403, rejectedCredentials],
    ['Image.UnCustomImageCannotBeDeleted', 403, { status: 403, code: 'image_not_custom', outcome: 'rejected' }],
    ['Image.CreatingImageCannotBeDeleted', 409, { status: 409, code: 'image_creating', outcome: 'rejected' }],
    ['Image.ImageHasBeenSharedToOthers', 409, shared],
    ['NoSuchObject', 404, absent],
    ['Image.ImageNotFound', 404, absent],
    ['IMAGE_NOT_FOUND', 404, absent],
    ['NoSuchObject', 400, { ...unexpected, outcome: 'rejected' }],
    ['InvalidVersion', 404, { ...unexpected, outcome: 'rejected' }],
    ['ResourceNotFound', 404, { ...unexpected, outcome: 'rejected' }],
    ['UserNotExist', 404, { ...unexpected, outcome: 'rejected' }],
    ['RegionNotFound', 404, { ...unexpected, outcome: 'rejected' }],
    ['IMAGE_INUSE', 409, { ...unexpected, outcome: 'rejected' }],
    ['InvalidURI', 400, { ...unexpected, outcome: 'rejected' }],
    ['BadRequest', 400, { ...unexpected, outcome: 'rejected' }],
    ['InappropriateJSON', 400, { ...unexpected, outcome: 'rejected' }],
    ['MalformedJSON', 400, { ...unexpected, outcome: 'rejected' }],
    ['InvalidHTTPRequest', 400, { ...unexpected, outcome: 'rejected' }],
    ['PreconditionFailed', 412, { ...unexpected, outcome: 'rejected' }],
    ['IdempotentParameterMismatch', 403, { ...unexpected, outcome: 'rejected' }],
    ['Image.ImageQuotaExceedLimit', 413, { ...unexpected, outcome: 'rejected' }],
    ['InternalError', 500, { ...failed, calls: 2 }],
    ['InternalError', 400, { ...unexpected, outcome: 'rejected' }],
    ['ServiceInternalError', 500, { ...failed, calls: 2 }],
    ['NotImplemented', 501, failed],
    ['RequestThrottled', 400, { ...throttled, retryAfter: '10' }],
    ['RequestThrottled', 503, { ...failed, calls: 2 }],
    ['BackendRequestLimitWaitTimeout', 504, { ...failed, calls: 2 }],
    ['SomethingNew', 200, { ...unexpected, outcome: 'unknown' }],
    ['IamSignatureInvalid', 200, { ...unexpected, outcome: 'unknown' }],
    ['AccessDenied', 200, rejectedCredentials],
  ];
  const cases = errors.map(([code, status, expected]) => ({ code, status, expected }));
  it.each(cases)('$code and status $status gives $expected.code, $expected.outcome', async (given) => {
    const { code, status, expected } = given;
    const harness = createHarness({
      fetch: async () => failure(status, code, 'In words.', 'b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50'),
    });
    const body = await expectDeletion(harness, '/images/m-custom01', { calls: 1, ...expected });
    expect(body['upstream']).toEqual({ status, code, requestId: 'b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50' });
    expect(JSON.stringify(body)).not.toContain('In words.');
    expect(harness.lines[0]?.record).toMatchObject({
      'bce.code': code,
      'bce.message': 'In words.',
      'bce.status_code': status,
    });
  });

  it.each([403, 404])('a bare %i and a request id gives the documented error for that status', async (status) => {
    const headers = { 'x-bce-request-id': 'b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50' };
    const harness = createHarness({ fetch: async () => new Response(null, { status, headers }) });
    await expectDeletion(
      harness,
      '/images/m-custom01',
      status === 403
        ? { ...rejectedCredentials, calls: 1 }
        : { status: 404, code: 'image_not_found', outcome: 'already_absent', calls: 1 },
    );
  });
});

describe('an answer', () => {
  const id = { 'x-bce-request-id': 'b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50' };
  const unknown = { ...unexpected, outcome: 'unknown', calls: 1 };
  const broken = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"code":"Im'));
        controller.error(new Error('reset'));
      },
    });

  it.each<[string, BodyInit | null, HeadersInit]>([
    ['a code of an unknown form', '{"code":"Access_Denied","message":"no"}', id],
    ['a code that is a number', '{"code":403,"message":"denied"}', id],
    ['a message alone', '{"success":false,"message":"denied"}', id],
    ['two error codes in one header', null, { ...id, 'x-bce-error-code': 'IamSignatureInvalid, IamSignatureInvalid' }],
    ['an error message in a header', null, { ...id, 'x-bce-error-message': 'no' }],
    ['nothing at all', null, {}],
    ['JSON but no Baidu request id', '{"ok":1}', {}],
    ['an empty object but no Baidu request id', '{}', {}],
    ['a request id only in the body', '{"requestId":"b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50"}', {}],
    ['JSON with more than a request id', '{"requestId":"r","status":"failed"}', id],
    ['the member Code instead of code', '{"Code":"AccessDenied"}', id],
    ['a list', '["deleted"]', id],
    ['HTML and a request id', '<html></html>', id],
    ['bytes that are not text', new Uint8Array([0xff, 0xfe]), id],
  ])('with status 200 and %s does not prove a deletion', async (_what, body, headers) => {
    const harness = createHarness({ fetch: async () => new Response(body, { status: 200, headers }) });
    await expectDeletion(harness, '/images/m-custom01', unknown);
  });

  it.each<[string, BodyInit | null, HeadersInit]>([
    ['its request id', null, id],
    ['an empty object', '{}', id],
    ['its request id as JSON', '{"requestId":"b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50"}', id],
  ])('with status 200 and %s proves a deletion', async (_what, body, headers) => {
    const harness = createHarness({ fetch: async () => new Response(body, { status: 200, headers }) });
    await expectDeletion(harness, '/images/m-custom01', { ...deleted, calls: 1 });
  });

  it('with status 204 proves a deletion only with the request id', async () => {
    for (const headers of [id, {}]) {
      const harness = createHarness({ fetch: async () => new Response(null, { status: 204, headers }) });
      await expectDeletion(harness, '/images/m-custom01', headers === id ? { ...deleted, calls: 1 } : unknown);
    }
  });

  it.each([201, 202, 203, 206, 207, 226])(
    'with status %i proves no deletion, even with the request id',
    async (status) => {
      const harness = createHarness({ fetch: async () => new Response('', { status, headers: id }) });
      await expectDeletion(harness, '/images/m-custom01', unknown);
    },
  );

  it('with status 200 that breaks off counts as lost, so the deletion is tried again and then unknown', async () => {
    const harness = createHarness({ fetch: async () => new Response(broken(), { status: 200, headers: id }) });
    await expectDeletion(harness, '/images/m-custom01', { ...failed, calls: 2 });
  });

  it.each<[string, () => Response]>([
    ['504', () => new Response(null, { status: 504 })],
    ['200 that breaks off', () => new Response(broken(), { status: 200, headers: id })],
  ])('with status %s counts as lost, so a 404 after it means deleted but not confirmed', async (_what, first) => {
    const answers = [first(), failure(404, 'NoSuchObject', 'Gone.', 'r')];
    const harness = createHarness({ fetch: async () => answers.shift() ?? Response.error() });
    expect(await (await harness.call('DELETE', '/images/m-custom01')).json()).toMatchObject({
      outcome: 'deleted',
      confirmed: false,
    });
  });

  it('with status 404 means that the image is absent only if it has nothing but a request id', async () => {
    const answerTo = async (body: object) => {
      const harness = createHarness({ fetch: async () => Response.json(body, { status: 404, headers: id }) });
      return (await problemOf(await harness.call('DELETE', '/images/m-custom01')))['code'];
    };
    expect(await answerTo({ requestId: 'r' })).toBe('image_not_found');
    expect(await answerTo({})).toBe('image_not_found');
    expect(await answerTo({ requestId: 'r', route: 'none' })).toBe('upstream_unexpected');
    expect(await answerTo({ path: '/v2/image' })).toBe('upstream_unexpected');
  });

  it.each<[string, string, HeadersInit]>([
    ['the error of another server', '{"error":"no Route matched with those values"}', id],
    ['a code of an unknown form', '{"code":"ROUTE_NOT_FOUND"}', id],
    ['a request id only in the body', '{"requestId":"b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50"}', {}],
  ])('with status 404 and %s says nothing about the image', async (_what, body, headers) => {
    for (const query of ['', '?allowMissing=true']) {
      const harness = createHarness({ fetch: async () => new Response(body, { status: 404, headers }) });
      const response = await harness.call('DELETE', `/images/m-custom01${query}`);
      expect(await problemOf(response)).toMatchObject({ code: 'upstream_unexpected' });
    }
  });

  it.each<[FaultName, string, boolean]>([
    ['drop_before', 'deleted', false],
    ['hang', 'deleted', false],
    ['html_502', 'deleted', false],
    ['internal_error', 'deleted', false],
    ['unavailable', 'deleted', false],
    ['request_timeout_408', 'deleted', false],
    ['cut_200', 'deleted', false],
    ['stalled_200', 'deleted', false],
    ['throttled', 'already_absent', true],
    ['cut_403', 'already_absent', true],
    ['cut_404', 'already_absent', true],
    ['stalled_404', 'already_absent', true],
    ['stalled_409', 'already_absent', true],
  ])(
    'with status 404 after %s gives %s with confirmed %s, because only an attempt with an unknown effect may have deleted it',
    async (fault, outcome, confirmed) => {
      const harness = createHarness();
      harness.emulator.misbehave(fault);
      const response = await harness.call('DELETE', '/images/m-absent01?allowMissing=true');
      expect(await response.json()).toMatchObject({ outcome, confirmed });
    },
  );
});

describe('a deletion of an image that is taken', () => {
  const lost = async (headers: Record<string, string> = {}) => {
    const harness = createHarness();
    harness.emulator.misbehave('drop_before', 'drop_before');
    const first = await harness.call('DELETE', '/images/m-custom01', { ...bearer(KEYS.cleaner), ...headers });
    expect(await problemOf(first)).toMatchObject({ outcome: 'unknown' });
    return harness;
  };
  const job = { ...bearer(KEYS.cleaner), 'X-Request-Id': 'job-1' };
  const url = 'https://gateway.test/deletions?caller=cleaner&imageId=m-custom01&requestId=job-1';

  it("is not sent, and the response links to the open deletion if it is the caller's own", async () => {
    const harness = await lost(job);
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.cleaner));
    expect(response.status).toBe(409);
    expect(response.headers.get('retry-after')).toBe('5');
    expect(await problemOf(response)).toMatchObject({
      code: 'deletion_in_progress',
      outcome: 'not_attempted',
      retryable: true,
      detail: 'Another deletion of m-custom01 is in progress, so none was sent.',
      deletion: url,
    });
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });

  it('hides the open deletion from another caller, but logs it for the operator', async () => {
    const harness = await lost(job);
    // The other caller even sends the same request id.
    const response = await harness.call('DELETE', '/images/m-custom01', { ...job, ...bearer(KEYS.both) });
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code: 'deletion_in_progress', outcome: 'not_attempted' });
    expect(problem).not.toHaveProperty('deletion');
    const [first, second] = harness.lines.map(({ record }) => record);
    expect(second).toMatchObject({
      decision: 'refused',
      'ledger.open.id': first?.['gateway.request.id'],
      'ledger.open.caller.id': 'cleaner',
    });
  });

  it('is unknown and not retryable if it is the same request', async () => {
    const harness = await lost(job);
    const response = await harness.call('DELETE', '/images/m-custom01', job);
    expect(response.status).toBe(409);
    expect(response.headers.get('retry-after')).toBeNull();
    expect(await problemOf(response)).toMatchObject({
      code: 'deletion_in_progress',
      outcome: 'unknown',
      retryable: false,
      deletion: url,
    });
  });

  it('shows up as a blocker in the preview', async () => {
    const harness = await lost(job);
    const preview = await previewOf(harness, 'm-custom01');
    expect(codesOf(preview)).toEqual(['deletion_in_progress']);
    expect(JSON.stringify(preview)).toContain('Another deletion of m-custom01 is in progress, so none was sent.');
  });

  it('is refused while another is under way', async () => {
    const harness = createHarness();
    harness.emulator.misbehave('slow');
    const [one, other] = await Promise.all(
      [1, 2].map(() => harness.call('DELETE', '/images/m-custom01', bearer(KEYS.cleaner))),
    );
    expect([one?.status, other?.status].sort()).toEqual([200, 409]);
    const refused = harness.lines.find(({ record }) => record['error.type'] === 'deletion_in_progress');
    expect(refused?.record).toMatchObject({ attempts: 0, outcome: 'not_attempted' });
  });
});

describe('a deletion whose request is repeated on the way to Baidu', () => {
  it('is deleted but not confirmed if this request read the image first', async () => {
    const harness = createHarness({ env: { PROTECTED_NAMES: '["golden-*"]' } });
    const send = harness.emulator.fetch.bind(harness.emulator);
    const twice = createHarness({
      env: { PROTECTED_NAMES: '["golden-*"]' },
      fetch: async (request) => {
        if (request.method === 'DELETE') await send(request.clone());
        return send(request);
      },
    });
    const response = await twice.call('DELETE', '/images/m-custom01');
    expect(await response.json()).toMatchObject({ outcome: 'deleted', confirmed: false });
  });

  it('is already absent if the read says so, and no deletion is sent', async () => {
    const harness = createHarness({ env: { PROTECTED_NAMES: '["golden-*"]' } });
    const response = await harness.call('DELETE', '/images/m-absent01?allowMissing=true');
    expect(await response.json()).toMatchObject({ outcome: 'already_absent', confirmed: true });
    expect(harness.emulator.calls.map(({ method }) => method)).toEqual(['GET']);
  });

  it('is deleted but not confirmed if a check found the image after our last deletion', async () => {
    const ledgers = freshLedgers();
    const harness = createHarness({ env: { LEDGER: ledgers } });
    harness.emulator.misbehave('drop_before', 'drop_before');
    await harness.call('DELETE', '/images/m-custom01');
    const atMs = Date.now() + HOUR_MS;
    await runInDurableObject(ledgers.getByName(), (_ledger, { storage }) => {
      storeIn(storage.sql).applyCheck('m-custom01', checkOf('found', atMs), atMs);
    });
    // The first deletion takes effect only now.
    harness.emulator.images.delete('m-custom01');
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await response.json()).toMatchObject({ outcome: 'deleted', confirmed: false });
  });
});

describe('a deletion that Baidu answers with a 404 whose code is unlisted', () => {
  it('is unknown if this request read the image first, and the ledger counts the code', async () => {
    const ledgers = freshLedgers();
    const harness = createHarness({ env: { LEDGER: ledgers, PROTECTED_NAMES: '["golden-*"]' } });
    harness.emulator.deletionFaults.push(FAULTS.unseen_404);
    const response = await harness.call('DELETE', '/images/m-custom01?allowMissing=true');
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_unexpected', outcome: 'unknown' });
    expect((await ledgers.getByName().metrics()).totals['unlisted']).toBe(1);
    await harness.call('DELETE', '/images/m-custom02');
    expect((await ledgers.getByName().metrics()).totals['unlisted']).toBe(1);
  });

  it('does not decide an earlier unknown outcome of the same request', async () => {
    const ledgers = freshLedgers();
    const harness = createHarness({ env: { LEDGER: ledgers } });
    const job = { ...bearer(KEYS.cleaner), 'X-Request-Id': 'job-1' };
    harness.emulator.misbehave('drop_after', 'drop_after', 'unseen_404');
    await harness.call('DELETE', '/images/m-custom01', job);
    await runInDurableObject(ledgers.getByName(), (_ledger, { storage }) => {
      storage.sql.exec('UPDATE deletions SET reserved_at = reserved_at - 3600000');
    });
    const again = await harness.call('DELETE', '/images/m-custom01', job);
    expect(await problemOf(again)).toMatchObject({ code: 'image_not_found', outcome: 'already_absent' });
    const { body } = await historyPage(harness, '/deletions');
    expect(body.deletions.map(({ outcome, confirmed }) => [outcome, confirmed])).toEqual([
      ['already_absent', false],
      ['unknown', null],
    ]);
  });
});

describe('the same request again', () => {
  const job = { ...bearer(KEYS.cleaner), 'X-Request-Id': 'job-1' };

  it('after a deletion gets the first outcome, and its audit record names the first request', async () => {
    const harness = createHarness();
    const first = await (await harness.call('DELETE', '/images/m-custom01', job)).json();
    const again = await harness.call('DELETE', '/images/m-custom01', job);
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual(first);
    const { body } = await historyPage(harness, '/deletions');
    expect(body.deletions.map(({ outcome, confirmed }) => [outcome, confirmed])).toEqual([
      ['already_absent', true],
      ['deleted', true],
    ]);
    const [one, other] = harness.lines.map(({ record }) => record);
    expect(other).toMatchObject({ outcome: 'deleted', 'deletion.first.id': one?.['gateway.request.id'] });
    expect(one).not.toHaveProperty('deletion.first.id');
  });

  it('after an unknown outcome succeeds if Baidu then says that the image is absent', async () => {
    const ledgers = freshLedgers();
    const harness = createHarness({ env: { LEDGER: ledgers } });
    harness.emulator.misbehave('drop_after', 'drop_after');
    expect(await problemOf(await harness.call('DELETE', '/images/m-custom01', job))).toMatchObject({
      outcome: 'unknown',
    });
    await runInDurableObject(ledgers.getByName(), (_ledger, { storage }) => {
      storage.sql.exec('UPDATE deletions SET reserved_at = reserved_at - 3600000');
    });
    const again = await harness.call('DELETE', '/images/m-custom01', job);
    expect(await again.json()).toMatchObject({ outcome: 'deleted', confirmed: false, upstreamRequestId: null });
    const { body } = await historyPage(harness, '/deletions');
    expect(body.deletions.map(({ outcome, confirmed }) => [outcome, confirmed])).toEqual([
      ['already_absent', true],
      ['deleted', false],
    ]);
  });

  it('from another caller is a separate deletion', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', job);
    const other = await harness.call('DELETE', '/images/m-custom01', { ...job, ...bearer(KEYS.both) });
    expect(await problemOf(other)).toMatchObject({ code: 'image_not_found' });
  });

  it('is sent again if the image still exists', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-system01', job);
    expect(await problemOf(await harness.call('DELETE', '/images/m-system01', job))).toMatchObject({
      code: 'image_not_custom',
      outcome: 'rejected',
    });
  });
});

describe('a deletion that is signed with a wrong', () => {
  it.each([
    ['access key', { BCE_ACCESS_KEY_ID: 'another-access-key' }, 'could not find credential'],
    ['secret key', { BCE_SECRET_ACCESS_KEY: 'another-secret-key' }, 'Fail to authn user: Signature does not match'],
    ['session token', { BCE_SESSION_TOKEN: 'a-token-of-nobody' }, 'security token is not that of the credential'],
  ])('%s fails with 502 and logs the cause', async (_what, env, cause) => {
    const harness = createHarness({ env });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_rejected_credentials', outcome: 'rejected' });
    expect(harness.lines[0]).toMatchObject({
      severity: 'ERROR',
      record: { 'bce.message': `IamSignatureInvalid, cause: ${cause}` },
    });
  });
});

describe('the budget of a caller', () => {
  it('is given back if Baidu refuses or nothing is sent, but not if the answer is lost', async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '2' } });
    for (let n = 0; n < 5; n++) await harness.call('DELETE', '/images/m-system01');
    for (let n = 0; n < 5; n++) await harness.call('DELETE', '/images/m-custom01?expectName=other');
    harness.emulator.misbehave('drop_after', 'drop_after', 'hang', 'hang');
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(502);
    expect((await harness.call('DELETE', '/images/m-custom02')).status).toBe(504);
    expect(await problemOf(await harness.call('DELETE', '/images/m-custom03'))).toMatchObject({
      code: 'budget_exhausted',
    });
    const { body } = await historyPage(harness, '/deletions');
    expect(body.deletions.map(({ outcome }) => outcome)).toEqual([
      'unknown',
      'unknown',
      ...Array.from({ length: 5 }, () => 'not_attempted'),
      ...Array.from({ length: 5 }, () => 'rejected'),
    ]);
  });

  it('is not used up by images that Baidu never had', async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '1' } });
    for (let n = 0; n < 5; n++) await harness.call('DELETE', `/images/m-absent0${n}?allowMissing=true`);
    expect((await harness.call('DELETE', '/images/m-custom01')).status).toBe(200);
  });

  it('is not given back by a refusal after an attempt with an unknown effect, which may still delete', async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '1' } });
    harness.emulator.misbehave('drop_before', 'undocumented_code');
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_unexpected', outcome: 'unknown' });
    const next = await harness.call('DELETE', '/images/m-custom02');
    expect(await problemOf(next)).toMatchObject({ code: 'budget_exhausted' });
    expect(harness.emulator.images.has('m-custom02')).toBe(true);
  });

  it('admits an image that already counts, even if it is used up', async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '1' } });
    await harness.call('DELETE', '/images/m-custom01');
    const again = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(again)).toMatchObject({ code: 'image_not_found' });
  });

  it('is limited by the budget of all callers together, which the preview reports too', async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS_TOTAL: '2' } });
    await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.cleaner));
    await harness.call('DELETE', '/images/m-custom02', bearer(KEYS.both));
    const spent = await harness.call('DELETE', '/images/m-failed01', bearer(KEYS.named));
    expect(await problemOf(spent)).toMatchObject({
      code: 'budget_exhausted',
      detail: 'All callers together may delete 2 images in 24 hours.',
    });
    expect(Number(spent.headers.get('retry-after'))).toBeGreaterThan(86_000);
    expect(codesOf(await previewOf(harness, 'm-failed01'))).toEqual(['budget_exhausted']);
  });

  it('is its dailyDeletions or the default, counted separately for each caller', async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '1' } });
    expect((await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.named))).status).toBe(200);
    expect((await harness.call('DELETE', '/images/m-custom02', bearer(KEYS.named))).status).toBe(200);
    const spent = await harness.call('DELETE', '/images/m-failed01', bearer(KEYS.named));
    expect(await problemOf(spent)).toMatchObject({ detail: 'This caller may delete 2 images in 24 hours.' });
    expect((await harness.call('DELETE', '/images/m-failed01', bearer(KEYS.both))).status).toBe(200);
  });
});

describe('the read before a deletion', () => {
  it.each([
    'hang',
    'drop_before',
    'html_502',
    'html_200',
    'half_json_200',
    'nothing_404',
    'iam_signature_invalid',
    'redirect',
  ] as const)('prevents the deletion if it meets %s', async (fault) => {
    const harness = createHarness();
    harness.emulator.misbehave(fault, fault);
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.named));
    expect(await problemOf(response)).toMatchObject({ outcome: 'not_attempted' });
    expect(harness.requests.every(({ method }) => method === 'GET')).toBe(true);
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });

  it('prevents the deletion if it leaves no time for it', async () => {
    const harness = createHarness({ env: { UPSTREAM_DEADLINE_MS: '320', UPSTREAM_ATTEMPT_TIMEOUT_MS: '310' } });
    harness.emulator.faults.push({ deletes: true, answer: 'normal', delayMs: 290 });
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.named));
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_timeout', outcome: 'not_attempted' });
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });
});

describe('a deletion with expectName', () => {
  it('of an absent image gives 404, or 200 with allowMissing=true', async () => {
    const harness = createHarness();
    const missing = await harness.call('DELETE', '/images/m-absent01?expectName=x');
    expect(await problemOf(missing)).toMatchObject({ code: 'image_not_found', outcome: 'already_absent' });
    const fine = await harness.call('DELETE', '/images/m-absent01?expectName=x&allowMissing=true');
    expect(await fine.json()).toMatchObject({ outcome: 'already_absent', confirmed: true });
  });
});

describe('the row of a deletion', () => {
  it('says whether Baidu confirmed it, even if an absence was reported as a failure', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01');
    await harness.call('DELETE', '/images/m-absent01');
    await harness.call('DELETE', '/images/m-absent02?allowMissing=true');
    await harness.call('DELETE', '/images/m-system01');
    harness.emulator.misbehave('drop_after');
    await harness.call('DELETE', '/images/m-custom02');
    const { body } = await historyPage(harness, '/deletions');
    expect(body.deletions.map(({ imageId, outcome, confirmed }) => [imageId, outcome, confirmed])).toEqual([
      ['m-custom02', 'deleted', false],
      ['m-system01', 'rejected', null],
      ['m-absent02', 'already_absent', true],
      ['m-absent01', 'already_absent', true],
      ['m-custom01', 'deleted', true],
    ]);
  });

  it('is settled even if nobody waits for the answer, because the deletion keeps the Worker alive', async () => {
    const { config } = parseConfig(validEnv());
    const imageId: string = 'm-custom01';
    if (config === null || !isImageId(imageId)) throw new Error('no gateway');
    const fetch = async () => new Response(null, { status: 204, headers: { 'x-bce-request-id': 'up-1' } });
    const gateway = createGateway(config, { ...platformRuntime, fetch });
    const request = {
      id: idOf('a'),
      requestId: 'a',
      subject: null,
      caller: { id: 'cleaner', scopes: new Set(['images:delete'] as const), names: null, dailyDeletions: null },
      imageId,
      allowMissing: false,
      expectName: null,
    };
    const works: Promise<unknown>[] = [];
    const { settled } = await deleteImage(gateway, request, (work) => works.push(work));
    expect(works).toContain(settled);
    expect(await settled).toBe(true);
  });
});

describe('a bug before anything is sent', () => {
  it('is reported as not attempted, and gives the budget back', async () => {
    let isBroken = true;
    const { emulator } = createHarness();
    const harness = createHarness({
      env: { DAILY_DELETIONS: '1' },
      fetch: (request) => {
        if (isBroken) throw new Error('a bug');
        return emulator.fetch(request);
      },
    });
    const response = await harness.call('DELETE', '/images/m-custom01?expectName=x');
    expect(await problemOf(response)).toMatchObject({ code: 'internal_error', outcome: 'not_attempted' });
    expect(harness.lines[0]?.record).toMatchObject({ 'ledger.settled': true, attempts: 0, 'exception.type': 'Error' });
    isBroken = false;
    expect((await harness.call('DELETE', '/images/m-custom02')).status).toBe(200);
  });
});
