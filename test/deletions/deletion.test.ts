import { describe, expect, it } from 'vitest';
import { FAULTS, type FaultName, failure } from '../emulator/emulator.ts';
import { ANSWERS, KEYS } from '../fixtures.ts';
import { bearer, createHarness, type ExpectedDeletion, expectDeletion, historyPage, problemOf } from '../harness.ts';

const { deleted, failed, rejectedCredentials, throttled, timedOut, unexpected } = ANSWERS;

describe('each state of an image', () => {
  const states: [string, string, ExpectedDeletion][] = [
    ['custom and available', 'm-custom01', { ...deleted, calls: 1 }],
    ['custom whose creation failed', 'm-failed01', { ...deleted, calls: 1 }],
    ['absent', 'm-absent01', { status: 404, code: 'image_not_found', outcome: 'already_absent', calls: 1 }],
    ['absent, where that will do', 'm-absent01?allowMissing=true', { ...deleted, outcome: 'already_absent', calls: 1 }],
    [
      'absent, where that will not do',
      'm-absent01?allowMissing=false',
      { status: 404, code: 'image_not_found', outcome: 'already_absent', calls: 1 },
    ],
    ['system', 'm-system01', { status: 403, code: 'image_not_custom', outcome: 'rejected', calls: 1 }],
    ['integration', 'm-integr01', { status: 403, code: 'image_not_custom', outcome: 'rejected', calls: 1 }],
    ['creating', 'm-create01', { status: 409, code: 'image_creating', outcome: 'rejected', calls: 1 }],
    ['shared', 'm-shared01', { status: 409, code: 'image_shared', outcome: 'rejected', calls: 1 }],
  ];

  it.each(states)('%s', async (_state, id, expected) => {
    const harness = createHarness();
    const before = new Set(harness.emulator.images.keys());
    const body = await expectDeletion(harness, `/images/${id}`, expected);
    const gone = [...before].filter((known) => !harness.emulator.images.has(known));
    expect(gone).toEqual(expected.outcome === 'deleted' ? [id] : []);
    expect(JSON.stringify(body)).toContain('equestId');
  });
});

/** Each fault once, on an image that can be deleted; the second attempt, if there is one, meets a healthy server. */
const ONCE: Record<FaultName, ExpectedDeletion> = {
  slow: { ...deleted, calls: 2 },
  hang: { ...deleted, calls: 2 },
  hang_after: { ...deleted, calls: 2 },
  drop_before: { ...deleted, calls: 2 },
  drop_after: { ...deleted, calls: 2 },
  html_502: { ...deleted, calls: 2 },
  html_502_after: { ...deleted, calls: 2 },
  html_200: { ...unexpected, outcome: 'unknown', calls: 1 },
  html_404: { ...unexpected, outcome: 'unknown', calls: 1 },
  internal_error: { ...deleted, calls: 2 },
  internal_error_after: { status: 404, code: 'image_not_found', outcome: 'already_absent', calls: 2 },
  half_json_500: { ...deleted, calls: 2 },
  half_json_409: { ...unexpected, outcome: 'rejected', calls: 1 },
  half_json_200: { ...unexpected, outcome: 'unknown', calls: 1 },
  nothing_500: { ...deleted, calls: 2 },
  nothing_404: { ...unexpected, outcome: 'unknown', calls: 1 },
  megabyte_200: { ...unexpected, outcome: 'unknown', calls: 1 },
  megabyte_500: { ...deleted, calls: 2 },
  redirect: { ...unexpected, outcome: 'unknown', calls: 1 },
  throttled: { ...deleted, calls: 2 },
  throttled_long: { ...throttled, calls: 1, retryAfter: '120' },
  unavailable: { ...deleted, calls: 2 },
  unavailable_long: { ...failed, calls: 1, retryAfter: '120' },
  iam_signature_invalid: { ...rejectedCredentials, calls: 1 },
  error_code_on_200: { ...rejectedCredentials, calls: 1 },
  unauthorized: { ...rejectedCredentials, calls: 1 },
  undocumented_code: { ...unexpected, outcome: 'rejected', calls: 1 },
  route_unknown: { ...unexpected, outcome: 'rejected', calls: 1 },
  version_unknown: { ...unexpected, outcome: 'rejected', calls: 1 },
};

/** The same fault at both attempts, where one attempt is not the end of it. */
const TWICE: Partial<Record<FaultName, ExpectedDeletion>> = {
  hang: { ...timedOut, calls: 2 },
  hang_after: { ...timedOut, calls: 2 },
  drop_before: { ...failed, calls: 2 },
  drop_after: { ...failed, calls: 2 },
  html_502: { ...failed, calls: 2 },
  html_502_after: { ...failed, calls: 2 },
  internal_error: { ...failed, calls: 2 },
  internal_error_after: { ...failed, calls: 2 },
  half_json_500: { ...failed, calls: 2 },
  nothing_500: { ...failed, calls: 2 },
  megabyte_500: { ...failed, calls: 2 },
  throttled: { ...throttled, calls: 2, retryAfter: '1' },
  unavailable: { ...failed, calls: 2, retryAfter: '1' },
};

const faultNames = Object.keys(FAULTS).filter((name): name is FaultName => name in ONCE);

describe('each way in which the server misbehaves', () => {
  it.each(faultNames)('%s, once', async (name) => {
    const harness = createHarness();
    harness.emulator.misbehave(name);
    await expectDeletion(harness, '/images/m-custom01', ONCE[name]);
    if (ONCE[name].outcome === 'deleted') expect(harness.emulator.images.has('m-custom01')).toBe(false);
    if (ONCE[name].outcome === 'rejected') expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });

  it.each(Object.entries(TWICE))('%s, twice', async (name, expected) => {
    const harness = createHarness();
    for (const known of faultNames) if (known === name) harness.emulator.misbehave(known, known);
    await expectDeletion(harness, '/images/m-custom01', expected);
  });

  it('names a case for every fault', () => {
    expect(faultNames).toHaveLength(Object.keys(FAULTS).length);
  });
});

describe('two attempts that disagree', () => {
  const pairs: [FaultName, FaultName | string, ExpectedDeletion][] = [
    // The first may have deleted; what the second says of us says nothing about the image.
    ['drop_after', 'iam_signature_invalid', { ...rejectedCredentials, outcome: 'unknown', calls: 2 }],
    ['drop_after', 'throttled_long', { ...throttled, outcome: 'unknown', calls: 2, retryAfter: '120' }],
    ['drop_before', 'undocumented_code', { ...unexpected, outcome: 'unknown', calls: 2 }],
    ['hang', 'drop_before', { ...failed, calls: 2 }],
    ['drop_before', 'hang', { ...timedOut, calls: 2 }],
    ['internal_error', 'iam_signature_invalid', { ...rejectedCredentials, outcome: 'unknown', calls: 2 }],
    ['unavailable', 'undocumented_code', { ...unexpected, outcome: 'unknown', calls: 2 }],
    // The first was refused, so the second's word is the only one.
    ['throttled', 'iam_signature_invalid', { ...rejectedCredentials, calls: 2 }],
    ['throttled', 'redirect', { ...unexpected, outcome: 'unknown', calls: 2 }],
  ];
  it.each(pairs)('%s, then %s', async (first, second, expected) => {
    const harness = createHarness();
    for (const name of [first, second])
      for (const known of faultNames) if (known === name) harness.emulator.misbehave(known);
    await expectDeletion(harness, '/images/m-custom01', expected);
  });

  it.each(['m-system01', 'm-create01', 'm-shared01'])(
    'a lost answer, then a refusal that proves %s stands',
    async (id) => {
      const harness = createHarness();
      harness.emulator.misbehave('drop_before');
      const response = await harness.call('DELETE', `/images/${id}`);
      expect((await problemOf(response))['outcome']).toBe('rejected');
    },
  );

  it('does not call a 404 our deletion where the first attempt was refused', async () => {
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

describe('each error that Baidu documents or has been seen to send', () => {
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
    ['IamSignatureInvalid', 500, rejectedCredentials],
    ['NoSuchObject', 500, { ...failed, calls: 2 }],
    ['Image.ImageHasBeenSharedToOthers', 503, { ...failed, calls: 2 }],
    ['NoSuchObject', 302, { ...unexpected, outcome: 'unknown' }],
    ['Http400', 400, { ...unexpected, outcome: 'rejected' }],
    ['Http404', 404, { ...unexpected, outcome: 'rejected' }],
    ['IamAuthorizationFailed', 403, rejectedCredentials],
    ['Image.UnCustomImageCannotBeDeleted', 403, { status: 403, code: 'image_not_custom', outcome: 'rejected' }],
    ['Image.CreatingImageCannotBeDeleted', 409, { status: 409, code: 'image_creating', outcome: 'rejected' }],
    ['Image.ImageHasBeenSharedToOthers', 409, { status: 409, code: 'image_shared', outcome: 'rejected' }],
    ['NoSuchObject', 404, { status: 404, code: 'image_not_found', outcome: 'already_absent' }],
    ['Image.ImageNotFound', 404, { status: 404, code: 'image_not_found', outcome: 'already_absent' }],
    ['InvalidVersion', 404, { ...unexpected, outcome: 'rejected' }],
    ['ResourceNotFound', 404, { ...unexpected, outcome: 'rejected' }],
    ['InvalidURI', 400, { ...unexpected, outcome: 'rejected' }],
    ['BadRequest', 400, { ...unexpected, outcome: 'rejected' }],
    ['InappropriateJSON', 400, { ...unexpected, outcome: 'rejected' }],
    ['MalformedJSON', 400, { ...unexpected, outcome: 'rejected' }],
    ['InvalidHTTPRequest', 400, { ...unexpected, outcome: 'rejected' }],
    ['PreconditionFailed', 412, { ...unexpected, outcome: 'rejected' }],
    ['IdempotentParameterMismatch', 403, { ...unexpected, outcome: 'rejected' }],
    ['Image.ImageQuotaExceedLimit', 413, { ...unexpected, outcome: 'rejected' }],
    ['InternalError', 500, { ...failed, calls: 2 }],
    ['InternalError', 400, failed],
    ['ServiceInternalError', 500, { ...failed, calls: 2 }],
    ['NotImplemented', 501, failed],
    ['RequestThrottled', 400, { ...throttled, retryAfter: '10' }],
    ['RequestThrottled', 503, { ...throttled, retryAfter: '10' }],
    ['SomethingNew', 200, { ...unexpected, outcome: 'unknown' }],
    ['IamSignatureInvalid', 200, rejectedCredentials],
  ];
  it.each(errors)('%s with %i', async (code, status, expected) => {
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

  it.each([403, 404])('a bare %i that carries a request id of Baidu', async (status) => {
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

describe('an answer that is not plainly what it seems', () => {
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
    ['a code of another form', '{"code":"Access_Denied","message":"no"}', id],
    ['a code that is a number', '{"code":403,"message":"denied"}', id],
    ['a message alone', '{"success":false,"message":"denied"}', id],
    ['two error codes in one header', null, { ...id, 'x-bce-error-code': 'IamSignatureInvalid, IamSignatureInvalid' }],
    ['an error message in a header', null, { ...id, 'x-bce-error-message': 'no' }],
    ['JSON of somebody else', '{"ok":1}', {}],
    ['an empty object of somebody else', '{}', {}],
    ['a request id in the body alone', '{"requestId":"b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50"}', {}],
    ['JSON that says more than its request id', '{"requestId":"r","status":"failed"}', id],
    ['a code that Baidu does not spell so', '{"Code":"AccessDenied"}', id],
    ['a list', '["deleted"]', id],
    ['a page with a request id', '<html></html>', id],
    ['bytes that are no text', new Uint8Array([0xff, 0xfe]), id],
  ])('%s with 200 is not taken for a deletion', async (_what, body, headers) => {
    const harness = createHarness({ fetch: async () => new Response(body, { status: 200, headers }) });
    await expectDeletion(harness, '/images/m-custom01', unknown);
  });

  it.each<[string, BodyInit | null, HeadersInit]>([
    ['nothing at all', null, {}],
    ['an empty object', '{}', id],
    ['its request id', '{"requestId":"b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50"}', id],
  ])('%s with 200 is one', async (_what, body, headers) => {
    const harness = createHarness({ fetch: async () => new Response(body, { status: 200, headers }) });
    await expectDeletion(harness, '/images/m-custom01', { ...deleted, calls: 1 });
  });

  it('an agreement that breaks off is a lost answer: tried again, and then unknown', async () => {
    const harness = createHarness({ fetch: async () => new Response(broken(), { status: 200, headers: id }) });
    await expectDeletion(harness, '/images/m-custom01', { ...failed, calls: 2 });
  });

  it.each<[string, () => Response]>([
    ['a 504', () => new Response(null, { status: 504 })],
    ['an agreement that breaks off', () => new Response(broken(), { status: 200, headers: id })],
  ])('%s is a lost answer, so that a 404 after it is our own work', async (_what, first) => {
    const answers = [first(), failure(404, 'NoSuchObject', 'Gone.', 'r')];
    const harness = createHarness({ fetch: async () => answers.shift() ?? Response.error() });
    expect(await (await harness.call('DELETE', '/images/m-custom01')).json()).toMatchObject({ outcome: 'deleted' });
  });

  it('a 404 of Baidu that says no more than its request id means the image; one that says more does not', async () => {
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
    ['a route of somebody else', '{"error":"no Route matched with those values"}', id],
    ['a code of another form', '{"code":"ROUTE_NOT_FOUND"}', id],
    ['a request id in its body alone', '{"requestId":"b1946ac9-2492-4d23-8b4c-1c6a2d3e4f50"}', {}],
  ])('%s with 404 says nothing about the image', async (_what, body, headers) => {
    for (const query of ['', '?allowMissing=true']) {
      const harness = createHarness({ fetch: async () => new Response(body, { status: 404, headers }) });
      const response = await harness.call('DELETE', `/images/m-custom01${query}`);
      expect(await problemOf(response)).toMatchObject({ code: 'upstream_unexpected' });
    }
  });

  it.each<[FaultName, string]>([
    ['drop_before', 'deleted'],
    ['hang', 'deleted'],
    ['html_502', 'deleted'],
    ['internal_error', 'already_absent'],
    ['unavailable', 'already_absent'],
  ])('a 404 after %s is %s: our own work only where the answer was lost', async (fault, outcome) => {
    const harness = createHarness();
    harness.emulator.misbehave(fault);
    const response = await harness.call('DELETE', '/images/m-absent01?allowMissing=true');
    expect(await response.json()).toMatchObject({ outcome });
  });
});

describe('a wrong credential of ours', () => {
  it.each([
    ['access key', { BCE_ACCESS_KEY_ID: 'another-access-key' }, 'could not find credential'],
    ['secret key', { BCE_SECRET_ACCESS_KEY: 'another-secret-key' }, 'Fail to authn user: Signature does not match'],
    ['session token', { BCE_SESSION_TOKEN: 'a-token-of-nobody' }, 'security token is not that of the credential'],
  ])('%s: 502, and an error for the operator', async (_what, env, cause) => {
    const harness = createHarness({ env });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_rejected_credentials', outcome: 'rejected' });
    expect(harness.lines[0]).toMatchObject({
      severity: 'ERROR',
      record: { 'bce.message': `IamSignatureInvalid, cause: ${cause}` },
    });
  });
});

describe('the budget', () => {
  it('comes back after what was refused or never sent, and not after what was lost', async () => {
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

  it("is the caller's own where it has one, and each caller's apart", async () => {
    const harness = createHarness({ env: { DAILY_DELETIONS: '1' } });
    expect((await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.named))).status).toBe(200);
    expect((await harness.call('DELETE', '/images/m-custom02', bearer(KEYS.named))).status).toBe(200);
    const spent = await harness.call('DELETE', '/images/m-failed01', bearer(KEYS.named));
    expect(await problemOf(spent)).toMatchObject({ detail: 'This caller may delete 2 images in 24 hours.' });
    expect((await harness.call('DELETE', '/images/m-failed01', bearer(KEYS.both))).status).toBe(200);
  });
});

describe('protection and names', () => {
  it.each([
    'hang',
    'drop_before',
    'html_502',
    'html_200',
    'half_json_200',
    'nothing_404',
    'iam_signature_invalid',
    'redirect',
  ] as const)('deletes nothing where the read meets with %s', async (fault) => {
    const harness = createHarness();
    harness.emulator.misbehave(fault, fault);
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.named));
    expect(await problemOf(response)).toMatchObject({ outcome: 'not_attempted' });
    expect(harness.requests.every(({ method }) => method === 'GET')).toBe(true);
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });

  it('does not begin a deletion that the read left no time for', async () => {
    const harness = createHarness({ env: { UPSTREAM_DEADLINE_MS: '320', UPSTREAM_ATTEMPT_TIMEOUT_MS: '310' } });
    harness.emulator.faults.push({ deletes: true, answer: 'normal', delayMs: 290 });
    const response = await harness.call('DELETE', '/images/m-custom01', bearer(KEYS.named));
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_timeout', outcome: 'not_attempted' });
    expect(harness.emulator.images.has('m-custom01')).toBe(true);
  });
});

describe('expectName', () => {
  it('is 404 for an absent image, or 200 where that will do', async () => {
    const harness = createHarness();
    const missing = await harness.call('DELETE', '/images/m-absent01?expectName=x');
    expect(await problemOf(missing)).toMatchObject({ code: 'image_not_found', outcome: 'already_absent' });
    const fine = await harness.call('DELETE', '/images/m-absent01?expectName=x&allowMissing=true');
    expect(await fine.json()).toMatchObject({ outcome: 'already_absent' });
  });
});
