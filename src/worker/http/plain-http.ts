/**
 * Refuses plain http, over which anyone on the network path can read a credential.
 *
 * Promises: over plain http, another machine gets only `/healthz`. A request for a page without a credential is redirected to https;
 * everything else is refused. The caller is identified first, so that the audit record shows whose key to replace. Never: counts such
 * a request against a limit.
 *
 * Source: RFC 9110 §15.4.9 (308).
 */
import type { Context, MiddlewareHandler } from 'hono';
import { credentialHeaders, type Identity } from '../callers/identify.ts';
import { FILES_PATH } from '../pages.ts';
import { PROBLEMS_PATH } from '../problems/problem.ts';
import { type Answer, problem } from './answer.ts';
import { give, type HttpEnv, waitUntilOf } from './context.ts';

/** What a person may open by typing the host name. */
const PAGE = new RegExp(`^(?:/docs|/console|/openapi\\.json|${FILES_PATH}/[a-z.-]+|${PROBLEMS_PATH}/[a-z_]+)$`);

/** Lets through everything that did not arrive over plain http. */
export function refusePlainHttp(identity: Identity | null): MiddlewareHandler<HttpEnv> {
  return async function refusePlainHttp(c, next) {
    if (c.get('transport') !== 'http' || c.req.path === '/healthz') return next();
    // A browser sends cookies with page requests, too.
    const names = credentialHeaders(identity, c.req.raw.headers).filter((name) => name !== 'cookie');
    const hasCredential = names.some((name) => c.req.header(name) !== undefined);
    const page = hasCredential ? null : pageOverHttps(c);
    if (page !== null) return new Response(null, { status: 308, headers: { Location: page } });
    const refusal = problem(c.get('to'), { code: 'insecure_transport', hasCredential });
    return give(c, hasCredential && identity !== null ? await identified(c, identity, refusal) : refusal);
  };
}

/** The refusal, with the caller whose credential it was. */
async function identified(c: Context<HttpEnv>, identity: Identity, refusal: Answer): Promise<Answer> {
  const known = await identity.identify(c.env, (name) => c.req.header(name), waitUntilOf(c));
  return known.ok ? { ...refusal, identified: known.value } : refusal;
}

/** The URL of the same page over https, or `null` if this is no page. */
function pageOverHttps(c: Context<HttpEnv>): string | null {
  const { method, path } = c.req;
  const { origin } = c.get('to');
  const isPage = (method === 'GET' || method === 'HEAD') && PAGE.test(path) && c.get('mayKeep')(path);
  return isPage && origin !== '' ? origin + path : null;
}
