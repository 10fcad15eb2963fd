/** `GET /metrics`. */
import { describe, expect, it } from 'vitest';
import { metricsText } from '../../../src/worker/http/metrics.ts';
import { FINAL_OUTCOMES } from '../../../src/worker/outcome.ts';
import { CALLERS, KEYS, NO_METRICS } from '../../fixtures.ts';
import { bearer, createHarness, freshLedgers, problemOf } from '../../harness.ts';

const CALLERS_WITH_METRICS = JSON.stringify({
  ...CALLERS,
  reader: { ...CALLERS.reader, scopes: ['metrics:read'] },
});

/** The counters without a caller, before anything has happened. */
const UNTOUCHED = [
  'bcc_image_gateway_budget_refusals_total{budget="caller"} 0',
  'bcc_image_gateway_budget_refusals_total{budget="account"} 0',
  'bcc_image_gateway_resolutions_total{outcome="deleted"} 0',
  'bcc_image_gateway_resolutions_total{outcome="already_absent"} 0',
  'bcc_image_gateway_resolutions_total{outcome="not_deleted"} 0',
  'bcc_image_gateway_in_progress_refusals_total 0',
  'bcc_image_gateway_failed_checks_total 0',
  'bcc_image_gateway_overdue_images_total 0',
  'bcc_image_gateway_disproved_deletions_total 0',
  'bcc_image_gateway_unverified_deletions_total 0',
  'bcc_image_gateway_unlisted_absences_total 0',
];

/** The counters of a caller's deletions. An outcome that is not in `counts` has the value 0. */
const deletionsOf = (caller: string, counts: Readonly<Record<string, number>> = {}) =>
  FINAL_OUTCOMES.map(
    (outcome) => `bcc_image_gateway_deletions_total{caller="${caller}",outcome="${outcome}"} ${counts[outcome] ?? 0}`,
  );
const CALLER_NAMES = Object.keys(CALLERS);

describe('the metrics', () => {
  it('show what the ledger has counted, with a series and a budget for each configured caller', async () => {
    const env = {
      CALLERS: CALLERS_WITH_METRICS,
      DAILY_DELETIONS: '20',
      DAILY_DELETIONS_TOTAL: '30',
      VERSION: { id: 'v-7' },
    };
    const harness = createHarness({ env });
    await harness.call('DELETE', '/images/m-custom01');
    await harness.call('DELETE', '/images/m-custom02', bearer(KEYS.named));
    await harness.call('DELETE', '/images/m-system01');
    const response = await harness.call('GET', '/metrics', bearer(KEYS.reader));
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ]);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const samples = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(samples).toEqual([
      ...CALLER_NAMES.flatMap((caller) =>
        deletionsOf(caller, { cleaner: { deleted: 1, rejected: 1 }, named: { deleted: 1 } }[caller]),
      ),
      ...UNTOUCHED,
      'bcc_image_gateway_unresolved_deletions 0',
      'bcc_image_gateway_oldest_unresolved_age_seconds 0',
      'bcc_image_gateway_ledger_rows 3',
      ...CALLER_NAMES.map(
        (caller) => `bcc_image_gateway_caller_budget{caller="${caller}"} ${{ named: 2 }[caller] ?? 20}`,
      ),
      ...CALLER_NAMES.map(
        (caller) =>
          `bcc_image_gateway_caller_budget_remaining{caller="${caller}"} ${{ cleaner: 19, named: 1 }[caller] ?? 20}`,
      ),
      'bcc_image_gateway_account_budget 30',
      'bcc_image_gateway_account_budget_remaining 28',
      'bcc_image_gateway_build_info{version="v-7"} 1',
    ]);
  });

  it('keep the counters of a caller that is no longer configured, but not its budget', async () => {
    const { cleaner: _gone, ...others } = CALLERS;
    const table = { ...others, reader: { ...CALLERS.reader, scopes: ['metrics:read'] } };
    const ledgers = freshLedgers();
    await createHarness({ env: { LEDGER: ledgers } }).call('DELETE', '/images/m-custom01');
    const later = createHarness({ env: { LEDGER: ledgers, CALLERS: JSON.stringify(table) } });
    const text = await (await later.call('GET', '/metrics', bearer(KEYS.reader))).text();
    expect(text).toContain('bcc_image_gateway_deletions_total{caller="cleaner",outcome="deleted"} 1\n');
    expect(text).not.toMatch(/budget(?:_remaining)?\{caller="cleaner"/);
  });

  it('begin at 0 for each caller, so the first event of each kind is an increase', async () => {
    const harness = createHarness({ env: { CALLERS: CALLERS_WITH_METRICS } });
    const text = await (await harness.call('GET', '/metrics', bearer(KEYS.reader))).text();
    const counters = text.split('\n').filter((line) => /^\w+_total/.test(line));
    expect(counters).toEqual([...CALLER_NAMES.flatMap((caller) => deletionsOf(caller)), ...UNTOUCHED]);
  });

  it('count a refusal under the budget that refused, and have the other at 0', async () => {
    const env = { CALLERS: CALLERS_WITH_METRICS, DAILY_DELETIONS: '0' };
    const harness = createHarness({ env });
    expect(await problemOf(await harness.call('DELETE', '/images/m-custom01'))).toMatchObject({
      code: 'budget_exhausted',
    });
    const text = await (await harness.call('GET', '/metrics', bearer(KEYS.reader))).text();
    expect(text).toContain('_budget_refusals_total{budget="caller"} 1\n');
    expect(text).toContain('_budget_refusals_total{budget="account"} 0\n');
  });

  it('answer HEAD like GET, without the body', async () => {
    const harness = createHarness({ env: { CALLERS: CALLERS_WITH_METRICS } });
    const head = await harness.call('HEAD', '/metrics', bearer(KEYS.reader));
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      '',
    ]);
    expect((await harness.call('HEAD', '/metrics', bearer(KEYS.both))).status).toBe(403);
  });

  it('need the scope metrics:read, and a ledger that answers', async () => {
    const harness = createHarness();
    expect(await problemOf(await harness.call('GET', '/metrics', bearer(KEYS.both)))).toMatchObject({
      code: 'permission_denied',
      detail: 'This needs the scope metrics:read.',
    });
    const env = {
      CALLERS: CALLERS_WITH_METRICS,
      LEDGER: { getByName: () => ({ metrics: () => Promise.reject(new Error('x')) }) },
    };
    const silent = createHarness({ env });
    expect(await problemOf(await silent.call('GET', '/metrics', bearer(KEYS.reader)))).toMatchObject({
      code: 'ledger_unavailable',
    });
  });

  const metrics = {
    ...NO_METRICS,
    unresolved: { rows: 1, oldestAtMs: 4_000 },
    rows: 1,
    counting: { account: 9, callers: { gone: 2, few: 7 } },
  };
  const context = {
    budgets: new Map([['few', 5]]),
    accountBudget: 8,
    version: null,
    nowMs: 5_500,
  };

  it('have the age of the oldest unresolved row, which is never below 0', () => {
    expect(metricsText(metrics, context)).toContain('_oldest_unresolved_age_seconds 1.5\n');
    expect(metricsText(metrics, { ...context, nowMs: 1 })).toContain('_oldest_unresolved_age_seconds 0\n');
  });

  it('never show a negative remaining budget, or the budget of a caller that is gone', () => {
    const text = metricsText(metrics, context);
    expect(text).toContain('_caller_budget_remaining{caller="few"} 0\n');
    expect(text).toContain('_caller_budget{caller="few"} 5\n');
    expect(text).toContain('_account_budget_remaining 0\n');
    expect(text).not.toContain('gone');
    expect(text).toContain('_build_info{version="unknown"} 1\n');
  });

  it('escape the characters that a label must not have', () => {
    const text = metricsText(metrics, { ...context, version: 'a"b\\c\nd' });
    expect(text).toContain('_build_info{version="a\\"b\\\\c\\nd"} 1\n');
  });

  it('describe each family once', () => {
    const text = metricsText(metrics, context);
    const families = [...text.matchAll(/^# TYPE (\S+) (counter|gauge)$/gm)];
    expect(families).toHaveLength(17);
    for (const [, name = '', type] of families) {
      expect(text.match(new RegExp(`^# HELP ${name} \\S`, 'gm'))).toHaveLength(1);
      expect(name.endsWith('_total')).toBe(type === 'counter');
    }
    expect(text.endsWith('\n')).toBe(true);
  });
});
