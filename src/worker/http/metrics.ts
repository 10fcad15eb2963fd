/**
 * The body of `GET /metrics`, as text for Prometheus.
 *
 * Promises: counters come from the ledger and never go down, whatever retention removes. Each starts at 0, because `increase` misses the
 * first event of a series that starts with it. Each configured caller has its series. Never: labels by image, request or subject,
 * because their number is unbounded.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4),
 * https://prometheus.io/docs/practices/naming/ and https://prometheus.io/docs/practices/instrumentation/ ("Avoid missing metrics").
 */
import { type Budgets, type LedgerMetrics, TOTALS, type TotalName } from '../ledger/rows.ts';
import { FINAL_OUTCOMES, RESOLVED_OUTCOMES } from '../outcome.ts';
import type { Answer } from './answer.ts';

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** What the ledger does not know. */
export interface MetricsContext {
  /** The budget of each configured caller. */
  readonly budgets: ReadonlyMap<string, number>;
  readonly accountBudget: number;
  readonly version: string | null;
  readonly nowMs: number;
}

const BUDGETS = ['caller', 'account'] as const satisfies readonly (keyof Budgets)[];

/** Name and help text of each counter without a label. */
const TOTAL_FAMILIES = {
  in_progress: ['in_progress_refusals_total', 'Deletions refused because another of the image was open.'],
  failed_checks: ['failed_checks_total', 'Inconclusive checks of an image.'],
  overdue: ['overdue_images_total', 'Images whose checks all failed for a day.'],
  disproved: ['disproved_deletions_total', 'Deletions whose image was still there at the last planned check.'],
  unverified: ['unverified_deletions_total', 'Deletions that no planned check could verify.'],
  unlisted: ['unlisted_absences_total', 'Absences with an unlisted code.'],
} as const satisfies Readonly<Record<TotalName, readonly [name: string, help: string]>>;

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

export function metricsAnswer(metrics: LedgerMetrics, context: MetricsContext): Answer {
  return {
    response: new Response(metricsText(metrics, context), { headers: { 'Content-Type': METRICS_CONTENT_TYPE } }),
  };
}

/** The metrics in the text format. */
export function metricsText(
  metrics: LedgerMetrics,
  { budgets, accountBudget, version, nowMs }: MetricsContext,
): string {
  const { deletions, refusals, resolutions, totals, unresolved, rows, counting } = metrics;
  const { oldestAtMs } = unresolved;
  return [
    family(
      'deletions_total',
      'counter',
      'Deletions by their first final outcome.',
      [...new Set([...budgets.keys(), ...Object.keys(deletions)])].flatMap((caller) =>
        FINAL_OUTCOMES.map((outcome): Sample => [{ caller, outcome }, deletions[caller]?.[outcome] ?? 0]),
      ),
    ),
    family(
      'budget_refusals_total',
      'counter',
      'Deletions that a budget refused.',
      BUDGETS.map((budget): Sample => [{ budget }, refusals[budget] ?? 0]),
    ),
    family(
      'resolutions_total',
      'counter',
      'Unknown outcomes that became final.',
      RESOLVED_OUTCOMES.map((outcome): Sample => [{ outcome }, resolutions[outcome] ?? 0]),
    ),
    ...TOTALS.map((total) => {
      const [name, help] = TOTAL_FAMILIES[total];
      return family(name, 'counter', help, [[{}, totals[total] ?? 0]]);
    }),
    family('unresolved_deletions', 'gauge', 'Deletions whose outcome is unknown, including those in progress.', [
      [{}, unresolved.rows],
    ]),
    family('oldest_unresolved_age_seconds', 'gauge', 'Age of the oldest deletion whose outcome is unknown, or 0.', [
      [{}, oldestAtMs === null ? 0 : Math.max(nowMs - oldestAtMs, 0) / 1000],
    ]),
    family('ledger_rows', 'gauge', 'Rows in the ledger.', [[{}, rows]]),
    family(
      'caller_budget',
      'gauge',
      'Images that a caller may delete within 24 hours.',
      [...budgets].map(([caller, budget]): Sample => [{ caller }, budget]),
    ),
    family(
      'caller_budget_remaining',
      'gauge',
      'Images that a caller may still delete now.',
      [...budgets].map(([caller, budget]): Sample => [{ caller }, remaining(budget, counting.callers[caller] ?? 0)]),
    ),
    family('account_budget', 'gauge', 'Images that all callers together may delete within 24 hours.', [
      [{}, accountBudget],
    ]),
    family('account_budget_remaining', 'gauge', 'Images that all callers together may still delete now.', [
      [{}, remaining(accountBudget, counting.account)],
    ]),
    family('build_info', 'gauge', 'The running version.', [[{ version: version ?? 'unknown' }, 1]]),
  ].join('');
}

function family(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  const full = `bcc_image_gateway_${name}`;
  const lines = samples.map(([labels, value]) => `${full}${labelsText(labels)} ${value}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('')}`;
}

/** The rest of a budget. A lowered budget may already be exceeded. */
function remaining(budget: number, count: number): number {
  return Math.max(budget - count, 0);
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escaped)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}
