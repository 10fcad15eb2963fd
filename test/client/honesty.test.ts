/**
 * Whatever goes wrong between client, gateway and Baidu, the emulator's record never contradicts what the client reports.
 * The client sends no second deletion after one with an unknown outcome.
 *
 * The gateway, its ledger and its checks are the real ones; the emulator and the line keep the records that the reports are
 * compared with. The seed is fixed, so failures are reproducible.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ImageGateway,
  ImageGatewayError,
  LostAnswerError,
  NotSentError,
  ProblemError,
  type SendRequest,
} from '../../src/client/index.ts';
import { FAULTS, type FaultName } from '../emulator/emulator.ts';
import { KEYS } from '../fixtures.ts';
import { createLine, LINE_FAULTS, type LineFault, type TestLine } from './line.ts';

const SEED = 20_261_125;
const RUNS = 400;
const TIMEOUT_MS = 300_000;
/** When the ledger checks. If the first check is the last, an image that is still there becomes `not_deleted`. */
const SCHEDULES_S: readonly (readonly number[])[] = [[45, 3_600], [45]];

interface Story {
  readonly imageId: string;
  readonly allowMissing: boolean;
  readonly expectName: string | undefined;
  readonly retries: number;
  readonly patienceMs: number;
  /** What happens to each deletion and each read on its way to the gateway. */
  readonly deletions: readonly (LineFault | null)[];
  readonly reads: readonly (LineFault | null)[];
  /** How Baidu misbehaves, call by call. */
  readonly baidu: readonly FaultName[];
  /** The numbers of the requests that the limiter refuses. */
  readonly limited: readonly number[];
  /** The numbers of the requests for which the token cannot be obtained. */
  readonly tokenless: readonly number[];
  /** Whether the gateway lives long enough to settle. */
  readonly settles: boolean;
  readonly scheduleS: readonly number[];
  /** When late requests arrive and when the signal aborts, by the client's clock. `null`: not before the call ends. */
  readonly lateMs: number | null;
  readonly abortMs: number | null;
}

/** `local/paths` covers the rest: a late effect takes too long here, and the outcome of an unlisted 404 is a guess (`confirmed: false`). */
const baiduFaults = Object.keys(FAULTS).filter(
  (name): name is FaultName => name !== 'drop_and_later' && name !== 'unseen_404',
);
const lineFault = fc.option(fc.constantFrom(...LINE_FAULTS), { freq: 2 });
const elapsedMs = fc.option(fc.integer({ min: 0, max: 70_000 }), { freq: 2 });
const numbers = fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 3 });

const story: fc.Arbitrary<Story> = fc.record({
  imageId: fc.constantFrom(
    'm-custom01',
    'm-custom01',
    'm-custom01',
    'm-absent01',
    'm-shared01',
    'm-create01',
    'm-system01',
  ),
  allowMissing: fc.boolean(),
  expectName: fc.constantFrom(undefined, undefined, 'ci-build-1842', 'another'),
  retries: fc.integer({ min: 0, max: 3 }),
  patienceMs: fc.constantFrom(0, 5_000, 60_000, 90_000),
  deletions: fc.array(lineFault, { maxLength: 3 }),
  reads: fc.array(lineFault, { maxLength: 4 }),
  baidu: fc.array(fc.constantFrom(...baiduFaults), { maxLength: 4 }),
  limited: numbers,
  tokenless: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, numbers),
  settles: fc.boolean(),
  scheduleS: fc.constantFrom(...SCHEDULES_S),
  lateMs: elapsedMs,
  abortMs: elapsedMs,
});

interface End {
  readonly outcome: string;
  readonly confirmed: boolean | null;
  readonly requestId: string | null;
}

async function live(line: TestLine, { imageId, allowMissing, expectName, ...rest }: Story): Promise<End> {
  const controller = new AbortController();
  let isLookedAt = false;
  line.faults.DELETE.push(...rest.deletions);
  line.faults.GET.push(...rest.reads);
  line.harness.emulator.misbehave(...rest.baidu);
  line.hooks.afterPause = async (nowMs) => {
    if (rest.lateMs !== null && nowMs >= rest.lateMs) await line.arriveLate();
    if (nowMs >= 45_000 && !isLookedAt) {
      isLookedAt = true;
      await line.check(imageId, rest.scheduleS);
    }
    if (rest.abortMs !== null && nowMs >= rest.abortMs) controller.abort();
  };
  const options = { allowMissing, requestId: 'job-1', signal: controller.signal };
  try {
    return await line.images.deleteImage(imageId, { ...options, ...(expectName !== undefined && { expectName }) });
  } catch (error) {
    if (error instanceof NotSentError) return { outcome: error.outcome, confirmed: null, requestId: null };
    if (!(error instanceof ProblemError || error instanceof LostAnswerError)) throw error;
    return { outcome: error.outcome, confirmed: null, requestId: error.requestId };
  }
}

describe('for any sequence of faults', () => {
  it(
    'the client reports nothing false, and never repeats a deletion with an unknown outcome',
    async () => {
      const outcomes = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(story, async (told) => {
          let requests = 0;
          let tokens = 0;
          const isIn = (list: readonly number[], n: number) => list.includes(n);
          const line = createLine({
            env: { RATE_LIMITER_BURST: { limit: async () => ({ success: !isIn(told.limited, requests++) }) } },
            settles: () => told.settles,
            client: {
              retries: told.retries,
              patienceMs: told.patienceMs,
              token: async () => {
                if (isIn(told.tokenless, tokens++)) throw new Error('no token');
                return KEYS.both;
              },
            },
          });
          const { images, calls } = line.harness.emulator;
          const existed = images.has(told.imageId);
          const end = await live(line, told);
          // Late requests arrive now. That must not make any claim false.
          await line.arriveLate();
          outcomes.set(end.outcome, (outcomes.get(end.outcome) ?? 0) + 1);

          const atBaidu = calls.filter(({ method }) => method === 'DELETE');
          const hasDeleted = atBaidu.some(({ deleted }) => deleted);
          expect(hasDeleted, 'the emulator agrees with itself').toBe(existed && !images.has(told.imageId));
          switch (end.outcome) {
            case 'deleted':
              expect([images.has(told.imageId), atBaidu.length > 0]).toEqual([false, true]);
              if (end.confirmed === true) expect(hasDeleted || claimsOf(told).length > 0).toBe(true);
              break;
            case 'already_absent':
              expect(images.has(told.imageId)).toBe(false);
              break;
            case 'rejected':
              expect([hasDeleted, atBaidu.length > 0]).toEqual([false, true]);
              break;
            case 'not_attempted':
              expect(hasDeleted).toBe(false);
              break;
            case 'not_deleted':
              expect([hasDeleted, images.has(told.imageId)]).toEqual([false, existed]);
              break;
            default:
              expect(end.outcome).toBe('unknown');
          }

          // The line's own record: the response to each deletion before the next one was sent.
          const sent = line.deletions();
          for (const { told: outcome } of sent.slice(0, -1)) expect(outcome).toMatch(/^(?:not_attempted|rejected)$/);
          expect(sent.map(({ requestId }) => requestId)).toEqual(
            ['job-1', 'job-1.2', 'job-1.3', 'job-1.4'].slice(0, sent.length),
          );
          expect(sent.length).toBeLessThanOrEqual(told.retries + 1);
          expect(end.requestId).toBe(sent.at(-1)?.requestId ?? null);
          expect(line.timers.size).toBe(0);
        }),
        { seed: SEED, numRuns: RUNS },
      );
      // The stories must produce every outcome.
      expect([...outcomes.keys()].sort()).toEqual(
        ['already_absent', 'deleted', 'not_attempted', 'not_deleted', 'rejected', 'unknown'].sort(),
      );
    },
    TIMEOUT_MS,
  );
});

const mostly = fc.nat({ max: 9 }).map((n) => n > 0);
/** The gateway's answer, or something that arrives instead. `null` is no answer at all. */
const anyAnswer = fc.option(
  fc.record({
    status: fc.constantFrom(200, 202, 301, 409, 429, 500, 502, 503),
    outcome: fc.constantFrom('deleted', 'already_absent', 'rejected', 'not_attempted', 'unknown', 'gone', null),
    retryable: fc.constantFrom(true, true, true, false, 'true', null),
    /** Whether the body has the actual status, and the id of this request. */
    isOfStatus: mostly,
    isOfRequest: mostly,
    namesRequest: mostly,
    /** Whether a proxy has replaced the request id, in body and header. */
    isRenamed: fc.boolean(),
    isOfImage: mostly,
    retryAfter: fc.constantFrom(undefined, '0', '60', '61', '86400', '-1', 'soon'),
    isWhole: mostly,
  }),
  { freq: 6 },
);

describe('for any sequence of answers, from the gateway or not', () => {
  it(
    'a deletion is sent again only if the last answer says that nothing changed and a retry is allowed',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.infiniteStream(anyAnswer), fc.integer({ min: 0, max: 9 }), async (answers, retries) => {
          let nowMs = 0;
          // Checked at the end, because the client takes an error thrown here for a lost connection.
          const deletions: { id: string; maySend: boolean }[] = [];
          let reads = 0;
          let maySend = true;
          const send: SendRequest = async (_url, { method, headers: { 'X-Request-Id': id = '' } }) => {
            const answer = answers.next().value;
            if (method === 'GET') reads++;
            else {
              deletions.push({ id, maySend });
              maySend = answer !== null && permitsRepetition(answer);
            }
            if (answer === null) throw new TypeError('fetch failed');
            return answered(answer, id);
          };
          const images = new ImageGateway(
            { baseUrl: 'https://images.test', token: 'key', fetch: send, retries },
            {
              monotonicNow: () => nowMs,
              random: () => 0,
              sleep: async (ms) => {
                nowMs += ms;
              },
              startTimer: () => () => undefined,
            },
          );
          const end = await images.deleteImage('m-custom01', { requestId: 'job-1' }).catch((error: unknown) => error);
          if (end instanceof Error) expect(end).toBeInstanceOf(ImageGatewayError);
          const ids = ['job-1', ...Array.from({ length: retries }, (_, n) => `job-1.${n + 2}`)];
          expect(deletions).toEqual(ids.slice(0, deletions.length).map((id) => ({ id, maySend: true })));
          expect(reads).toBeLessThanOrEqual(20);
        }),
        { seed: SEED, numRuns: RUNS },
      );
    },
    TIMEOUT_MS,
  );
});

type AnyAnswer = NonNullable<typeof anyAnswer extends fc.Arbitrary<infer T> ? T : never>;

function answered({ status, outcome, retryable, ...rest }: AnyAnswer, requestId: string): Response {
  const answeredId = rest.isRenamed ? 'proxy-1' : requestId;
  const id = rest.isOfRequest ? answeredId : 'another';
  const text = JSON.stringify({
    type: 'https://images.test/problems/image_creating',
    title: 'The image is still being created',
    status: rest.isOfStatus ? status : 418,
    detail: 'Wait.',
    instance: rest.isOfImage ? '/images/m-custom01' : '/images/m-another1',
    code: 'image_creating',
    outcome,
    retryable,
    requestId: id,
  });
  const headers = new Headers(rest.namesRequest ? { 'x-request-id': answeredId } : {});
  if (rest.retryAfter !== undefined) headers.set('retry-after', rest.retryAfter);
  return new Response(rest.isWhole ? text : text.slice(0, 40), { status, headers });
}

/** An independent statement of the rule. */
function permitsRepetition(answer: AnyAnswer): boolean {
  const isNamed = answer.isOfRequest && answer.namesRequest && (answer.isOfImage || !answer.isRenamed);
  const isOurs = answer.isOfStatus && isNamed && answer.isWhole;
  const changedNothing = answer.outcome === 'not_attempted' || answer.outcome === 'rejected';
  const isTooLong = answer.retryAfter === '61' || answer.retryAfter === '86400';
  return answer.status >= 400 && isOurs && changedNothing && answer.retryable === true && !isTooLong;
}

/** Faults with which Baidu claims a deletion that the emulator did not make. */
function claimsOf({ baidu }: Story): FaultName[] {
  return baidu.filter((name) => name === 'bare_200' || name === 'accepted_202' || name === 'error_code_on_200');
}
