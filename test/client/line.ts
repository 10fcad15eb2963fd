/**
 * The line between the client and the real gateway, with its faults, and the runtime in which the client waits.
 *
 * Promises: a request that arrives is answered by the real app, its real ledger and the emulator; the line keeps its own record
 * of what was sent and which responses the client really got. Pauses take no time: they only turn the client's clock.
 */
import { runInDurableObject } from 'cloudflare:test';
import { ImageGateway, type ImageGatewayOptions, type OutgoingRequest } from '../../src/client/index.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import type { Ledger } from '../../src/worker/ledger/rows.ts';
import type { Schedule } from '../../src/worker/ledger/schedule.ts';
import { LedgerStore } from '../../src/worker/ledger/store.ts';
import { checkOf, KEYS } from '../fixtures.ts';
import { createHarness, freshLedgers, GATEWAY, type HarnessOptions } from '../harness.ts';

const HTML = '<html><body><h1>502 Bad Gateway</h1></body></html>';
const html = (status: number) => new Response(HTML, { status, headers: { 'content-type': 'text/html' } });

/** What happens to a request in transit. `before`: it never arrives. `after`: it arrives, but its answer does not. */
export const LINE_FAULTS = [
  'lost_before',
  'lost_after',
  'lost_and_late',
  'hang_before',
  'hang_after',
  'html_502_before',
  'html_502_after',
  'html_200_after',
  'html_429_before',
  'redirect_before',
  'followed_after',
  'empty_200_before',
  'other_shape_200_before',
  'other_image_after',
  'other_request_after',
  'other_problem_before',
  'cut_after',
  'stalled_after',
  'too_long_after',
  'not_utf8_after',
] as const;
export type LineFault = (typeof LINE_FAULTS)[number];

/** A request as the client sent it, and the outcome in the gateway's own response, if that arrived complete. */
export interface Sent extends OutgoingRequest {
  readonly url: string;
  readonly requestId: string;
  told: string | null;
}

export interface LineOptions extends HarnessOptions {
  /** The key that the client uses. */
  readonly key?: string;
  readonly client?: Partial<ImageGatewayOptions>;
  /** The client of another release. */
  readonly Client?: typeof ImageGateway;
  /** Whether the ledger stores outcomes. If not, it is as if the gateway were killed before it settled. */
  readonly settles?: () => boolean;
}

export function createLine({
  key = KEYS.both,
  client,
  Client = ImageGateway,
  env,
  settles = () => true,
  ...options
}: LineOptions = {}) {
  const ledgers = freshLedgers();
  const ledger = ledgers.getByName();
  const killed = async () => Promise.reject(new Error('killed'));
  const LEDGER = {
    getByName: (): Ledger => ({
      reserve: (...args) => ledger.reserve(...args),
      cancel: (...args) => ledger.cancel(...args),
      settle: (...args) => (settles() ? ledger.settle(...args) : killed()),
      peek: (...args) => ledger.peek(...args),
      history: (...args) => ledger.history(...args),
      metrics: () => ledger.metrics(),
    }),
  };
  const harness = createHarness({ ...options, env: { LEDGER, UPSTREAM_ATTEMPT_TIMEOUT_MS: '50', ...env } });
  const sent: Sent[] = [];
  const pausesMs: number[] = [];
  const startMs = Date.now();
  let nowMs = 0;
  /** Faults for the next deletions and reads, first in, first out; `null` is no fault. */
  const faults: { DELETE: (LineFault | null)[]; GET: (LineFault | null)[] } = { DELETE: [], GET: [] };
  const late: (() => Promise<unknown>)[] = [];
  /** Called after each pause. */
  const hooks = { afterPause: async (_elapsedMs: number): Promise<void> => undefined };

  const send = async (url: string, init: OutgoingRequest): Promise<Response> => {
    const entry: Sent = { ...init, url, requestId: init.headers['X-Request-Id'] ?? '', told: null };
    sent.push(entry);
    const fault = faults[init.method].shift() ?? null;
    const arrive = () => harness.call(init.method, url.slice(GATEWAY.length), init.headers);
    if (fault !== null) return misbehave(fault, entry, { arrive, arriveLate: () => late.push(arrive), ring });
    const response = await arrive();
    const body = parseJson(await response.clone().text());
    entry.told = isRecord(body) ? String(body['outcome']) : null;
    return response;
  };
  /** The running timers and their durations. They ring when the line says so. */
  const timers = new Map<() => void, number>();
  const ring = () => {
    for (const each of [...timers.keys()]) each();
  };
  const runtime = {
    monotonicNow: () => nowMs,
    random: () => 0.5,
    sleep: async (ms: number) => {
      pausesMs.push(ms);
      nowMs += ms;
      await hooks.afterPause(nowMs);
    },
    startTimer: (ms: number, ring: () => void) => {
      timers.set(ring, ms);
      return () => void timers.delete(ring);
    },
  };
  const clientWith = (change: Partial<ImageGatewayOptions>) =>
    new Client(
      { baseUrl: GATEWAY, token: key, fetch: send, ...change },
      // 1.0.0 has another name for the monotonic clock.
      Client === ImageGateway ? runtime : { ...runtime, now: runtime.monotonicNow },
    );
  return {
    harness,
    ledger,
    images: clientWith(client ?? {}),
    /** Another client on the same line. */
    clientWith,
    send,
    timers,
    ring,
    sent,
    pausesMs,
    faults,
    hooks,
    /** Delivers the requests whose senders have given up. */
    arriveLate: async () => {
      for (const arrive of late.splice(0)) await arrive();
    },
    deletions: () => sent.filter(({ method }) => method === 'DELETE'),
    reads: () => sent.filter(({ method }) => method === 'GET'),
    /** Makes every row of the ledger older. */
    age: (ms: number) =>
      runInDurableObject(ledger, (_ledger, ctx) => {
        ctx.storage.sql.exec('UPDATE deletions SET reserved_at = reserved_at - ?', ms);
      }),
    /** Makes the ledger check an image, as its alarm would at the client's time. */
    check: (imageId: string, schedule: Schedule) =>
      runInDurableObject(ledger, (_ledger, ctx) => {
        const finding = harness.emulator.images.has(imageId) ? 'found' : 'absent';
        const atMs = startMs + 1_000 + nowMs;
        new LedgerStore(ctx.storage.sql, schedule).applyCheck(imageId, checkOf(finding, atMs), atMs);
      }),
  };
}

export type TestLine = ReturnType<typeof createLine>;

/** What the call throws. @throws Error if the call succeeds */
export async function thrownBy(call: Promise<unknown>): Promise<unknown> {
  const end = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('value' in end) throw new Error(`It did not throw, but returned ${JSON.stringify(end.value)}`);
  return end.error;
}

/** The answer with its body changed, as a proxy might. */
async function altered(response: Response, change: (text: string) => BodyInit): Promise<Response> {
  const { status, headers } = response;
  return new Response(change(await response.text()), { status, headers });
}

/** The first half of the answer's body; then `goOn` takes over. */
function halved(goOn: (controller: ReadableStreamDefaultController<Uint8Array>) => void) {
  return (text: string) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text.slice(0, text.length / 2)));
        goOn(controller);
      },
    });
}

const lost = () => new TypeError('fetch failed');

interface Way {
  readonly arrive: () => Promise<Response>;
  readonly arriveLate: () => void;
  readonly ring: () => void;
}

async function misbehave(fault: LineFault, { signal, requestId }: Sent, way: Way): Promise<Response> {
  const { arrive, arriveLate, ring } = way;
  const hang = () => {
    setTimeout(ring);
    return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  const headers = { 'x-request-id': requestId, 'content-type': 'application/json' };
  if (fault.endsWith('_before')) {
    switch (fault) {
      case 'hang_before':
        return hang();
      case 'html_502_before':
        return html(502);
      case 'html_429_before':
        return new Response('<p>Slow down.</p>', { status: 429, headers: { 'retry-after': '1' } });
      case 'redirect_before':
        return new Response(null, { status: 307, headers: { ...headers, location: 'https://elsewhere.test/' } });
      case 'empty_200_before':
        return new Response(null, { status: 200, headers });
      case 'other_shape_200_before':
        return Response.json({ status: 'ok' }, { headers });
      case 'other_problem_before':
        return Response.json(
          { type: 'about:blank', title: 'Service Unavailable', status: 503 },
          { status: 503, headers },
        );
      default:
        throw lost();
    }
  }
  if (fault === 'lost_and_late') {
    arriveLate();
    throw lost();
  }
  const response = await arrive();
  switch (fault) {
    case 'hang_after':
      return hang();
    case 'html_502_after':
      return html(502);
    case 'html_200_after':
      return html(200);
    case 'followed_after':
      return Object.defineProperty(response, 'redirected', { value: true });
    case 'other_image_after':
      // A problem names no image that could be changed.
      if (!response.ok) throw lost();
      return altered(response, (text) => text.replace(/m-\w+/g, 'm-another1'));
    case 'other_request_after':
      return altered(response, (text) => text.replaceAll(requestId, 'another-id'));
    case 'cut_after':
      return altered(
        response,
        halved((controller) => controller.error(lost())),
      );
    case 'stalled_after':
      setTimeout(ring);
      return altered(
        response,
        halved(() => undefined),
      );
    case 'too_long_after':
      return altered(response, (text) => text + ' '.repeat(4_200_000));
    case 'not_utf8_after':
      return altered(response, () => new Uint8Array([0x7b, 0xff, 0x7d]));
    default:
      throw lost();
  }
}
