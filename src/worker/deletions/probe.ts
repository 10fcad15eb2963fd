/**
 * Whether Baidu accepts our credential, found out without deleting anything: by reading an image that cannot exist.
 *
 * Promises: in each isolate, one read every ten seconds, which is sent again at most once, however many ask; whoever asks in between
 * is told what the last one found. Never: sends Baidu anything but GET, or waits longer than the deadline.
 */
import type { Answer } from '../baidu/answer.ts';
import type { ImageApi } from '../baidu/images.ts';
import { ID_OF_NO_IMAGE } from '../image-id.ts';
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import { type Runtime, waitWhile } from '../runtime.ts';
import { asNotAttempted, upstreamFailure } from './upstream.ts';

export interface Probed {
  /** `null`: Baidu has answered about the image, and so has accepted the signature. */
  readonly result: Result<null, Failure>;
  /** How often this request has sent the read; 0 if it is told what an earlier one found. */
  readonly attempts: number;
  readonly answer: Answer | undefined;
}

const MIN_INTERVAL_MS = 10_000;
const ABOUT = { imageId: ID_OF_NO_IMAGE, call: 'probe' } as const;

export class UpstreamProbe {
  readonly #images: Pick<ImageApi, 'get'>;
  readonly #runtime: Pick<Runtime, 'now' | 'sleep'>;
  readonly #deadlineMs: number;
  #askedAtMs: number | null = null;
  /** What the last read found; `null` while it is under way. */
  #found: Probed['result'] | null = null;

  constructor(images: Pick<ImageApi, 'get'>, deadlineMs: number, runtime: Pick<Runtime, 'now' | 'sleep'>) {
    this.#images = images;
    this.#deadlineMs = deadlineMs;
    this.#runtime = runtime;
  }

  /** Reads, or tells what the last read found. @throws only on a bug */
  async ask(): Promise<Probed> {
    if (this.#isDue()) return this.#read();
    await waitWhile(() => this.#found === null, this.#deadlineMs, this.#runtime.sleep);
    const timeout = upstreamFailure({ code: 'upstream_timeout', outcome: 'not_attempted' }, undefined, ABOUT);
    return { result: this.#found ?? failed(timeout), attempts: 0, answer: undefined };
  }

  /** A read whose request was ended by the platform counts as over after the deadline, and a time in the future as long ago. */
  #isDue(): boolean {
    if (this.#askedAtMs === null) return true;
    const ageMs = this.#runtime.now() - this.#askedAtMs;
    return ageMs < 0 || ageMs >= (this.#found === null ? Math.max(this.#deadlineMs, MIN_INTERVAL_MS) : MIN_INTERVAL_MS);
  }

  async #read(): Promise<Probed> {
    const nowMs = this.#runtime.now();
    this.#askedAtMs = nowMs;
    this.#found = null;
    const { result, attempts, answer } = await this.#images.get(ID_OF_NO_IMAGE, nowMs + this.#deadlineMs);
    const isAccepted = result.ok || result.failure.code === 'image_not_found';
    this.#found = isAccepted ? ok(null) : failed(upstreamFailure(asNotAttempted(result.failure), answer, ABOUT));
    return { result: this.#found, attempts, answer };
  }
}
