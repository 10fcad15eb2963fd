/** Compares the deployments in `wrangler.toml` with each other, because what Wrangler inherits is surprising. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { unstable_readConfig } from 'wrangler';
import { checkDeployment } from '../../src/tools/deployment.ts';
import { readWranglerConfig, WRANGLER_CONFIG } from '../../src/tools/wrangler-config.ts';
import { isRecord } from '../../src/worker/json.ts';
import { CALLERS, EMULATOR_CREDENTIALS } from '../fixtures.ts';

/** Source: https://cloud.baidu.com/doc/BCC/s/0jwvyo603, and the list that the SDKs carry. */
const REGIONS = ['bj', 'gz', 'su', 'hkg', 'fwh', 'bd', 'cd', 'sin', 'fsh'];
/** What may differ between deployments, and what Wrangler adds about the one read. */
const OWN = ['name', 'routes', 'placement', 'vars', 'ratelimits', 'targetEnvironment'];
const SECRETS = Object.entries({
  BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
  BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
  CALLERS: JSON.stringify(CALLERS),
}).map(([name, value]) => ({ name, value }));

/** One deployment: everything that Wrangler reads, and what our own reader takes from it. */
async function read(env: string | undefined, file = WRANGLER_CONFIG) {
  const wrangler: unknown = unstable_readConfig({ config: file, env: env ?? '' }, { hideWarnings: true });
  const config = await readWranglerConfig({ folder: '/', env: {} }, file, env ?? '');
  if (!isRecord(wrangler) || !config.ok) throw new Error(`${file} cannot be read`);
  return { wrangler, ...config.value };
}
type Deployment = Awaited<ReturnType<typeof read>>;

const base = await read(undefined);
const defined = base.wrangler['definedEnvironments'];
const names = (Array.isArray(defined) ? defined : []).map(String);
const environments = await Promise.all(names.map((name) => read(name)));
const all = [base, ...environments];
const shared = ({ wrangler }: Deployment) =>
  Object.fromEntries(Object.entries(wrangler).filter(([key]) => !OWN.includes(key)));
const limits = ({ rateLimits }: Deployment) =>
  [...rateLimits].map(([name, { namespaceId: _, ...limit }]) => ({ name, ...limit }));

const folder = mkdtempSync(join(tmpdir(), 'bcg-environments-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the environments', () => {
  it('are another region and a staging environment', () => {
    expect(names).toContain('staging');
    expect(new Set(all.map(({ vars }) => vars['BCC_ENDPOINT'])).size).toBeGreaterThan(1);
  });

  it.each(environments)('have everything in $wrangler.name that the top-level deployment has', (own) => {
    expect(shared(own)).toEqual(shared(base));
    expect(Object.keys(own.vars).sort()).toEqual(Object.keys(base.vars).sort());
    expect(limits(own)).toEqual(limits(base));
    expect(own.wrangler['name']).toBe(`${base.wrangler['name']}-${own.wrangler['targetEnvironment']}`);
  });

  it('count requests separately', () => {
    const namespaces = all.flatMap(({ rateLimits }) => [...rateLimits.values()].map(({ namespaceId }) => namespaceId));
    expect(namespaces).toHaveLength(2 * all.length);
    expect(new Set(namespaces).size).toBe(namespaces.length);
  });

  it.each(all)('run $wrangler.name near the region that it calls', ({ vars, wrangler }) => {
    const { host } = new URL(String(vars['BCC_ENDPOINT']));
    expect(REGIONS.map((region) => `bcc.${region}.baidubce.com`)).toContain(host);
    expect(wrangler['placement']).toEqual({ hostname: host });
  });

  it.each(names)('do not take the top-level route for %s', async (name) => {
    const file = join(folder, 'wrangler.toml');
    writeFileSync(file, readFileSync(WRANGLER_CONFIG, 'utf8').replace(/^# (routes = .*)$/m, '$1'));
    const { routes } = await read(undefined, file);
    expect(routes).not.toEqual([]);
    expect((await read(name, file)).routes).not.toContain(routes[0]);
  });

  it.each(environments)('have no fault in $wrangler.name, and share or lack nothing', (own) => {
    const findings = checkDeployment(own, SECRETS, base);
    expect(findings.filter(({ level }) => level !== 'note')).toEqual([]);
  });
});
