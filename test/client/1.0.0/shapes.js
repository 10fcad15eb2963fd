const isText = (value) => typeof value === 'string';
const isNumber = (value) => typeof value === 'number';
const isBoolean = (value) => typeof value === 'boolean';
const nullable = (check) => (value) => value === null || check(value);
const optional = (check) => (value) => value === undefined || check(value);
const listOf = (check) => (value) => Array.isArray(value) && value.every(check);
function word(words) {
    return (value) => typeof value === 'string' && Object.hasOwn(words, value);
}
function shape(members) {
    return (value) => isRecord(value) && Object.entries(members).every(([name, check]) => check(value[name]));
}
function isRecord(value) {
    return typeof value === 'object' && value !== null;
}
export function isCode(value) {
    return typeof value === 'string' && /^[a-z][a-z_]{0,63}$/.test(value);
}
export const isDeletion = shape({
    id: isText,
    outcome: word({ deleted: true, already_absent: true }),
    confirmed: isBoolean,
    requestId: isText,
    upstreamRequestId: nullable(isText),
});
export const isPreview = shape({
    id: isText,
    name: isText,
    type: isText,
    status: isText,
    desc: nullable(isText),
    osName: nullable(isText),
    osVersion: nullable(isText),
    createTime: nullable(isText),
    sharedWith: nullable(isNumber),
    deletable: nullable(isBoolean),
    blockers: listOf(shape({ code: isCode, detail: isText })),
    requestId: isText,
    upstreamRequestId: nullable(isText),
});
const isRow = shape({
    requestId: isText,
    caller: isText,
    subject: nullable(isText),
    imageId: isText,
    imageName: nullable(isText),
    reservedAt: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
    settledAt: nullable(isText),
    resolvedAt: nullable(isText),
    outcome: word({
        deleted: true,
        already_absent: true,
        rejected: true,
        not_attempted: true,
        not_deleted: true,
        unknown: true,
    }),
    confirmed: nullable(isBoolean),
    code: nullable(isText),
    attempts: nullable(isNumber),
    upstreamRequestId: nullable(isText),
    keyFingerprint: isText,
});
export const isHistory = shape({ deletions: listOf(isRow) });
export const isReadiness = shape({
    status: word({ ready: true }),
    caller: isText,
    scopes: listOf(isText),
    keyFingerprint: isText,
    credentialAccepted: nullable(isBoolean),
});
export const isProblem = shape({
    type: isText,
    title: isText,
    status: isNumber,
    detail: isText,
    instance: isText,
    code: isCode,
    outcome: word({ not_attempted: true, rejected: true, already_absent: true, unknown: true }),
    retryable: isBoolean,
    requestId: isText,
    upstream: optional(shape({ status: isNumber, code: nullable(isText), requestId: nullable(isText) })),
    deletedBefore: optional(shape({ at: isText, requestId: nullable(isText) })),
    deletion: optional(isText),
    problems: optional(listOf(isText)),
});
