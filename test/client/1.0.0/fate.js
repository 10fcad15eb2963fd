import { ProblemError } from './errors.js';
import { isCode } from './shapes.js';
export function fateIn(rows, { imageId, requestId, sinceMs, caller }) {
    const ours = rows.filter((row) => row.imageId === imageId &&
        row.requestId === requestId &&
        (caller === undefined || row.caller === caller) &&
        Date.parse(row.reservedAt) >= sinceMs);
    const [row] = ours;
    const deleted = ours.find(({ outcome }) => outcome === 'deleted');
    if (deleted !== undefined || row === undefined || row.outcome === 'unknown')
        return deleted;
    return ours.every(({ outcome }) => outcome === row.outcome) ? row : undefined;
}
export function concluded(row, allowMissing) {
    const { imageId, outcome, requestId, upstreamRequestId } = row;
    if (outcome === 'deleted' || (outcome === 'already_absent' && allowMissing)) {
        return { id: imageId, outcome, confirmed: row.confirmed === true, requestId, upstreamRequestId };
    }
    const rowCode = isCode(row.code) ? row.code : null;
    const code = outcome === 'already_absent' ? 'image_not_found' : rowCode;
    const message = `The ledger says of ${imageId}: ${outcome}, ${code ?? 'without a code'} (request ${requestId})`;
    const none = { retryable: false, problem: null, retryAfterS: null };
    throw new ProblemError(message, { code, outcome, requestId, row, ...none });
}
