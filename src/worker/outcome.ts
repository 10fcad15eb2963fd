/** The closed sets of outcomes and of log severities. */

/** Of a failure. `not_attempted`: no deletion was sent to Baidu. */
export const FAILURE_OUTCOMES = ['not_attempted', 'rejected', 'already_absent', 'unknown'] as const;
export type FailureOutcome = (typeof FAILURE_OUTCOMES)[number];

/** Of a success. */
export const SUCCESS_OUTCOMES = ['deleted', 'already_absent'] as const;
export type SuccessOutcome = (typeof SUCCESS_OUTCOMES)[number];

/** Of a ledger row, once final. `not_deleted`: the image is still there. */
export const FINAL_OUTCOMES = ['deleted', 'already_absent', 'rejected', 'not_attempted', 'not_deleted'] as const;
/** What an unknown outcome can become through a check or another request. Only ledgers of 1.0.0 counted `already_absent`. */
export const RESOLVED_OUTCOMES = ['deleted', 'already_absent', 'not_deleted'] as const;
/** Of a ledger row at any time. */
export const ROW_OUTCOMES = [...FINAL_OUTCOMES, 'unknown'] as const;
export type RowOutcome = (typeof ROW_OUTCOMES)[number];

/** ERROR needs the operator, because no caller can fix it. WARN is transient trouble. INFO is routine. */
export type Severity = 'INFO' | 'WARN' | 'ERROR';
