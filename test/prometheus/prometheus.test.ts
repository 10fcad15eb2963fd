/**
 * Debian's Prometheus scrapes the running gateway, configured as in operating.md, while deletions end in every way and the gateway is
 * killed and restarted. Then it is queried with the expressions of the alerts and the dashboard.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../src/tools/new-key.ts';
import { isRecord, parseJson } from '../../src/worker/json.ts';
import { FINAL_OUTCOMES } from '../../src/worker/outcome.ts';
import { type Gateway, type Server, startEmulator, startGateway, temporaryFolder, varsFor } from '../local/stack.ts';
import { listOf, Prometheus, until } from './server.ts';

const ROOT = join(import.meta.dirname, '../..');
const ALERTS = join(ROOT, 'src/tools/monitoring/alerts.yml');
const ALERT_TESTS = join(import.meta.dirname, 'alerts.test.yml');
const ALERT = /^BccImageGateway[A-Z]\w+$/;
/** Well within the rate limit of 60 requests a minute. */
const SCRAPE_INTERVAL = '2s';

const keys = {
  deleter: createKey(),
  small: createKey(),
  newcomer: createKey(),
  scraper: createKey(),
  reader: createKey(),
};
const CALLERS = {
  deleter: { keySha256: [keys.deleter.keySha256], scopes: ['images:delete'], dailyDeletions: 10 },
  small: { keySha256: [keys.small.keySha256], scopes: ['images:delete'], dailyDeletions: 1 },
  newcomer: { keySha256: [keys.newcomer.keySha256], scopes: ['images:delete'], dailyDeletions: 2 },
  scraper: { keySha256: [keys.scraper.keySha256], scopes: ['metrics:read'] },
  reader: { keySha256: [keys.reader.keySha256], scopes: ['metrics:read'] },
};
const folder = temporaryFolder('scrape');
const configFile = join(folder, 'prometheus.yml');

let emulator: Server;
let gateway: Gateway;
let prometheus: Prometheus;

/** A request ends within two seconds, so the first check comes after more than five. */
const start = (port: number) =>
  startGateway({
    port,
    persistTo: join(folder, 'state'),
    vars: {
      ...varsFor(emulator),
      CALLERS: JSON.stringify(CALLERS),
      UPSTREAM_ATTEMPT_TIMEOUT_MS: '2000',
      UPSTREAM_DEADLINE_MS: '2000',
      RESOLVE_UNKNOWN_AFTER_S: '[6, 7]',
    },
  });

const direct = (order: string, body: unknown) =>
  fetch(`${emulator.url}/__emulator/${order}`, { method: 'POST', body: JSON.stringify(body) });

/** Deletes an image and returns the outcome. */
async function remove(caller: keyof typeof keys, image: string): Promise<unknown> {
  const headers = { Authorization: `Bearer ${keys[caller].key}` };
  const body: unknown = await (await fetch(`${gateway.url}/images/${image}`, { method: 'DELETE', headers })).json();
  return isRecord(body) ? body['outcome'] : body;
}

/** The scrape job of operating.md, for this gateway and with this key. */
function scrapeJob(key: string, name: string): string {
  const [job] =
    /(?<=^```yaml\n)\{ job_name: [^`]*(?=\n```$)/m.exec(readFileSync(join(ROOT, 'src/docs/operating.md'), 'utf8')) ??
    [];
  if (job === undefined) throw new Error('operating.md has no scrape job.');
  const keyFile = join(folder, `${name}.key`);
  writeFileSync(keyFile, `${key}\n`, { mode: 0o600 });
  return job
    .replace('job_name: bcc-image-gateway', `job_name: ${name}`)
    .replace('scheme: https', 'scheme: http')
    .replace('/etc/prometheus/bcc.key', keyFile)
    .replace('images.internal.example.com', `'${new URL(gateway.url).host}'`);
}

beforeAll(async () => {
  emulator = await startEmulator(0);
  gateway = await start(0);
  writeFileSync(
    configFile,
    `global: { scrape_interval: ${SCRAPE_INTERVAL}, evaluation_interval: ${SCRAPE_INTERVAL} }
rule_files: ['${ALERTS}']
scrape_configs:
  - ${scrapeJob(keys.scraper.key, 'bcc-image-gateway')}
  - ${scrapeJob(keys.small.key, 'without-scope')}
`,
  );
  prometheus = await Prometheus.start(configFile);
  await until(async () => (await prometheus.value('up{job="bcc-image-gateway"}')) === 1);

  expect(await remove('deleter', 'm-custom01')).toBe('deleted');
  expect(await remove('deleter', 'm-absent01')).toBe('already_absent');
  expect(await remove('deleter', 'm-system01')).toBe('rejected');
  expect(await remove('deleter', 'm-failed01?expectName=another')).toBe('not_attempted');
  await direct('deletion-faults', ['hang_after']);
  expect(await remove('deleter', 'm-custom02')).toBe('unknown');
  await direct('deletion-faults', ['hang']);
  expect(await remove('deleter', 'm-custom03')).toBe('unknown');
  expect(await remove('small', 'm-custom04')).toBe('deleted');
  // The budget is used up, so this deletion has no row and counts no outcome.
  expect(await remove('small', 'm-failed01')).toBe('not_attempted');
  await until(async () => (await prometheus.value('sum(bcc_image_gateway_resolutions_total)')) === 2);
});

afterAll(async () => {
  await Promise.all([prometheus?.stop(), gateway?.stop(), emulator?.stop()]);
});

/** The values of a metric, by its labels. */
async function valuesOf(metric: string): Promise<Record<string, number>> {
  const samples = await prometheus.query(metric);
  const own = ([name]: [string, string]) => !['__name__', 'job', 'instance'].includes(name);
  const nameOf = (labels: object) =>
    Object.entries(labels)
      .filter(own)
      .map(([, text]) => text)
      .join(' ');
  return Object.fromEntries(samples.map(({ labels, value }) => [nameOf(labels), value]));
}

/** The names of the gateway's metrics in Prometheus. */
async function exposed(): Promise<string[]> {
  const names = await prometheus.ask('label/__name__/values');
  return Array.isArray(names) ? names.map(String).filter((name) => name.startsWith('bcc_image_gateway_')) : [];
}

/** The names of the gateway's metrics in a text, each once, sorted. */
const metricsIn = (text: string) => [...new Set(text.match(/\bbcc_image_gateway_\w+/g))].sort();

describe('Prometheus', () => {
  it('scrapes with the key of a caller with the scope, and with no other', async () => {
    expect(await prometheus.value('up{job="bcc-image-gateway"}')).toBe(1);
    expect(await prometheus.value('up{job="without-scope"}')).toBe(0);
    const targets = listOf(await prometheus.ask('targets'), 'activeTargets');
    expect(targets.map(({ lastError }) => String(lastError)).sort()).toEqual(['', expect.stringContaining('403')]);
  });

  it('counts the outcome of each deletion once', async () => {
    const none = (caller: string) =>
      Object.fromEntries(FINAL_OUTCOMES.map((outcome): [string, number] => [`${caller} ${outcome}`, 0]));
    expect(await valuesOf('bcc_image_gateway_deletions_total')).toEqual({
      'deleter deleted': 2,
      'deleter already_absent': 1,
      'deleter rejected': 1,
      'deleter not_attempted': 1,
      'deleter not_deleted': 1,
      ...none('small'),
      'small deleted': 1,
      ...none('newcomer'),
      ...none('scraper'),
      ...none('reader'),
    });
    expect(await valuesOf('bcc_image_gateway_resolutions_total')).toEqual({
      deleted: 1,
      already_absent: 0,
      not_deleted: 1,
    });
    expect(await valuesOf('bcc_image_gateway_overdue_images_total')).toEqual({ '': 0 });
    expect(await valuesOf('bcc_image_gateway_ledger_rows')).toEqual({ '': 7 });
  });

  it('has the remaining budgets, which count images that were or may have been deleted', async () => {
    expect(await valuesOf('bcc_image_gateway_caller_budget')).toMatchObject({ deleter: 10, small: 1, newcomer: 2 });
    expect(await valuesOf('bcc_image_gateway_caller_budget_remaining')).toMatchObject({
      deleter: 8,
      small: 0,
      newcomer: 2,
    });
    expect(await valuesOf('bcc_image_gateway_account_budget')).toEqual({ '': 500 });
    expect(await valuesOf('bcc_image_gateway_account_budget_remaining')).toEqual({ '': 497 });
  });

  it('saw outcomes while they were unknown', async () => {
    expect(await prometheus.value('max_over_time(bcc_image_gateway_unresolved_deletions[10m])')).toBeGreaterThan(0);
    expect(
      await prometheus.value('max_over_time(bcc_image_gateway_oldest_unresolved_age_seconds[10m])'),
    ).toBeGreaterThan(0);
    expect(await valuesOf('bcc_image_gateway_unresolved_deletions')).toEqual({ '': 0 });
    expect(await valuesOf('bcc_image_gateway_oldest_unresolved_age_seconds')).toEqual({ '': 0 });
  });

  it('sees the first refusal of a budget as an increase', async () => {
    expect(await valuesOf('bcc_image_gateway_budget_refusals_total')).toEqual({ caller: 1, account: 0 });
    const increase = await valuesOf('increase(bcc_image_gateway_budget_refusals_total[10m])');
    expect(increase['caller']).toBeGreaterThanOrEqual(1);
    expect(increase['account']).toBe(0);
  });

  it('sees the first burst of a caller that has never deleted anything', async () => {
    for (let n = 0; n < 5; n++) expect(await remove('newcomer', 'm-system01')).toBe('rejected');
    const fails = listOf(await prometheus.ask('rules'), 'groups')
      .flatMap((group) => listOf(group, 'rules'))
      .find(({ name }) => name === 'BccImageGatewayDeletionsFail');
    const callers = async () =>
      (await prometheus.query(String(fails?.['query']))).map(({ labels }) => labels['caller']);
    await until(async () => (await callers()).includes('newcomer'));
  });

  it('sees a deletion in progress, and then its outcome after a check', async () => {
    await direct('deletion-faults', ['hang']);
    const hanging = remove('deleter', 'm-custom05');
    await until(async () => (await prometheus.value('bcc_image_gateway_unresolved_deletions')) === 1);
    expect(await remove('newcomer', 'm-custom05')).toBe('not_attempted');
    expect(await hanging).toBe('unknown');
    await until(async () => (await prometheus.value('bcc_image_gateway_in_progress_refusals_total')) === 1);
    await until(async () => (await prometheus.value('bcc_image_gateway_unresolved_deletions')) === 0);
  });

  it('sees no counter decrease when the gateway is killed and restarted, and only scrapes in between fail', async () => {
    await gateway.stop('SIGKILL');
    await until(async () => (await prometheus.value('up{job="bcc-image-gateway"}')) === 0);
    gateway = await start(Number(new URL(gateway.url).port));
    await until(async () => (await prometheus.value('up{job="bcc-image-gateway"}')) === 1);
    expect(await remove('deleter', 'm-failed01')).toBe('deleted');
    const deleted = 'bcc_image_gateway_deletions_total{caller="deleter", outcome="deleted"}';
    await until(async () => (await prometheus.value(deleted)) === 3);
    const counters = (await exposed()).filter((name) => name.endsWith('_total'));
    expect(counters).toHaveLength(9);
    for (const counter of counters) {
      const resets = await prometheus.query(`resets(${counter}[1h])`);
      expect(resets.length, counter).toBeGreaterThan(0);
      expect(
        resets.filter(({ value }) => value !== 0),
        counter,
      ).toEqual([]);
    }
  });
});

describe('promtool', () => {
  const promtool = (order: string[], input = '') => {
    const { status, stdout, stderr } = spawnSync('promtool', order, { input, encoding: 'utf8' });
    return { status, said: stdout + stderr };
  };

  it('accepts the metrics', async () => {
    const headers = { Authorization: `Bearer ${keys.reader.key}` };
    const text = await (await fetch(`${gateway.url}/metrics`, { headers })).text();
    expect(text).toContain('# TYPE bcc_image_gateway_deletions_total counter\n');
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, said: '' });
    // A check that accepts everything would prove nothing.
    expect(promtool(['check', 'metrics'], text.replaceAll('deletions_total', 'deletions')).status).not.toBe(0);
  });

  it.each([
    ['the scrape job of operating.md', ['check', 'config', configFile]],
    ['the alerts', ['check', 'rules', ALERTS]],
    ['the tests of what makes each alert fire', ['test', 'rules', ALERT_TESTS]],
  ])('accepts %s', (_what, order) => {
    expect(promtool(order)).toEqual({ status: 0, said: expect.stringContaining('SUCCESS') });
  });
});

describe('the alerts', () => {
  const rules = async () => listOf(await prometheus.ask('rules'), 'groups').flatMap((group) => listOf(group, 'rules'));
  const textOf = (annotations: unknown) => Object.values(isRecord(annotations) ? annotations : {}).join(' ');

  it('each say what is wrong and what to do, wait before they fire, and can be evaluated', async () => {
    await until(async () => (await rules()).every(({ health }) => health !== 'unknown'));
    for (const { name, health, duration, labels, annotations } of await rules()) {
      expect(name).toMatch(ALERT);
      expect([name, health]).toEqual([name, 'ok']);
      expect(duration, String(name)).toBeGreaterThan(0);
      expect(labels).toEqual({ severity: expect.stringMatching(/^(?:critical|warning|info)$/) });
      expect(Object.keys(annotations ?? {}).sort()).toEqual(['action', 'description', 'summary']);
    }
  });

  it('each have a test that fires them, with the labels in their texts, and one that does not', async () => {
    const cases = readFileSync(ALERT_TESTS, 'utf8').split('- expr: ').slice(1);
    for (const { name, annotations } of await rules()) {
      const own = cases.filter((text) => text.startsWith(`ALERTS{alertname="${name}"`));
      const firing = own.filter((text) => text.includes('- labels: ALERTS{'));
      expect(
        own.some((text) => text.includes('exp_samples: []')),
        String(name),
      ).toBe(true);
      expect(firing.length, String(name)).toBeGreaterThan(0);
      for (const [, label] of textOf(annotations).matchAll(/\$labels\.(\w+)/g)) {
        expect(firing.join('\n'), String(name)).toMatch(new RegExp(`- labels: .*\\b${label}="`));
      }
    }
  });

  it('use only metrics that the gateway has', async () => {
    const names = metricsIn(readFileSync(ALERTS, 'utf8'));
    expect(names.length).toBeGreaterThan(0);
    expect(await exposed()).toEqual(expect.arrayContaining(names));
  });

  it('fire for the budget refusal in this test', async () => {
    const alerts = async () => listOf(await prometheus.ask('alerts'), 'alerts').map(({ annotations }) => annotations);
    const summary = `The caller budget of ${new URL(gateway.url).host} refuses deletions.`;
    await until(async () => (await alerts()).some((annotations) => textOf(annotations).includes(summary)));
  });
});

describe('the dashboard', () => {
  const text = readFileSync(join(ROOT, 'src/tools/monitoring/dashboard.json'), 'utf8');
  const expressions = listOf(parseJson(text), 'panels').flatMap((panel) =>
    listOf(panel, 'targets').map(({ expr }) => String(expr)),
  );

  it('shows exactly the metrics of the gateway', async () => {
    expect(metricsIn(expressions.join('\n'))).toEqual(await exposed());
  });

  it.each(expressions)('has data for %s', async (expression) => {
    // As Grafana replaces them.
    const filled = expression.replaceAll('$instance', '.*').replaceAll('$__interval', '1m');
    expect(filled).not.toContain('$');
    expect(await prometheus.query(filled)).not.toEqual([]);
  });
});
