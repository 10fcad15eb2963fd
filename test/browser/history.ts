/**
 * A running gateway with a month of history.
 *
 * Promises: every row comes from a deletion through the gateway. The rows of earlier days are copies of today's, written to the
 * ledger's file while the gateway is down.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createKey } from '../../src/tools/new-key.ts';
import { DAY_MS } from '../../src/worker/time.ts';
import { TestIssuer } from '../issuer.ts';
import { startIssuer } from '../local/issuer.ts';
import { startEmulator, startGateway, temporaryFolder, varsFor } from '../local/stack.ts';

export const HEADER_OF_ACCESS = 'Cf-Access-Jwt-Assertion';
/** More than the console reads. */
const MANY = 4_200;

/** Callers that may read everything: enough that none reaches the rate limit. */
export const OPERATORS = Array.from({ length: 24 }, (_, n) => `operator-${n}`);
/** A name that would run code if a page treated it as HTML. */
export const HOSTILE_NAME = '<img src=/images/hostile onerror=alert(1)>';
/** A name that looks like another, and how it must be shown. */
export const DECEPTIVE_NAME = ['ci-\u202egnp.\u200b', 'ci-\\u{202E}gnp.\\u{200B}'] as const;

const keys = new Map(['ci-cleaner', 'release', 'bulk', 'scraper', ...OPERATORS].map((caller) => [caller, createKey()]));

export interface HistoryOptions {
  port?: number;
  /** Whether one caller has more rows than the console reads. */
  hasMany: boolean;
}

export async function startWithHistory({ port = 0, hasMany }: HistoryOptions) {
  const emulator = await startEmulator(0);
  const server = await startIssuer();
  const issuer = await TestIssuer.create(server.url);
  const persistTo = temporaryFolder('history');
  const entry = (caller: string, ...scopes: string[]) => ({ keySha256: [keys.get(caller)?.keySha256], scopes });
  const keyOf = (caller: string) => keys.get(caller)?.key ?? '';
  const everything = ['images:read', 'deletions:read', 'metrics:read'];
  const callers = {
    ...Object.fromEntries(OPERATORS.map((caller) => [caller, entry(caller, ...everything)])),
    'ci-cleaner': { ...entry('ci-cleaner', 'images:delete'), dailyDeletions: 4 },
    release: { ...entry('release', 'images:delete', 'images:read'), dailyDeletions: 20 },
    bulk: entry('bulk', 'images:delete'),
    scraper: entry('scraper', 'images:read', 'metrics:read'),
    access: { tokens: [{ issuer: 'access', claims: { email: 'sre@example.com' } }], scopes: everything },
    oncall: { tokens: [{ issuer: 'access', claims: { email: 'oncall@example.com' } }], scopes: everything },
  };
  const start = (at: number) =>
    startGateway({
      port: at,
      persistTo,
      vars: {
        ...varsFor(emulator),
        CALLERS: JSON.stringify(callers),
        ISSUERS: JSON.stringify({ access: issuer.entry({ header: HEADER_OF_ACCESS }) }),
        // The unknown deletion stays unknown.
        RESOLVE_UNKNOWN_AFTER_S: '[3600]',
        PROTECTED_IMAGES: '["m-create01"]',
      },
    });
  const first = await start(port);
  const remove = (caller: string, image: string) =>
    fetch(`${first.url}/images/${image}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${keyOf(caller)}` },
    });
  const direct = (order: string, body: unknown) =>
    fetch(`${emulator.url}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });
  await remove('bulk', 'm-failed01');
  await remove('ci-cleaner', 'm-custom01');
  await remove('ci-cleaner', 'm-absent01');
  await remove('ci-cleaner', 'm-system01');
  await remove('ci-cleaner', 'm-shared01?expectName=another');
  await remove('ci-cleaner', 'm-custom02');
  await remove('release', 'm-custom03');
  await direct('images', { id: 'm-hostile1', name: HOSTILE_NAME });
  await remove('release', 'm-hostile1?expectName=another');
  await direct('images', { id: 'm-hostile2', name: DECEPTIVE_NAME[0] });
  await remove('release', 'm-hostile2?expectName=another');
  await direct('deletion-faults', ['drop_before', 'drop_before']);
  await remove('release', 'm-custom04');
  await first.stop();
  spread(persistTo, hasMany ? MANY : 0);
  const gateway = await start(Number(new URL(first.url).port));
  return {
    url: gateway.url,
    keyOf,
    /** The token that Cloudflare Access would add. */
    token: (person = 'sre') => issuer.token({ email: `${person}@example.com` }),
    stop: () => Promise.all([gateway.stop(), emulator.stop(), server.stop()]),
  };
}

/** Copies today's rows to earlier days, more on some days than on others. */
function spread(persistTo: string, many: number): void {
  const files = readdirSync(persistTo, { recursive: true, encoding: 'utf8' });
  const file = files.find((name) => /Ledger.*\.sqlite$/.test(name) && !name.endsWith('metadata.sqlite'));
  if (file === undefined) throw new Error('The gateway has left no ledger.');
  const database = new DatabaseSync(join(persistTo, file));
  const same = 'caller, subject, image_id, image_name, key_fingerprint, confirmed, code, attempts, upstream_request_id';
  const copy = database.prepare(`
    INSERT INTO deletions (${same}, id, request_id, reserved_at, began_at, settled_at, resolved_at, outcome)
    SELECT ${same}, id || :copy, request_id || :copy, reserved_at - :age, began_at - :age, settled_at - :age, :resolved, :outcome
    FROM deletions WHERE seq = :seq`);
  const rows = database.prepare('SELECT seq, caller, outcome, reserved_at FROM deletions').all();
  let copies = 0;
  const repeat = (row: (typeof rows)[number], count: number, ageMs: number) => {
    for (let n = 0; n < count; n++) {
      const { seq = 0, outcome = '', reserved_at = 0 } = row;
      const isUnknown = outcome === 'unknown';
      const age = ageMs + n * 1_000;
      const resolved = isUnknown ? Number(reserved_at) - age + 45_000 : null;
      copy.run({ copy: `-${copies++}`, age, seq, resolved, outcome: isUnknown ? 'not_deleted' : outcome });
    }
  };
  database.exec('BEGIN');
  for (const [n, row] of rows.entries()) {
    if (row['caller'] === 'bulk') repeat(row, many, 28 * DAY_MS);
    else
      for (let day = 1; day < 29; day++)
        repeat(row, (day * (n + 3) + n * n) % (row['outcome'] === 'deleted' ? 5 : 2), day * DAY_MS);
  }
  // A deletion that Baidu confirmed but did not do.
  database.exec(
    "UPDATE deletions SET verified = 0 WHERE image_id = 'm-custom03' AND reserved_at = (SELECT MAX(reserved_at) FROM deletions WHERE image_id = 'm-custom03')",
  );
  database.exec('COMMIT');
  database.close();
}
