/** The closed sets of outcomes and of log severities. */

/** A failure's: what is known about the image. `not_attempted` says that no deletion was sent to Baidu. */
export const FAILURE_OUTCOMES = ['not_attempted', 'rejected', 'already_absent', 'unknown'] as const;
export type FailureOutcome = (typeof FAILURE_OUTCOMES)[number];

/** A success's. */
export const SUCCESS_OUTCOMES = ['deleted', 'already_absent'] as const;
export type SuccessOutcome = (typeof SUCCESS_OUTCOMES)[number];

/** A ledger row's, once it is settled or resolved; `not_deleted` says that the image is still there. */
export const FINAL_OUTCOMES = ['deleted', 'already_absent', 'rejected', 'not_attempted', 'not_deleted'] as const;
/** Those that an unknown outcome can become without its own request. A ledger of 1.0.0 has counted `already_absent`, too. */
export const RESOLVED_OUTCOMES = ['deleted', 'already_absent', 'not_deleted'] as const;
/** A ledger row's at any time. */
export const ROW_OUTCOMES = [...FINAL_OUTCOMES, 'unknown'] as const;
export type RowOutcome = (typeof ROW_OUTCOMES)[number];

/** ERROR calls the operator, because no caller can fix it. WARN is trouble that passes. INFO is routine. */
export type Severity = 'INFO' | 'WARN' | 'ERROR';
