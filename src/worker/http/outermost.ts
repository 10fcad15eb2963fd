/**
 * The outermost step of every request: its ids, the headers of its response, and its audit record.
 *
 * Promises: every request leaves exactly one record, whatever happens.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { credentialHeaders } from '../callers/identify.ts';
import { keptBeside, type MayKeep } from '../kept-text.ts';
import { logEvent } from '../log.ts';
import { type Addressee, instanceOf } from '../problems/problem.ts';
import { REQUEST_ID } from '../request-id.ts';
import type { Runtime } from '../runtime.ts';
import { crash, problem } from './answer.ts';
import { type Audited, auditRecord } from './audit.ts';
import { give, type HttpEnv } from './context.ts';
import { isHost } from './request.ts';
import { HSTS, HSTS_HEADER, type Transport, transportOf } from './transport.ts';
import { VERSION_HEADER } from './version-header.ts';

/** The outermost step: gives the request its ids, and writes its record when everything is done. */
export function audit(
  { now, randomUUID, log }: Pick<Runtime, 'now' | 'randomUUID' | 'log'>,
  { identity, gateway, version }: Audited,
): MiddlewareHandler<HttpEnv> {
  return async function writeAuditRecord(c, next) {
    const startMs = now();
    const id = randomUUID();
    const given = c.req.header('x-request-id') ?? '';
    const mayKeep = keptBeside(credentialHeaders(identity, c.req.raw.headers), (name) => c.req.header(name));
    const url = URL.parse(c.req.url);
    const transport = transportOf(c.env, url);
    const requestId = REQUEST_ID.test(given) && mayKeep(given) ? given : id;
    const to = addresseeOf({ url, path: c.req.path }, requestId, transport, mayKeep);
    c.set('id', id);
    c.set('to', to);
    c.set('mayKeep', mayKeep);
    c.set('transport', transport);
    c.set('outcomeOfCrash', 'not_attempted');
    try {
      if (url !== null && isHost(c.req.header('host'))) await next();
      else c.res = give(c, problem(to, { code: 'invalid_request', fault: 'malformed_host' }));
    } catch (thrown) {
      c.res = giveAfterCrash(c, thrown);
    }
    c.res.headers.set('X-Request-Id', requestId);
    c.res.headers.set('Cache-Control', 'no-store');
    if (transport === 'https') c.res.headers.set(HSTS_HEADER, HSTS);
    if (version !== null) c.res.headers.set(VERSION_HEADER, version);

    const durationMs = now() - startMs;
    const write = (settled?: boolean) => {
      const { severity, fields } = auditRecord(c, { gateway, version }, durationMs, settled);
      logEvent({ now: () => startMs, log }, severity, 'audit', fields);
    };
    const settled = c.get('answer')?.deletion?.settled;
    // The record waits until the ledger has the outcome; the response does not.
    if (settled) c.executionCtx.waitUntil(settled.then(write));
    else write();
  };
}

/** The response to an exception. An answer given before the exception stands, because it is still true. */
export function giveAfterCrash(c: Context<HttpEnv>, thrown: unknown): Response {
  const before = c.get('answer');
  return give(c, before === undefined ? crash(c.get('to'), thrown, c.get('outcomeOfCrash')) : { ...before, thrown });
}

interface Address {
  readonly url: URL | null;
  readonly path: string;
}

/** Computed on demand: most answers contain neither URL nor path, so checking whether those may be repeated would be wasted. */
function addresseeOf({ url, path }: Address, requestId: string, transport: Transport, mayKeep: MayKeep): Addressee {
  return {
    requestId,
    get origin() {
      if (url === null || !mayKeep(url.host)) return '';
      return transport === 'http' ? `https://${url.hostname}` : url.origin;
    },
    get instance() {
      const instance = instanceOf(path);
      return mayKeep(instance) ? instance : '/';
    },
  };
}
