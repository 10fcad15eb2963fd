/** Data that the tests share. These credentials are worth nothing outside the emulator. */
import type { DeletionJson } from '../src/worker/deletions/bodies.ts';
import type {
  Budgets,
  DeletionRow,
  HistoryQuery,
  LedgerMetrics,
  Reservation,
  Settlement,
} from '../src/worker/ledger/rows.ts';
import type { Check, Schedule } from '../src/worker/ledger/schedule.ts';
import type { Account } from './emulator/bce-auth.ts';

/** The same as in `emulator/wrangler.toml`. */
export const EMULATOR_CREDENTIALS = {
  accessKeyId: 'emulator-access-key-id',
  secretAccessKey: 'emulator-secret-access-key',
} satisfies Account;

/** Bearer keys of `CALLERS`. */
export const KEYS = {
  cleaner: 'bcg_cleaner-key-4N1mT0bYw5g0yJmJc2u8VdE6r9aXq3Lk7sZtHhPfWiQ',
  auditor: 'bcg_auditor-key-h7Gf5Dd3Ss1Aa9Pp8Oo6Ii4Uu2Yy0TtRrEeWwQqZzXx',
  both: 'bcg_both-key-M3nB5vC7xZ9lK1jH2gF4dS6aP8oI0uY1tR3eW5qA7s',
  named: 'bcg_named-key-Q9wE7rT5yU3iO1pA0sD2fG4hJ6kL8zX1cV3bN5m',
  reader: 'bcg_reader-key-Zq8xC2vB5nM1aS4dF7gH0jK3lP6oI9uY2tR5eW8qT1z',
};

/** The binding `CALLERS` for `KEYS`. The digests come from `sha256sum`, not from our own code. */
export const CALLERS = {
  cleaner: {
    keySha256: ['bddc1d360d17b4197a7bbc5ca64b29cb12393bf46de370c202e10fc06b979771'],
    scopes: ['images:delete'],
  },
  reader: { keySha256: ['95a2a05f4bd047d8d575a2d8889eec902732c807a6f324b432d24751bf64cf85'], scopes: ['images:read'] },
  auditor: {
    keySha256: ['7425c3548275de836081ac86984d22f2e94487cdd9c3e5f21f08b5ebd270efce'],
    scopes: ['deletions:read'],
  },
  both: {
    keySha256: ['33eae5b57560c251be7c3d2c06301e45c9a14c6f1117b43b668646343a258dbc'],
    scopes: ['images:delete', 'images:read'],
  },
  named: {
    keySha256: ['8284bff32fc17eff64720baf5429bf07bee652014150579ea6ec5230b7a56f13'],
    scopes: ['images:delete', 'images:read'],
    names: ['ci-*', 'tmp-_'],
    dailyDeletions: 2,
  },
};

/** A caller with no credential but a service binding. */
export const BOUND_CALLER = { bound: { binding: true, scopes: ['images:delete'] } };

/** The answers to a deletion. */
export const ANSWERS = {
  deleted: { status: 200, code: 'deleted', outcome: 'deleted' },
  rejectedCredentials: {
    status: 502,
    code: 'upstream_rejected_credentials',
    outcome: 'rejected',
    severity: 'ERROR',
  },
  failed: { status: 502, code: 'upstream_error', outcome: 'unknown', severity: 'WARN' },
  timedOut: { status: 504, code: 'upstream_timeout', outcome: 'unknown', severity: 'WARN' },
  unexpected: { status: 502, code: 'upstream_unexpected', severity: 'ERROR' },
  throttled: { status: 503, code: 'upstream_throttled', outcome: 'rejected', severity: 'WARN' },
};

/** The metrics of an empty ledger. */
export const NO_METRICS: LedgerMetrics = {
  deletions: {},
  refusals: {},
  resolutions: {},
  totals: {},
  unresolved: { rows: 0, oldestAtMs: null },
  rows: 0,
  counting: { account: 0, callers: {} },
};

/** A query that matches every row of a ledger. */
export const ALL_ROWS: HistoryQuery = {
  caller: null,
  imageId: null,
  requestId: null,
  outcome: null,
  sinceMs: null,
  untilMs: null,
  after: null,
  limit: 500,
};

/** The budgets of every caller and of the account. The default for the account has room for several callers. */
export const budgets = (caller: number, account = 500): Budgets => ({ caller, account });

/** The planned checks of `wrangler.toml`. */
export const SCHEDULE: Schedule = [45, 120, 900, 3_600];

/** A check with this finding, signed with the key of `reservation`. */
export const checkOf = (finding: Check['finding'], beganAtMs: number): Check => ({
  finding,
  beganAtMs,
  unlistedAbsence: false,
  keyFingerprint: '9ae8a8b2',
});

/** Our own id differs from the caller's, so that tests notice if one is used for the other. */
export const idOf = (requestId: string) => `id-${requestId}`;

export const reservation = (requestId: string, imageId = 'm-custom01', caller = 'cleaner'): Reservation => ({
  id: idOf(requestId),
  requestId,
  caller,
  subject: null,
  imageId,
  keyFingerprint: '9ae8a8b2',
});

/** The row of a reservation, before anything else has changed it. */
export const enteredRow = (requestId: string, reservedAtMs: number, nextCheckAtMs: number | null): DeletionRow => ({
  ...reservation(requestId),
  seq: 1,
  imageName: null,
  reservedAtMs,
  settledAtMs: null,
  resolvedAtMs: null,
  outcome: 'unknown',
  confirmed: null,
  verified: null,
  code: null,
  attempts: null,
  upstreamRequestId: null,
  nextCheckAtMs,
  checkedAtMs: null,
  foundAtMs: null,
});

export const settlement = (outcome: Settlement['outcome']): Settlement => ({
  outcome,
  confirmed: outcome === 'deleted' || outcome === 'already_absent' ? true : null,
  code: outcome === 'deleted' ? null : 'image_not_custom',
  attempts: 1,
  upstreamRequestId: 'up-1',
  imageName: null,
});

/** A row of the history, as the gateway returns it. */
export const deletionRow = (fields: Partial<DeletionJson> = {}): DeletionJson => ({
  requestId: 'job-1',
  caller: 'cleaner',
  subject: null,
  imageId: 'm-custom01',
  imageName: null,
  reservedAt: '2026-11-25T08:00:00.000Z',
  settledAt: null,
  resolvedAt: null,
  outcome: 'deleted',
  confirmed: true,
  verified: null,
  code: null,
  attempts: 1,
  upstreamRequestId: 'up-1',
  keyFingerprint: '9ae8a8b2',
  ...fields,
});

/** A secret that must appear in no answer and no log line. */
export const SECRET = 'Sk7rQ2bX9pLm4VtY8cNz1HwKd6JfGu3A';

/** A configuration with four faults, each with the secret in its value. */
export const FAULTY_ENV = {
  BCE_ACCESS_KEY_ID: `${SECRET}/`,
  BCE_SECRET_ACCESS_KEY: `${SECRET}\n`,
  BCC_ENDPOINT: `https://${SECRET}.test`,
  UPSTREAM_DEADLINE_MS: SECRET,
};
