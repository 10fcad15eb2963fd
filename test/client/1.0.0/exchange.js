import { LostAnswerError, NotSentError } from './errors.js';
const MAX_BODY_BYTES = 1024 * 1024;
const TOKEN = /^[\w.~+/-]+=*$/;
export async function exchange({ origin, send, token }, outgoing, limit) {
    const { method, target, requestId, signal } = outgoing;
    const authorization = token === undefined ? undefined : await authorize(token, signal, limit);
    if (authorization?.includes(requestId))
        throw new NotSentError('the request id is a part of the authorization');
    if (signal?.aborted)
        throw new NotSentError('the signal had been given', signal.reason);
    const headers = { 'X-Request-Id': requestId, ...(authorization && { Authorization: authorization }) };
    let status = null;
    try {
        return await within(limit, signal, async (ending) => {
            const response = await send(origin + target, { method, headers, redirect: 'manual', signal: ending });
            status = response.status;
            const body = parseJson(await readText(response));
            if (response.redirected)
                throw new Error('A redirect was followed.');
            if (response.headers.get('x-request-id') !== requestId)
                throw new Error('The answer has another request id.');
            return { status, headers: response.headers, body };
        });
    }
    catch (cause) {
        throw new LostAnswerError(requestId, status, cause);
    }
}
async function authorize(source, signal, limit) {
    let token = source;
    try {
        if (typeof source === 'function')
            token = await within(limit, signal, source);
    }
    catch (cause) {
        throw new NotSentError('the token could not be had', cause);
    }
    if (typeof token === 'string' && TOKEN.test(token))
        return `Bearer ${token}`;
    throw new NotSentError('the token is not a bearer token: it is blank, or has a space or a newline in it');
}
export function retryAfterS(headers, nowMs) {
    const text = headers.get('retry-after') ?? '';
    if (/^\d{1,9}$/.test(text))
        return Number(text);
    const untilMs = / GMT$/.test(text) ? Date.parse(text) : Number.NaN;
    return Number.isNaN(untilMs) ? null : Math.max(0, Math.ceil((untilMs - timeOf(headers, nowMs)) / 1000));
}
export function timeOf(headers, nowMs) {
    const dateMs = Date.parse(headers.get('date') ?? '');
    return Number.isNaN(dateMs) ? nowMs : dateMs;
}
async function within({ timeoutMs, startTimer }, signal, act) {
    signal?.throwIfAborted();
    const ending = new AbortController();
    const ended = new Promise((_, reject) => {
        ending.signal.addEventListener('abort', () => reject(ending.signal.reason));
    });
    const stopTimer = startTimer(timeoutMs, () => ending.abort(new Error(`It took longer than ${timeoutMs} ms.`)));
    const stop = () => ending.abort(signal?.reason);
    signal?.addEventListener('abort', stop);
    try {
        return await Promise.race([ended, act(ending.signal)]);
    }
    finally {
        stopTimer();
        signal?.removeEventListener('abort', stop);
    }
}
async function readText({ body }) {
    if (body === null)
        return '';
    const reader = body.getReader();
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
    let text = '';
    let bytes = 0;
    for (;;) {
        const { done, value } = await reader.read();
        if (done)
            return text + decoder.decode();
        bytes += value.byteLength;
        if (bytes > MAX_BODY_BYTES) {
            reader.cancel().catch(() => undefined);
            throw new Error('The body is too long.');
        }
        text += decoder.decode(value, { stream: true });
    }
}
function parseJson(text) {
    try {
        return JSON.parse(text);
    }
    catch {
        return undefined;
    }
}
