/** The audit record of a request, and what it says about a bug. */
import { createExecutionContext } from 'cloudflare:test';
import { describe, expect, inject, it, vi } from 'vitest';
import type { Arrival } from '../../../src/worker/callers/identify.ts';
import { keyDigest } from '../../../src/worker/callers/key.ts';
import { describeException, traceId } from '../../../src/worker/http/audit.ts';
import { ALL_ROWS, BOUND_CALLER, CALLERS, KEYS } from '../../fixtures.ts';
import { bearer, createHarness, freshLedgers, GATEWAY, HTTP, historyPage, problemOf } from '../../harness.ts';
import { TestIssuer } from '../../issuer.ts';

describe('the audit record', () => {
  it('has exactly these fields for a deletion', async () => {
    const harness = createHarness({ env: { VERSION: { id: 'd5c1b2a3', tag: '', timestamp: '' } } });
    const response = await harness.call('DELETE', '/images/m-custom01', {
      Authorization: `Bearer ${KEYS.cleaner}`,
      'X-Request-Id': 'job-1',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      'User-Agent': 'not logged',
      'CF-Connecting-IP': '2001:db8::7',
      'CF-Ray': '8f0c1d2e3a4b5c6d-PEK',
    });
    const body: unknown = await response.json();
    expect(harness.lines.map(({ record }) => record)).toEqual([
      {
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        severity_text: 'INFO',
        'event.name': 'audit',
        'gateway.request.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
        'request.id': 'job-1',
        trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
        'http.request.method': 'DELETE',
        'http.route': '/images/:id',
        'http.response.status_code': 200,
        'caller.id': 'cleaner',
        'caller.proof': 'key',
        'caller.key.fingerprint': 'bddc1d36',
        'client.address': '2001:db8::7',
        'cloudflare.ray_id': '8f0c1d2e3a4b5c6d-PEK',
        'service.version': 'd5c1b2a3',
        'image.id': 'm-custom01',
        decision: 'allowed',
        outcome: 'deleted',
        confirmed: true,
        attempts: 1,
        'ledger.settled': true,
        duration_ms: expect.any(Number),
        'server.address': 'bcc.bj.baidubce.com',
        'bce.access_key.fingerprint': '9ae8a8b2',
        'bce.status_code': 200,
        'bce.request_id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
    ]);
    expect(body).toEqual({
      id: 'm-custom01',
      outcome: 'deleted',
      confirmed: true,
      requestId: 'job-1',
      upstreamRequestId: harness.lines[0]?.record['bce.request_id'],
    });
  });

  it('is written once for each request, on every path', async () => {
    const harness = createHarness();
    const paths = [
      '/healthz',
      '/readyz',
      '/openapi.json',
      '/problems/rate_limited',
      '/images/m-custom01',
      '/images/x',
      '/?a',
      '/%00',
      '/*',
      '/images/*',
      '/:id',
    ];
    let requests = 0;
    for (const path of paths) {
      for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
        await harness.call(method, path);
        expect(harness.lines).toHaveLength(++requests);
      }
    }
  });

  it('names the running version, like every answer, even if the configuration is invalid or a bug ends the request', async () => {
    const VERSION = { id: 'd5c1b2a3', tag: '', timestamp: '' };
    const broken = () => {
      throw new Error('a bug');
    };
    for (const harness of [
      createHarness({ env: { VERSION } }),
      createHarness({ env: { VERSION, BCC_ENDPOINT: 'nowhere' } }),
      createHarness({ env: { VERSION }, fetch: broken }),
    ]) {
      for (const path of ['/healthz', '/nowhere', '/images/m-custom01', '/problems/internal_error']) {
        const response = await harness.call('GET', path, bearer(KEYS.reader));
        expect(response.headers.get('gateway-version')).toBe('d5c1b2a3');
        expect(harness.lines.at(-1)?.record['service.version']).toBe('d5c1b2a3');
      }
    }
  });

  it('names no version if the platform provides none, and neither does the answer', async () => {
    const harness = createHarness();
    expect((await harness.call('GET', '/healthz')).headers.has('gateway-version')).toBe(false);
    expect(harness.lines[0]?.record).not.toHaveProperty('service.version');
  });

  it('names the image of a refused request, for any caller', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', {});
    await harness.call('DELETE', '/images/m-custom01', { Authorization: `Bearer ${KEYS.reader}` });
    await harness.call('PATCH', '/images/m-custom01');
    expect(harness.lines.map(({ record }) => record['image.id'])).toEqual(['m-custom01', 'm-custom01', 'm-custom01']);
  });

  it('names Baidu only if something was sent there', async () => {
    const ledger = {
      reserve: () => scheduler.wait(70).then(() => ({ ok: true, value: null })),
      settle: async () => null,
    };
    const env = { LEDGER: { getByName: () => ledger }, UPSTREAM_DEADLINE_MS: '100', UPSTREAM_ATTEMPT_TIMEOUT_MS: '50' };
    const harness = createHarness({ env });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_timeout', outcome: 'not_attempted' });
    expect(harness.lines[0]?.record).toMatchObject({ attempts: 0 });
    expect(harness.lines[0]?.text).not.toMatch(/server\.address|access_key/);
  });

  it('has a unique id that matches its ledger row, even if callers repeat request ids', async () => {
    const ledger = freshLedgers();
    const harness = createHarness({ env: { LEDGER: ledger } });
    const headers = { ...bearer(KEYS.cleaner), 'X-Request-Id': 'same' };
    await harness.call('DELETE', '/images/m-custom01', headers);
    await harness.call('DELETE', '/images/m-custom02', headers);
    const ids = harness.lines.map(({ record }) => record['gateway.request.id']);
    expect(new Set(ids).size).toBe(2);
    expect((await ledger.getByName().history(ALL_ROWS)).map(({ id }) => id)).toEqual(ids.reverse());
    expect(harness.lines.map(({ record }) => record['request.id'])).toEqual(['same', 'same']);
  });

  it('has the issuer and reason of a genuine token that is refused, and the answer has neither', async () => {
    const issuer = await TestIssuer.create(inject('issuerUrl'));
    const job = { tokens: [{ issuer: 'ci', claims: { project_id: '23' } }], scopes: ['images:delete'] };
    const env = { CALLERS: JSON.stringify({ job }), ISSUERS: JSON.stringify({ ci: issuer.entry() }) };
    const harness = createHarness({ env });
    const said: unknown[] = [];
    for (const token of [await issuer.token({ project_id: 23 }), 'x.y.z', await issuer.token({ project_id: '23' })]) {
      const response = await harness.call('DELETE', '/images/m-custom01', {
        ...bearer(token),
        'X-Request-Id': 'job-1',
      });
      said.push([response.status, await response.json()]);
    }
    expect(said[0]).toEqual(said[1]);
    expect(said[2]).toMatchObject([200, {}]);
    const fields = harness.lines.map(({ record }) => [
      record['error.type'],
      record['error.reason'],
      record['caller.issuer'],
    ]);
    expect(fields).toEqual([
      ['unauthenticated', 'claim_not_text', 'ci'],
      ['unauthenticated', undefined, undefined],
      [undefined, undefined, 'ci'],
    ]);
    expect(harness.lines[0]?.record).not.toHaveProperty('caller.id');
    expect(harness.lines[0]?.text).not.toContain('job-7');
  });

  it('shows which key of a caller was used during a rotation', async () => {
    const keys = ['the-old-key-of-ci', 'the-new-key-of-ci'];
    const ci = { keySha256: keys.map(keyDigest), scopes: ['images:delete'] };
    const harness = createHarness({ env: { CALLERS: JSON.stringify({ ci }) } });
    for (const key of keys) await harness.call('GET', '/readyz', bearer(key));
    expect(harness.lines.map(({ record }) => record['caller.key.fingerprint'])).toEqual(
      keys.map((key) => keyDigest(key).slice(0, 8)),
    );
  });

  it.each([
    ['CF-Connecting-IP', '203.0.113.7', 'client.address', '203.0.113.7'],
    ['CF-Connecting-IP', 'secret', 'client.address', undefined],
    ['CF-Connecting-IP', '203.0.113.7, 203.0.113.8', 'client.address', undefined],
    ['CF-Connecting-IP', '::ffff:203.0.113.7', 'client.address', '::ffff:203.0.113.7'],
    ['CF-Connecting-IP', '0123456789abcdef', 'client.address', undefined],
    ['CF-Ray', '8f0c1d2e3a4b5c6d', 'cloudflare.ray_id', '8f0c1d2e3a4b5c6d'],
    ['CF-Ray', 'a"b', 'cloudflare.ray_id', undefined],
    ['CF-Ray', 'bcg_8f0c1d2e3a4b5c6d', 'cloudflare.ray_id', undefined],
  ])('for the header %s: %s has the field %s: %s', async (header, value, field, expected) => {
    const harness = createHarness();
    await harness.call('GET', '/healthz', { [header]: value });
    expect(harness.lines[0]?.record[field]).toBe(expected);
  });

  it('ignores the headers of Cloudflare if the request came through a binding, because the calling Worker can set them', async () => {
    const CALLERS_AND_BOUND = JSON.stringify({ ...CALLERS, ...BOUND_CALLER });
    const arrival: Arrival = { by: 'binding', props: { caller: 'bound' } };
    const harness = createHarness({ env: { CALLERS: CALLERS_AND_BOUND }, arrival });
    const headers = { 'CF-Connecting-IP': '203.0.113.7', 'CF-Ray': '8f0c1d2e3a4b5c6d-PEK' };
    for (const [method, path] of [
      ['DELETE', '/images/m-custom01'],
      ['GET', '/healthz'],
      ['GET', '/nowhere'],
    ] as const) {
      await harness.call(method, path, headers);
      expect(harness.lines.at(-1)?.text).not.toMatch(/203\.0\.113\.7|8f0c1d2e/);
    }
    expect(harness.lines[0]?.record).toMatchObject({ 'caller.proof': 'binding', outcome: 'deleted' });
  });

  it.each([
    ['image_not_found', 'm-absent01', []],
    ['upstream_rejected_credentials', 'm-custom01', ['iam_signature_invalid']],
    ['upstream_error', 'm-custom01', ['internal_error', 'internal_error']],
    ['upstream_unexpected', 'm-custom01', ['redirect']],
  ] as const)('says that a preview was allowed if Baidu failed it with %s', async (code, id, faults) => {
    const harness = createHarness();
    harness.emulator.misbehave(...faults);
    await harness.call('GET', `/images/${id}`, bearer(KEYS.reader));
    expect(harness.lines[0]?.record).toMatchObject({ 'error.type': code, decision: 'allowed' });
  });

  it.each<[string, string, string, Record<string, string>]>([
    ['unauthenticated', 'DELETE', '/images/m-custom01', {}],
    ['permission_denied', 'DELETE', '/images/m-custom01', bearer(KEYS.reader)],
    ['invalid_image_id', 'GET', '/images/x', bearer(KEYS.reader)],
    ['precondition_failed', 'DELETE', '/images/m-custom01?expectName=x', bearer(KEYS.cleaner)],
    ['route_not_found', 'GET', '/nowhere', {}],
  ])('says that the request was refused after %s', async (code, method, path, headers) => {
    const harness = createHarness();
    await harness.call(method, path, headers);
    expect(harness.lines[0]?.record).toMatchObject({ 'error.type': code, decision: 'refused' });
  });

  it.each([
    ['/deletions', KEYS.cleaner, 'cleaner'],
    ['/deletions', KEYS.auditor, '*'],
    ['/deletions?caller=both', KEYS.auditor, 'both'],
    ['/deletions?caller=both', KEYS.cleaner, 'both'],
    // Not the name of a caller, so it may be anything, even a key.
    ['/deletions?caller=nobody', KEYS.auditor, undefined],
    ['/deletions?caller=nobody', KEYS.cleaner, undefined],
  ])('says whose history %s asks for', async (path, key, whose) => {
    const harness = createHarness();
    await harness.call('GET', path, bearer(key));
    expect(harness.lines[0]?.record['history.caller.id']).toBe(whose);
  });

  it('never repeats the path or the query', async () => {
    const harness = createHarness();
    for (const path of ['/images/secret-in-path', '/secret-in-path', '/images/m-custom01?secret-in-path=1']) {
      await harness.call('DELETE', path);
    }
    expect(harness.lines.map(({ text }) => text).join()).not.toContain('secret-in-path');
  });
});

describe('a bug', () => {
  class Leak extends Error {}

  it('gives the caller a bare 500 and the operator a stack trace, and shows nobody its message', async () => {
    const harness = createHarness();
    harness.app.get('/bug', () => {
      throw new Leak('a secret in a message');
    });
    const response = await harness.call('GET', '/bug');
    expect(await problemOf(response)).toMatchObject({ code: 'internal_error', outcome: 'not_attempted', status: 500 });
    expect(harness.lines).toHaveLength(1);
    expect(harness.lines[0]).toMatchObject({ severity: 'ERROR', record: { 'exception.type': 'Leak' } });
    expect(harness.lines[0]?.record['exception.stacktrace']).toMatch(/audit\.test\.ts/);
    expect(harness.lines[0]?.text).not.toContain('a secret in a message');
  });

  it('is handled the same way if it throws a string', async () => {
    const harness = createHarness();
    harness.app.get('/bug', () => {
      throw 'a secret in a string';
    });
    const response = await harness.call('GET', '/bug');
    expect(await problemOf(response)).toMatchObject({ code: 'internal_error' });
    expect(harness.lines[0]).toMatchObject({ record: { 'exception.type': 'string' } });
    expect(harness.lines[0]?.text).not.toContain('a secret in a string');
  });

  it('leaves the outcome unknown if it happens after a deletion was sent', async () => {
    const harness = createHarness({
      fetch: () => {
        throw new Leak('thrown where no promise was made');
      },
    });
    const response = await harness.call('DELETE', '/images/m-custom01');
    const imageId = 'm-custom01';
    const body = await problemOf(response);
    expect(body).toMatchObject({ code: 'internal_error', outcome: 'unknown', retryable: false });
    expect(body['deletion']).toContain(`/deletions?caller=cleaner&imageId=${imageId}&requestId=`);
    expect(harness.lines).toHaveLength(1);
  });

  /** Sends a deletion. Only call number `failing` of `waitUntil` throws. */
  const deleteWithBrokenHold = async (failing: number) => {
    const harness = createHarness();
    const works: Promise<unknown>[] = [];
    const ctx = {
      waitUntil: (work: Promise<unknown>) => {
        if (works.push(work) === failing) throw new Leak('no more work');
      },
      passThroughOnException: () => undefined,
      props: {},
    };
    const request = new Request(`${GATEWAY}/images/m-custom01`, { method: 'DELETE', headers: bearer(KEYS.cleaner) });
    const response = await harness.app.fetch(request, HTTP, { ...createExecutionContext(), ...ctx });
    await Promise.all(works);
    return { harness, response };
  };

  it('after Baidu has deleted the image leaves the outcome unknown', async () => {
    const { harness, response } = await deleteWithBrokenHold(1);
    const body = await problemOf(response);
    expect(body).toMatchObject({ code: 'internal_error', outcome: 'unknown' });
    expect(body['deletion']).toContain('/deletions?caller=cleaner&imageId=m-custom01&requestId=');
    expect(harness.emulator.images.has('m-custom01')).toBe(false);
    const [line, ...more] = harness.lines;
    expect([line?.severity, more]).toEqual(['ERROR', []]);
    expect(line?.record).toMatchObject({
      'caller.id': 'cleaner',
      'image.id': 'm-custom01',
      decision: 'allowed',
      'error.type': 'internal_error',
      outcome: 'unknown',
      'server.address': 'bcc.bj.baidubce.com',
      'exception.type': 'Leak',
    });
    expect(line?.record).not.toHaveProperty('attempts');
  });

  it('in the answer to a bug leaves the outcome unknown, too, as long as any answer can be built', async () => {
    const harness = createHarness();
    const json = vi.spyOn(Response, 'json');
    for (let times = 0; times < 2; times++) {
      json.mockImplementationOnce(() => {
        throw new Leak('no body today');
      });
    }
    const response = await harness.call('DELETE', '/images/m-custom01');
    json.mockRestore();
    expect(await problemOf(response)).toMatchObject({ code: 'internal_error', outcome: 'unknown' });
    expect(harness.emulator.images.has('m-custom01')).toBe(false);
    expect(harness.lines[0]?.record).toMatchObject({ 'caller.id': 'cleaner', outcome: 'unknown', decision: 'allowed' });
  });

  it('after the deletion has ended leaves the outcome unknown, but the record has what is known', async () => {
    const harness = createHarness({
      fetch: async () => Response.json({ code: 'Odd' }, { status: 404, headers: { 'x-bce-request-id': 'up-1' } }),
    });
    const push = harness.lines.push.bind(harness.lines);
    harness.lines.push = (...lines) => {
      if (lines[0]?.record['event.name'] === 'absence_unlisted') throw new Leak('the log is full');
      return push(...lines);
    };
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'internal_error', outcome: 'unknown' });
    expect(harness.lines.map(({ record }) => record)).toMatchObject([
      { outcome: 'unknown', attempts: 1, 'bce.code': 'Odd', 'ledger.settled': true, 'exception.type': 'Leak' },
    ]);
  });

  it('after an answer was given does not change it', async () => {
    const { response } = await deleteWithBrokenHold(2);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ outcome: 'deleted', confirmed: true });
  });

  it('in any other call says that no deletion was sent, and the record names the caller', async () => {
    const harness = createHarness({ env: { LEDGER: { getByName: () => ({ history: async () => null }) } } });
    const response = await harness.call('GET', '/deletions');
    expect(await problemOf(response)).toMatchObject({ code: 'internal_error', outcome: 'not_attempted' });
    expect(harness.lines[0]?.record).toMatchObject({
      'caller.id': 'cleaner',
      'exception.type': 'TypeError',
      attempts: 0,
    });
  });

  it('after the first attempt leaves the number of attempts unknown, in the record and in the row', async () => {
    const harness = createHarness({
      fetch: () => {
        throw new Leak('thrown where no promise was made');
      },
    });
    await harness.call('DELETE', '/images/m-custom01');
    expect(harness.lines[0]?.record).toMatchObject({ outcome: 'unknown', 'server.address': 'bcc.bj.baidubce.com' });
    expect(harness.lines[0]?.record).not.toHaveProperty('attempts');
    const { body } = await historyPage(harness, '/deletions');
    expect(body.deletions).toMatchObject([{ outcome: 'unknown', attempts: null, code: 'internal_error' }]);
  });
});

describe('the trace id', () => {
  it.each([
    ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', '4bf92f3577b34da6a3ce929d0e0e4736'],
    ['cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more', '4bf92f3577b34da6a3ce929d0e0e4736'],
    ['ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', undefined],
    ['00-00000000000000000000000000000000-00f067aa0ba902b7-01', undefined],
    ['00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01', undefined],
    ['4bf92f3577b34da6a3ce929d0e0e4736', undefined],
    ['00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01', undefined],
    ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more', undefined],
    [undefined, undefined],
  ])('of the traceparent %s is %s', (traceparent, expected) => {
    expect(traceId(traceparent)).toBe(expected);
  });
});

describe('an exception', () => {
  it('has a type even without a stack', () => {
    const error = new TypeError('x');
    Reflect.deleteProperty(error, 'stack');
    expect(describeException(error)).toEqual({ type: 'TypeError', stacktrace: '' });
  });

  it('shows no line of its message, even one that looks like a frame', () => {
    const { stacktrace } = describeException(new Error('one\n    at a-secret\ntwo')) ?? {};
    expect(stacktrace).toMatch(/audit\.test\.ts/);
    expect(stacktrace).not.toContain('a-secret');
  });
});
