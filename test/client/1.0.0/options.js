import { NotSentError } from './errors.js';
const DEFAULT_RETRIES = 2;
const MAX_RETRIES = 9;
const DEFAULT_PATIENCE_MS = 60_000;
const MAX_PATIENCE_MS = 86_400_000;
const BINDING_ORIGIN = 'https://gateway.internal';
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const SEGMENT = /^[\w-]+$/;
const REQUEST_ID = /^(?!bcg_)[\w.-]+$/;
const MAX_REQUEST_ID_CHARS = 64;
export function readOptions(options) {
    const { baseUrl, token, retries = DEFAULT_RETRIES, patienceMs = DEFAULT_PATIENCE_MS, fetch: given, ...unknown } = options;
    for (const name of Object.keys(unknown))
        throw new TypeError(`There is no option ${name}.`);
    if (given !== undefined && typeof given !== 'function')
        throw new TypeError('fetch must be a function.');
    if (token !== undefined && typeof token !== 'string' && typeof token !== 'function') {
        throw new TypeError('token must be a text or a function.');
    }
    if (given === undefined && token === undefined)
        throw new TypeError('token is missing.');
    if (given === undefined && baseUrl === undefined)
        throw new TypeError('baseUrl is missing.');
    if (!Number.isInteger(retries) || retries < 0 || retries > MAX_RETRIES) {
        throw new TypeError(`retries must be a whole number from 0 to ${MAX_RETRIES}.`);
    }
    if (!(typeof patienceMs === 'number' && patienceMs >= 0 && patienceMs <= MAX_PATIENCE_MS)) {
        throw new TypeError(`patienceMs must be a number from 0 to ${MAX_PATIENCE_MS}.`);
    }
    const origin = baseUrl === undefined ? BINDING_ORIGIN : originOf(baseUrl);
    const send = given ?? ((input, init) => fetch(input, init));
    return { origin, send, token, retries, patienceMs };
}
function originOf(baseUrl) {
    const { protocol, hostname, origin, href } = new URL(baseUrl);
    const isSafe = protocol === 'https:' || (protocol === 'http:' && LOOPBACK_HOST.test(hostname));
    if (isSafe && href === `${origin}/`)
        return origin;
    throw new TypeError('baseUrl must be an origin: https, or http on loopback, without path, query or user.');
}
export function imagePath(id) {
    if (typeof id === 'string' && SEGMENT.test(id))
        return `/images/${id}`;
    throw new NotSentError('the image id has characters that no image id has');
}
export function readOrder(id, options, retries) {
    const { allowMissing = false, expectName, requestId = crypto.randomUUID(), ...others } = objectOf(options);
    const { signal } = readReadOptions(others);
    if (typeof allowMissing !== 'boolean')
        throw new NotSentError('allowMissing must be true or false');
    if ('expectName' in options && typeof expectName !== 'string')
        throw new NotSentError('expectName must be a text');
    const suffixChars = retries === 0 ? 0 : `.${retries + 1}`.length;
    if (!(typeof requestId === 'string' && REQUEST_ID.test(requestId)) ||
        requestId.length > MAX_REQUEST_ID_CHARS - suffixChars) {
        const rule = `1 to ${MAX_REQUEST_ID_CHARS - suffixChars} of A-Z a-z 0-9 _ . - and not begin with bcg_`;
        throw new NotSentError(`requestId must be ${rule}`);
    }
    const search = searchOf({ allowMissing: allowMissing ? 'true' : undefined, expectName });
    return { target: imagePath(id) + search, allowMissing, requestId, signal };
}
export function readReadOptions(options) {
    const { signal, ...unknown } = objectOf(options);
    for (const name of Object.keys(unknown))
        throw new NotSentError(`there is no option ${name}`);
    if (signal !== undefined && !(signal instanceof AbortSignal))
        throw new NotSentError('signal must be an AbortSignal');
    return { signal };
}
export function readFilter(filter) {
    for (const [name, value] of Object.entries({ ...objectOf(filter) })) {
        const isDate = value instanceof Date && !Number.isNaN(value.getTime());
        if (value !== undefined && typeof value !== 'string' && !isDate)
            throw new NotSentError(`${name} has no such value`);
    }
    return searchOf({ ...filter });
}
function objectOf(given) {
    if (typeof given === 'object' && given !== null) {
        const prototype = Object.getPrototypeOf(given);
        const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
        if (isPlain && Reflect.ownKeys(given).length === Object.keys(given).length)
            return given;
    }
    throw new NotSentError('the options must be a plain object');
}
export function searchOf(parameters) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
        if (value !== undefined)
            query.set(name, value instanceof Date ? value.toISOString() : value);
    }
    return query.toString() === '' ? '' : `?${query}`;
}
