export class ImageGatewayError extends Error {
}
export class ProblemError extends ImageGatewayError {
    name = 'ProblemError';
    constructor(message, facts) {
        super(message);
        Object.assign(this, facts);
    }
}
export class LostAnswerError extends ImageGatewayError {
    name = 'LostAnswerError';
    outcome = 'unknown';
    requestId;
    status;
    constructor(requestId, status, cause) {
        const what = status === null ? 'nothing came' : `something else with status ${status} came`;
        super(`The gateway's answer to request ${requestId} did not arrive: ${what}.`, { cause });
        this.requestId = requestId;
        this.status = status;
    }
}
export class NotSentError extends ImageGatewayError {
    name = 'NotSentError';
    outcome = 'not_attempted';
    constructor(why, cause) {
        super(`Nothing was sent: ${why}`, { cause });
    }
}
