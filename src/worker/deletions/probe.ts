/**
 * Checks whether Baidu accepts our credential. The probe deletes nothing: it reads an image that cannot exist, and the control,
 * an image that should exist.
 *
 * Promises: at most one probe every ten seconds in each isolate; requests in between share the last result. Never: sends Baidu
 * anything but GET, waits longer than the deadline, or fails because of the control.
 */
import type { Answer } from '../baidu/answer.ts';
import type { ImageApi } from '../baidu/images.ts';
import { unlistedCode } from '../baidu/verdict.ts';
import { ID_OF_NO_IMAGE, type ImageId } from '../image-id.ts';
import { logEvent } from '../log.ts';
import type { Failure } from '../problems/failure.ts';
import { failed, ok, type Result } from '../result.ts';
import { type Runtime, waitWhile } from '../runtime.ts';
import type { ReadinessBody } from './bodies.ts';
import { asNotAttempted, logUnlistedCode, upstreamFailure } from './upstream.ts';

/** The result of a probe. It succeeds if Baidu answers about the image, because then it has accepted the signature. */
interface Found {
  readonly result: Result<null, Failure>;
  readonly control: ReadinessBody['control'];
}

export interface Probed extends Found {
  /** Reads that this request sent; 0 if it shares the result of an earlier probe. */
  readonly attempts: number;
  /** Baidu's response about the image that cannot exist. */
  readonly answer: Answer | undefined;
}

const MIN_INTERVAL_MS = 10_000;
const ABOUT = { imageId: ID_OF_NO_IMAGE, call: 'probe' } as const;

export class UpstreamProbe {
  readonly #images: Pick<ImageApi, 'get' | 'check'>;
  readonly #controlId: ImageId | null;
  readonly #runtime: Pick<Runtime, 'now' | 'sleep' | 'log'>;
  readonly #deadlineMs: number;
  #askedAtMs: number | null = null;
  /** The last probe's result; `null` while it is in progress. */
  #found: Found | null = null;

  /** `controlId` is the image that should exist, or `null` if none is configured. */
  constructor(
    images: Pick<ImageApi, 'get' | 'check'>,
    controlId: ImageId | null,
    deadlineMs: number,
    runtime: Pick<Runtime, 'now' | 'sleep' | 'log'>,
  ) {
    this.#images = images;
    this.#controlId = controlId;
    this.#deadlineMs = deadlineMs;
    this.#runtime = runtime;
  }

  /** Probes, or returns the last result. `id` is that of the request. @throws only on a bug */
  async ask(id: string): Promise<Probed> {
    if (this.#isDue()) return this.#read(id);
    await waitWhile(() => this.#found === null, this.#deadlineMs, this.#runtime.sleep);
    const timeout = upstreamFailure({ code: 'upstream_timeout', outcome: 'not_attempted' }, undefined, ABOUT);
    const found = this.#found ?? { result: failed(timeout), control: null };
    return { ...found, attempts: 0, answer: undefined };
  }

  /** If the platform ended a probe's request, the probe counts as over after the deadline. A future time counts as long ago. */
  #isDue(): boolean {
    if (this.#askedAtMs === null) return true;
    const ageMs = this.#runtime.now() - this.#askedAtMs;
    return ageMs < 0 || ageMs >= (this.#found === null ? Math.max(this.#deadlineMs, MIN_INTERVAL_MS) : MIN_INTERVAL_MS);
  }

  async #read(id: string): Promise<Probed> {
    const nowMs = this.#runtime.now();
    this.#askedAtMs = nowMs;
    this.#found = null;
    const [{ result, attempts, answer }, control] = await Promise.all([
      this.#images.get(ID_OF_NO_IMAGE, nowMs + this.#deadlineMs),
      this.#controlId === null ? null : this.#checkControl(id, this.#controlId),
    ]);
    logUnlistedCode(this.#runtime, { imageId: ID_OF_NO_IMAGE, id }, unlistedCode(answer));
    const isAccepted = result.ok || result.failure.code === 'image_not_found';
    this.#found = {
      result: isAccepted ? ok(null) : failed(upstreamFailure(asNotAttempted(result.failure), answer, ABOUT)),
      control,
    };
    return { ...this.#found, attempts: attempts + (this.#controlId === null ? 0 : 1), answer };
  }

  async #checkControl(id: string, imageId: ImageId): Promise<ReadinessBody['control']> {
    const check = await this.#images.check(imageId);
    if (check.seen === 'failed') {
      logUnlistedCode(this.#runtime, { imageId, id }, check.unlistedCode);
      return null;
    }
    if (check.seen === 'absent') {
      logEvent(this.#runtime, 'WARN', 'control_absent', { 'gateway.request.id': id, 'image.id': imageId });
    }
    return check.seen;
  }
}
