/**
 * The least code for this work, not made to be read, tested or changed. One function does everything that a successful
 * deletion needs, without framework, ledger or errors: authenticate, limit, sign, bound the time, read the response, log,
 * respond. No Worker that does this work can be much faster.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { BceClient } from '../../../src/worker/baidu/client.ts';

export interface LeastEnv {
  BCC_ENDPOINT: string;
  BCE_ACCESS_KEY_ID: string;
  BCE_SECRET_ACCESS_KEY: string;
  CALLERS: string;
}

/** Where a deletion is recorded before it is sent, and its outcome afterwards. */
export interface LeastLedger {
  reserve(id: string, requestId: string, caller: string, imageId: string): Promise<void>;
  settle(id: string, outcome: string, upstreamRequestId: string | null): Promise<void>;
}

const encoder = new TextEncoder();
const seen = new Map<string, number>();
let client: BceClient | undefined;

const limit = async (caller: string) => {
  seen.set(caller, (seen.get(caller) ?? 0) + 1);
  return true;
};

export async function handle(
  request: Request,
  env: LeastEnv,
  ctx: ExecutionContext,
  ledger?: LeastLedger,
): Promise<Response> {
  const startMs = Date.now();
  client ??= new BceClient(
    { accessKeyId: env.BCE_ACCESS_KEY_ID, secretAccessKey: env.BCE_SECRET_ACCESS_KEY },
    { fetch: (url, signed) => fetch(url, signed), now: () => Date.now() },
  );
  const requestId = request.headers.get('x-request-id') ?? crypto.randomUUID();
  const key = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';
  const caller = bytesToHex(sha256(encoder.encode(key)));
  const id = request.url.slice(request.url.lastIndexOf('/') + 1);
  if (!env.CALLERS.includes(caller) || !/^m-\w+$/.test(id) || !(await limit(caller)) || !(await limit(caller))) {
    return new Response(null, { status: 400 });
  }
  const rowId = crypto.randomUUID();
  await ledger?.reserve(rowId, requestId, caller, id);
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), 8_000);
  const url = new URL(`${env.BCC_ENDPOINT}/v2/image/${id}`);
  const answer = await client.fetch(url, { method: 'DELETE', signal: controller.signal });
  const body = answer.headers.get('content-length') === '0' ? '' : await answer.text();
  clearTimeout(timer);
  const upstreamRequestId = answer.headers.get('x-bce-request-id');
  const outcome = body === '' ? 'deleted' : 'unknown';
  if (ledger !== undefined) ctx.waitUntil(ledger.settle(rowId, outcome, upstreamRequestId));
  const timestamp = new Date(startMs).toISOString();
  const durationMs = Date.now() - startMs;
  console.log(
    JSON.stringify({ timestamp, requestId, caller, id, status: answer.status, upstreamRequestId, durationMs }),
  );
  return new Response(JSON.stringify({ id, outcome, requestId, upstreamRequestId }), {
    headers: { 'Content-Type': 'application/json', 'X-Request-Id': requestId, 'Cache-Control': 'no-store' },
  });
}

export default {
  fetch(request: Request, env: LeastEnv, ctx: ExecutionContext): Promise<Response> {
    const answer = handle(request, env, ctx);
    ctx.waitUntil(answer);
    return answer;
  },
};
