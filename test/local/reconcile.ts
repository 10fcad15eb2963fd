/**
 * Compares the answers to callers, the ledger, the audit records, and what the emulator did.
 *
 * Promises: pure; reports every contradiction. Effects of a repeated DELETE alone, which SECURITY.md assumes not to happen, are counted
 * separately. Never: guesses which row made a call. While a request may run, no other for its image is admitted, so every call belongs
 * to the newest row before it.
 */
import type { RowOutcome } from '../../src/worker/outcome.ts';

/** A request as its caller sent it. The same request may be sent twice. */
export interface Sent {
  readonly caller: string;
  readonly proof: 'key' | 'token' | 'binding';
  readonly imageId: string;
  readonly requestId: string;
  /** `null` if no answer came, because the caller hung up or the gateway was killed. */
  answer: Answered | null;
}

export interface Answered {
  readonly outcome: string;
  /** `null` for a success. */
  readonly code: string | null;
  readonly confirmed: boolean | null;
  /** The caller's name in the URL under `deletion`, if there is one. */
  readonly deletionCaller: string | null;
  /** The request that `deletedBefore` names, if there is one. */
  readonly deletedBefore: string | null;
  readonly retryAfter: string | null;
}

/** A row of the history. Times are milliseconds since the epoch. */
export interface Row {
  readonly requestId: string;
  readonly caller: string;
  readonly subject: string | null;
  readonly imageId: string;
  readonly imageName: string | null;
  readonly reservedAtMs: number;
  readonly settledAtMs: number | null;
  readonly resolvedAtMs: number | null;
  readonly outcome: RowOutcome;
  readonly confirmed: boolean | null;
  readonly verified: boolean | null;
  readonly code: string | null;
}

/** A DELETE at the emulator. */
export interface Call {
  readonly imageId: string;
  readonly deleted: boolean;
  /** `ok`: Baidu confirmed the deletion. */
  readonly answer: string;
  readonly atMs: number;
}

export type AuditRecord = Readonly<Record<string, unknown>>;

export interface Observed {
  readonly sent: readonly Sent[];
  readonly rows: readonly Row[];
  readonly records: readonly AuditRecord[];
  readonly calls: readonly Call[];
  /** The images that exist at the end. */
  readonly standing: ReadonlySet<string>;
  /** Deletions that the hop sent again. */
  readonly repetitions: readonly { readonly imageId: string; readonly atMs: number }[];
  readonly budgetOf: (caller: string) => number;
  readonly subjectOf: (caller: string) => string | null;
  /** How long after its reservation a request counts as over. No check resolves a row earlier. */
  readonly requestOverMs: number;
  readonly hasKilled: boolean;
}

export interface Reconciled {
  readonly contradictions: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

/** Refusals by the gateway or the ledger that leave no row, or a cancelled one. */
const WITHOUT_ROW: readonly (string | null)[] = [
  'budget_exhausted',
  'rate_limited',
  'ledger_unavailable',
  'deletion_in_progress',
];

/** While the gateway restarts, Wrangler's local registry may forward a bound Worker's request without its properties. */
function isWithoutRow({ proof, answer }: Sent): boolean {
  const code = answer?.code ?? null;
  return WITHOUT_ROW.includes(code) || (proof === 'binding' && code === 'unauthenticated');
}

export function reconcile(observed: Observed): Reconciled {
  const contradictions: string[] = [];
  const counts: Record<string, number> = {};
  const report: Report = {
    say: (what) => contradictions.push(what),
    count: (what) => {
      counts[what] = (counts[what] ?? 0) + 1;
    },
  };
  reconcileRows(observed, report);
  reconcileAnswers(observed, report);
  reconcileRecords(observed, report);
  return { contradictions, counts };
}

interface Report {
  readonly say: (contradiction: string) => void;
  readonly count: (what: string) => void;
}

/** Compares ledger and emulator, image by image. */
function reconcileRows(observed: Observed, report: Report): void {
  const { rows, calls, repetitions, requestOverMs } = observed;
  const rowsOf = groupedBy(rows, ({ imageId }) => imageId);
  const callsOf = groupedBy(calls, ({ imageId }) => imageId);
  const repetitionsOf = groupedBy(repetitions, ({ imageId }) => imageId);
  for (const imageId of callsOf.keys()) {
    if (!rowsOf.has(imageId)) report.say(`${imageId} reached Baidu but has no row`);
  }
  for (const [imageId, all] of rowsOf) {
    // A reservation whose reply was lost is cancelled, and nothing is sent. Its row may be added while another is open.
    const admitted = all.filter(({ code }) => code !== 'ledger_unavailable');
    admitted.sort((a, b) => a.reservedAtMs - b.reservedAtMs);
    const cancelled = all.filter((row) => !admitted.includes(row));
    for (const row of cancelled) reconcileRow(row, [], false, observed, report);
    for (const [index, row] of admitted.entries()) {
      const next = admitted[index + 1];
      const endMs = next?.reservedAtMs ?? Number.POSITIVE_INFINITY;
      const beginMs = index === 0 ? Number.NEGATIVE_INFINITY : row.reservedAtMs;
      const isOwn = ({ atMs }: { readonly atMs: number }) => atMs >= beginMs && atMs < endMs;
      const own = (callsOf.get(imageId) ?? []).filter(isOwn);
      const isRepeated = (repetitionsOf.get(imageId) ?? []).some(isOwn);
      if (own.some(({ atMs }) => atMs < row.reservedAtMs)) report.say(`${imageId} reached Baidu before it had a row`);
      reconcileRow(row, own, isRepeated, observed, report);
      const freeMs = row.resolvedAtMs === null ? row.settledAtMs : row.reservedAtMs + requestOverMs;
      if (next !== undefined && (freeMs === null || next.reservedAtMs < freeMs)) {
        report.say(`${next.requestId} was admitted while ${row.requestId} may have run, both for ${imageId}`);
      }
    }
  }
}

/** Compares a row with the calls that its request made. */
function reconcileRow(
  row: Row,
  own: readonly Call[],
  isRepeated: boolean,
  { standing, subjectOf }: Observed,
  { say, count }: Report,
): void {
  const { requestId, imageId, imageName, outcome, confirmed, verified, resolvedAtMs } = row;
  const claim = (isFalse: boolean, truth: string) => {
    if (isFalse) say(`row ${requestId} says that ${imageId} is ${outcome} (confirmed: ${confirmed}), but ${truth}`);
  };
  const stands = standing.has(imageId);
  const hasDeleted = own.some(({ deleted }) => deleted);
  const isByRequest = resolvedAtMs === null;
  count(`row ${outcome}${isByRequest ? '' : ' (resolved)'}`);
  /** Counts a false claim separately if a repeated DELETE explains it. */
  const explained = (isFalse: boolean, truth: string) => {
    if (isFalse && isRepeated) count(`row ${outcome} although a repeated DELETE had an effect`);
    else claim(isFalse, truth);
  };
  claim(confirmed === null && (outcome === 'deleted' || outcome === 'already_absent'), 'confirmed is missing');
  switch (outcome) {
    case 'deleted':
      claim(stands, 'it still exists');
      claim(
        confirmed === true && !own.some((call) => call.deleted && call.answer === 'ok'),
        'Baidu did not confirm it',
      );
      claim(isByRequest && own.length === 0, 'no deletion was sent');
      // A row that a check resolved is not read back.
      claim(verified !== (isByRequest ? true : null), `verified is ${verified}`);
      break;
    case 'already_absent':
      claim(stands, 'it still exists');
      claim(imageName !== null, 'the request had read it');
      explained(hasDeleted, 'this request deleted it');
      break;
    case 'rejected':
      explained(hasDeleted, 'this request deleted it');
      break;
    case 'not_attempted':
      claim(own.length > 0, 'a deletion was sent');
      break;
    case 'not_deleted':
      claim(hasDeleted, 'this request deleted it');
      break;
    case 'unknown':
      say(`row ${requestId} is unknown at the end`);
  }
  if (outcome === 'deleted') count(`row verified: ${verified}`);
  else claim(verified !== null, `verified is ${verified}`);
  claim(row.subject !== subjectOf(row.caller), `its subject is ${row.subject}`);
}

/** Compares answers and ledger, request by request. */
function reconcileAnswers({ sent, rows, records, budgetOf }: Observed, { say, count }: Report): void {
  const rowsOf = groupedBy(rows, keyOf);
  const recordsOf = groupedBy(records, recordKey);
  const known = groupedBy(sent, keyOf);
  for (const [key, own] of rowsOf) {
    const requests = known.get(key) ?? [];
    if (own.length > requests.length) say(`${own.length} rows for ${requests.length} requests: ${key}`);
    if (own.some(({ imageId }) => imageId !== requests[0]?.imageId)) say(`a row for another image: ${key}`);
  }
  for (const [key, requests] of known) {
    const own = rowsOf.get(key) ?? [];
    const answered = requests.filter(({ answer }) => answer !== null);
    const isSettlementLost =
      own.some(({ resolvedAtMs }) => resolvedAtMs !== null) &&
      ((recordsOf.get(key)?.length ?? 0) < answered.length ||
        (recordsOf.get(key) ?? []).some((record) => record['ledger.settled'] === false));
    const withRow = answered.filter((request) => request.answer !== null && !isWithoutRow(request));
    if (withRow.length > own.length) say(`${withRow.length} answers but ${own.length} rows: ${key}`);
    for (const request of answered) {
      const { caller, answer } = request;
      if (answer === null) continue;
      const { outcome, code, confirmed, deletionCaller, deletedBefore, retryAfter } = answer;
      count(`answered ${code === null ? outcome : `${code}, ${outcome}`}`);
      const claim = (isFalse: boolean, truth: string) => {
        if (isFalse) say(`${key} was answered ${code} ${outcome} (confirmed: ${confirmed}), but ${truth}`);
      };
      claim(deletionCaller !== null && deletionCaller !== caller, 'its URL names another caller');
      claim(deletionCaller === null && outcome === 'unknown', 'it has no URL to ask');
      if (code === 'deletion_in_progress') {
        claim(outcome === 'unknown' && requests.length === 1, 'the same request was not sent twice');
        claim(retryAfter !== (outcome === 'unknown' ? null : '5'), `Retry-After is ${retryAfter}`);
      }
      claim(deletedBefore !== null && !rowsOf.has(`${caller} ${deletedBefore}`), 'another caller deleted it');
      // A success may repeat the outcome of the same request, sent earlier, whose own answer was a failure.
      const isMatched = own.some(
        (row) =>
          row.outcome === outcome &&
          (code === null ? row.confirmed === confirmed || row.confirmed === true : row.code === code),
      );
      const needsMatch = outcome !== 'unknown' && !isWithoutRow(request);
      claim(needsMatch && !isMatched && !isSettlementLost, `its rows say ${JSON.stringify(own)}`);
      const isFirst =
        requests.length > 1 && outcome === 'deleted' && own.some((row) => row.outcome === 'already_absent');
      if (isFirst) count('answered deleted, with another row already_absent for the same request');
      claim(code === 'image_not_found' && deletedBefore === own[0]?.requestId, 'this request deleted it');
    }
  }
  const deletedBy = groupedBy(
    rows.filter(({ outcome }) => outcome === 'deleted'),
    ({ caller }) => caller,
  );
  for (const [caller, own] of deletedBy) {
    const images = new Set(own.map(({ imageId }) => imageId)).size;
    if (images > budgetOf(caller)) say(`${caller} deleted ${images} of ${budgetOf(caller)}`);
  }
}

/** Compares answers and audit records. A killed gateway loses records that it has not written yet. */
function reconcileRecords({ sent, records, hasKilled }: Observed, { say, count }: Report): void {
  const byId = new Map(records.map((record) => [String(record['gateway.request.id']), record]));
  if (byId.size < records.length) say(`${records.length - byId.size} audit records too many`);
  const recordsOf = groupedBy(records, recordKey);
  for (const [key, requests] of groupedBy(sent, keyOf)) {
    const left = [...(recordsOf.get(key) ?? [])];
    for (const { answer, proof } of requests) {
      if (answer === null) continue;
      const index = left.findIndex(
        (record) => record['outcome'] === answer.outcome && (record['error.type'] ?? null) === answer.code,
      );
      const [record] = index < 0 ? [] : left.splice(index, 1);
      if (record === undefined) count('answered without a record');
      if (record === undefined && !hasKilled)
        say(`${key} was answered without a record, although the gateway was never killed`);
      if (record !== undefined && record['caller.proof'] !== proof) say(`the credential of ${key} is not a ${proof}`);
    }
    const unanswered = requests.filter(({ answer }) => answer === null).length;
    if (left.length > unanswered) say(`a record of ${key} matches no answer: ${JSON.stringify(left)}`);
  }
  for (const record of records) {
    const open = byId.get(String(record['ledger.open.id']));
    const isRefused = record['error.type'] === 'deletion_in_progress';
    if (isRefused !== (record['ledger.open.id'] !== undefined)) say(`no open row in ${JSON.stringify(record)}`);
    if (open !== undefined) {
      const isRight = open['image.id'] === record['image.id'] && open['caller.id'] === record['ledger.open.caller.id'];
      const isSame = recordKey(open) === recordKey(record);
      if (!isRight || isSame !== (record['outcome'] === 'unknown')) say(`another open row: ${JSON.stringify(record)}`);
    }
    const first = byId.get(String(record['deletion.first.id']));
    if (first !== undefined && recordKey(first) !== recordKey(record)) say(`another first: ${JSON.stringify(record)}`);
    if (record['deletion.first.id'] !== undefined) count('record names the first of two equal requests');
  }
}

const keyOf = ({ caller, requestId }: { readonly caller: string; readonly requestId: string }) =>
  `${caller} ${requestId}`;
const recordKey = (record: AuditRecord) => `${record['caller.id']} ${record['request.id']}`;

function groupedBy<T>(list: readonly T[], key: (each: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of list) {
    const group = groups.get(key(each)) ?? [];
    group.push(each);
    groups.set(key(each), group);
  }
  return groups;
}
