/** The audit record of a request, and what it says about a bug. */
import { describe, expect, it } from 'vitest';
import { describeException, traceId } from '../../src/http/audit.ts';
import { KEYS } from '../fixtures.ts';
import { createHarness, problemOf } from '../harness.ts';

describe('the audit record', () => {
  it('has exactly these fields for a deletion', async () => {
    const harness = createHarness();
    const response = await harness.call('DELETE', '/images/m-custom01', {
      Authorization: `Bearer ${KEYS.cleaner}`,
      'X-Request-Id': 'job-1',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      'User-Agent': 'not logged',
    });
    const body: unknown = await response.json();
    expect(harness.lines.map(({ record }) => record)).toEqual([
      {
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        severity_text: 'INFO',
        'event.name': 'audit',
        'request.id': 'job-1',
        trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
        'http.request.method': 'DELETE',
        'http.route': '/images/:id',
        'http.response.status_code': 200,
        'caller.id': 'cleaner',
        'image.id': 'm-custom01',
        decision: 'allowed',
        outcome: 'deleted',
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
    ];
    let requests = 0;
    for (const path of paths) {
      for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
        await harness.call(method, path);
        expect(harness.lines).toHaveLength(++requests);
      }
    }
  });

  it('names the image of a refused request, whoever sent it', async () => {
    const harness = createHarness();
    await harness.call('DELETE', '/images/m-custom01', {});
    await harness.call('DELETE', '/images/m-custom01', { Authorization: `Bearer ${KEYS.reader}` });
    await harness.call('PATCH', '/images/m-custom01');
    expect(harness.lines.map(({ record }) => record['image.id'])).toEqual(['m-custom01', 'm-custom01', 'm-custom01']);
  });

  it('names Baidu only if something was sent there', async () => {
    const ledger = { reserve: () => scheduler.wait(70).then(() => ({ seq: 1 })), settle: async () => null };
    const env = { LEDGER: { getByName: () => ledger }, UPSTREAM_DEADLINE_MS: '100', UPSTREAM_ATTEMPT_TIMEOUT_MS: '50' };
    const harness = createHarness({ env });
    const response = await harness.call('DELETE', '/images/m-custom01');
    expect(await problemOf(response)).toMatchObject({ code: 'upstream_timeout', outcome: 'not_attempted' });
    expect(harness.lines[0]?.record).toMatchObject({ attempts: 0 });
    expect(harness.lines[0]?.text).not.toMatch(/server\.address|fingerprint/);
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

  it('gives the caller a bare 500 and the operator its place, and nobody its message', async () => {
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

  it('is handled in the same way if it throws a string', async () => {
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
    expect(await problemOf(response)).toMatchObject({ code: 'internal_error', outcome: 'unknown' });
    expect(harness.lines).toHaveLength(1);
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
});
