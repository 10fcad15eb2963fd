/**
 * A fake of Cloudflare's API behind `CLOUDFLARE_API_BASE_URL`, and of the gateway that it deploys to, over real sockets.
 *
 * Promises: each upload of secrets makes a new version, and after a while the gateway runs it. Never: implements more of the API than
 * Wrangler needs.
 */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import type { World } from '../../src/tools/command.ts';
import { recordOf } from '../../src/tools/json-text.ts';
import { parseJson } from '../../src/worker/json.ts';

export interface Upload {
  /** The name of the Worker. */
  readonly script: string;
  /** Values by name. */
  readonly secrets: Readonly<Record<string, unknown>>;
}

export interface StandIn {
  readonly apiUrl: string;
  readonly gatewayUrl: string;
  readonly uploads: Upload[];
  /** Every request to the API, by method and path. */
  readonly calls: string[];
  /** How often code was uploaded. */
  deployed: number;
  /** How often the gateway still answers with the old version after an upload. */
  lagging: number;
  /** What the gateway answers to `GET /readyz?upstream=true`. */
  readiness: { status: number; body: unknown };
  /** The status of the API's answers. */
  apiStatus: number;
  readonly env: World['env'];
  readonly stop: () => Promise<void>;
}

export const READY = {
  status: 'ready',
  caller: 'ops',
  scopes: ['images:read'],
  keyFingerprint: '9ae8a8b2',
  credentialAccepted: true,
  control: 'found',
};

/** @param home a folder that Wrangler may write to, so that it does not read the developer's login */
export async function startStandIn(home: string): Promise<StandIn> {
  const api = await serve(async (request, response) => {
    standIn.calls.push(`${request.method} ${request.url}`);
    const body = await text(request);
    const [, script = ''] = /\/scripts\/([^/]+)\/secrets-bulk$/.exec(request.url ?? '') ?? [];
    if (script !== '' && standIn.apiStatus === 200) standIn.uploads.push({ script, secrets: secretsIn(body) });
    if (request.method === 'PUT' && standIn.apiStatus === 200) standIn.deployed++;
    const isFine = standIn.apiStatus === 200;
    const errors = isFine ? [] : [{ code: 10000, message: 'Authentication error' }];
    response.writeHead(standIn.apiStatus, { 'content-type': 'application/json' });
    const result = resultOf(request.url ?? '');
    response.end(JSON.stringify({ success: isFine, errors, messages: [], result }));
  });
  const gateway = await serve((request, response) => {
    const isOld = standIn.uploads.length > 0 && standIn.lagging-- > 0;
    const { status, body } = standIn.readiness;
    const requestId = String(request.headers['x-request-id']);
    response.writeHead(status, {
      'content-type': status === 200 ? 'application/json' : 'application/problem+json',
      'gateway-version': `version-${standIn.uploads.length + standIn.deployed - (isOld ? 1 : 0)}`,
      'x-request-id': requestId,
    });
    response.end(JSON.stringify({ ...recordOf(body), ...(status === 200 ? {} : { requestId }) }));
  });
  const standIn: StandIn = {
    apiUrl: api.url,
    gatewayUrl: gateway.url,
    uploads: [],
    calls: [],
    deployed: 0,
    lagging: 0,
    readiness: { status: 200, body: READY },
    apiStatus: 200,
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      XDG_CONFIG_HOME: home,
      CLOUDFLARE_API_BASE_URL: api.url,
      CLOUDFLARE_API_TOKEN: 'none',
      CLOUDFLARE_ACCOUNT_ID: 'none',
      WRANGLER_SEND_METRICS: 'false',
    },
    stop: async () => {
      await Promise.all([api.stop(), gateway.stop()]);
    },
  };
  return standIn;
}

/** The results that Wrangler needs to continue a deploy. Any other may be `null`. */
function resultOf(url: string): unknown {
  const { pathname } = new URL(url, 'http://api.test');
  const secret = (name: string) => ({ name, type: 'secret_text' });
  if (/\/services\/[^/]+$/.test(pathname))
    return { default_environment: { script: { last_deployed_from: 'wrangler' } } };
  if (pathname.endsWith('/assets-upload-session')) return { jwt: 'none', buckets: [] };
  if (pathname.endsWith('/secrets')) return ['BCE_ACCESS_KEY_ID', 'BCE_SECRET_ACCESS_KEY', 'CALLERS'].map(secret);
  if (pathname.endsWith('/deployments')) return { deployments: [] };
  if (pathname.endsWith('/settings')) return { bindings: [], migration_tag: 'v1' };
  if (pathname.endsWith('/subdomain')) return { enabled: false, previews_enabled: false };
  if (/\/workers\/workers\/[^/]+$/.test(pathname)) return { subdomain: { enabled: false, previews_enabled: false } };
  if (/\/scripts\/[^/]+$/.test(pathname)) return { id: 'script', startup_time_ms: 5, deployment_id: 'deployment' };
  return null;
}

function secretsIn(body: string): Upload['secrets'] {
  const { secrets } = recordOf(parseJson(body));
  return Object.fromEntries(Object.entries(recordOf(secrets)).map(([name, each]) => [name, recordOf(each)['text']]));
}

/** A server on loopback. */
export async function serve(listener: RequestListener): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = createServer(listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
