import { ImageGatewayError, LostAnswerError, NotSentError, ProblemError } from './errors.js';
import { exchange, retryAfterS, timeOf } from './exchange.js';
import { concluded, fateIn } from './fate.js';
import { imagePath, readFilter, readOptions, readOrder, readReadOptions, searchOf, } from './options.js';
import { isDeletion, isHistory, isPreview, isProblem, isReadiness } from './shapes.js';
export { ImageGatewayError, LostAnswerError, NotSentError, ProblemError } from './errors.js';
const ANSWER_TIMEOUT_MS = 30_000;
const RETRY_PAUSE_MS = 2_000;
const ASK_PAUSE_MS = 500;
const MAX_ASK_PAUSE_MS = 10_000;
const CLOCK_SLACK_MS = 2_000;
const startTimer = (ms, ring) => {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
};
const PLATFORM = {
    now: () => performance.now(),
    random: () => Math.random(),
    sleep: (ms, signal) => new Promise((resolve) => {
        const end = () => {
            stopTimer();
            signal?.removeEventListener('abort', end);
            resolve();
        };
        const stopTimer = startTimer(ms, end);
        signal?.addEventListener('abort', end);
        if (signal?.aborted)
            end();
    }),
    startTimer,
};
export class ImageGateway {
    #settings;
    #world;
    constructor(options, world = {}) {
        this.#settings = readOptions(options);
        this.#world = { ...PLATFORM, ...world };
    }
    async deleteImage(id, options = {}) {
        const { target, allowMissing, requestId, signal } = readOrder(id, options, this.#settings.retries);
        const startMs = options.requestId === undefined ? null : this.#world.now();
        const read = ({ body }, sentId) => isDeletion(body) && body.id === id && body.requestId === sentId ? body : undefined;
        try {
            return await this.#call({ method: 'DELETE', target, requestId, signal, read });
        }
        catch (error) {
            if (!(error instanceof ProblemError || error instanceof LostAnswerError))
                throw error;
            const row = error.outcome === 'unknown' ? await this.#fateOf(id, error, startMs, signal) : undefined;
            if (row === undefined)
                throw error;
            return concluded(row, allowMissing);
        }
    }
    async previewImage(id, options = {}) {
        const { signal } = readReadOptions(options);
        const read = ({ body }, sentId) => isPreview(body) && body.id === id && body.requestId === sentId ? body : undefined;
        return this.#call({ method: 'GET', target: imagePath(id), requestId: crypto.randomUUID(), signal, read });
    }
    async deletion(requestId, options = {}) {
        const { signal } = readReadOptions(options);
        if (typeof requestId !== 'string')
            throw new NotSentError('the request id must be a text');
        const { rows } = await this.#call(pageCall(readFilter({ requestId }), signal));
        return rows.find((row) => row.requestId === requestId) ?? null;
    }
    async *deletions(filter = {}, options = {}) {
        const { signal } = readReadOptions(options);
        for (let search = readFilter(filter); search !== null;) {
            const page = await this.#call(pageCall(search, signal));
            yield* page.rows;
            search = page.nextSearch;
        }
    }
    async readiness(options = {}) {
        return this.#call(readinessCall(readReadOptions(options).signal));
    }
    async #call(call) {
        const { retries, patienceMs } = this.#settings;
        let known;
        for (let attempt = 1;; attempt++) {
            const requestId = attempt === 1 ? call.requestId : `${call.requestId}.${attempt}`;
            try {
                return await this.#attempt({ ...call, requestId });
            }
            catch (error) {
                if (error instanceof NotSentError)
                    throw known ?? error;
                if (!(error instanceof ProblemError) || !isSafeToRepeat(error) || attempt > retries)
                    throw error;
                known = error;
            }
            const { retryAfterS } = known;
            if (retryAfterS !== null && retryAfterS * 1000 > patienceMs)
                throw known;
            const pauseMs = retryAfterS === null ? this.#jitter(RETRY_PAUSE_MS * 2 ** (attempt - 1)) : retryAfterS * 1000;
            await this.#world.sleep(pauseMs, call.signal);
        }
    }
    async #attempt(call, timeoutMs = ANSWER_TIMEOUT_MS) {
        const answer = await exchange(this.#settings, call, { timeoutMs, startTimer: this.#world.startTimer });
        const { status, headers, body } = answer;
        const value = status === 200 ? call.read(answer, call.requestId) : undefined;
        if (value !== undefined)
            return value;
        const isOurs = status >= 400 && isProblem(body) && body.status === status && body.requestId === call.requestId;
        if (!isOurs)
            throw new LostAnswerError(call.requestId, status);
        const { code, outcome, retryable, requestId, detail } = body;
        const facts = { code, outcome, retryable, requestId, problem: body, row: null };
        const message = `${code}, ${outcome}: ${detail} (request ${requestId})`;
        throw new ProblemError(message, { ...facts, retryAfterS: retryAfterS(headers, Date.now()) });
    }
    async #fateOf(imageId, unknown, startMs, signal) {
        const { now, sleep } = this.#world;
        const { requestId } = unknown;
        let caller = unknown instanceof ProblemError ? callerIn(unknown.problem?.deletion) : undefined;
        const endMs = now() + this.#settings.patienceMs;
        const ask = (call) => this.#attempt(call, Math.min(ANSWER_TIMEOUT_MS, endMs - now()));
        let pauseMs = ASK_PAUSE_MS;
        while (now() < endMs && !signal?.aborted) {
            let waitMs = this.#jitter(pauseMs);
            pauseMs = Math.min(2 * pauseMs, MAX_ASK_PAUSE_MS);
            try {
                const { rows, atMs } = await ask(pageCall(searchOf({ imageId, requestId, caller }), signal));
                const sinceMs = startMs === null ? Number.NEGATIVE_INFINITY : atMs - (now() - startMs) - CLOCK_SLACK_MS;
                let row = fateIn(rows, { imageId, requestId, sinceMs, caller });
                const isOurs = startMs === null || caller !== undefined || row?.outcome === 'deleted';
                if (!isOurs && rows.length > 0) {
                    caller = (await ask(readinessCall(signal))).caller;
                    row = fateIn(rows, { imageId, requestId, sinceMs, caller });
                }
                if (row !== undefined)
                    return row;
            }
            catch (error) {
                if (!(error instanceof ImageGatewayError))
                    throw error;
                if (error instanceof ProblemError)
                    waitMs = Math.max(waitMs, (error.retryAfterS ?? 0) * 1000);
            }
            await sleep(Math.max(0, Math.min(waitMs, endMs - now())), signal);
        }
        return undefined;
    }
    #jitter(ms) {
        return ms * (0.5 + this.#world.random() / 2);
    }
}
function isSafeToRepeat({ retryable, outcome }) {
    return retryable && (outcome === 'not_attempted' || outcome === 'rejected');
}
function readinessCall(signal) {
    const read = ({ body }) => (isReadiness(body) ? body : undefined);
    return { method: 'GET', target: '/readyz', requestId: crypto.randomUUID(), signal, read };
}
function pageCall(search, signal) {
    const read = ({ headers, body }) => {
        const nextSearch = nextIn(headers.get('link'));
        if (!isHistory(body) || nextSearch === '')
            return undefined;
        return { rows: body.deletions, nextSearch, atMs: timeOf(headers, Date.now()) };
    };
    return { method: 'GET', target: `/deletions${search}`, requestId: crypto.randomUUID(), signal, read };
}
function nextIn(link) {
    const next = /<([^>]*)>\s*;[^,]*\brel="?next\b/.exec(link ?? '')?.[1];
    return next === undefined ? null : queryOf(next);
}
function callerIn(deletion) {
    return new URLSearchParams(queryOf(deletion ?? '')).get('caller') || undefined;
}
function queryOf(address) {
    return /\?[^#]*/.exec(address)?.[0] ?? '';
}
