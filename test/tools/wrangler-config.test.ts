/** What is read from Wrangler's configuration, by Wrangler's own reader. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { deploymentOf, readWranglerConfig } from '../../src/tools/wrangler-config.ts';
import { RATE_LIMITS } from '../../src/worker/callers/rate-limits.ts';

const folder = mkdtempSync(join(tmpdir(), 'bcg-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
const read = (text: string, env?: string, variables = {}) => {
  writeFileSync(join(folder, 'w.toml'), text);
  return readWranglerConfig({ folder, env: variables }, 'w.toml', env);
};
const EMPTY = {
  path: join(folder, 'w.toml'),
  name: 'a',
  environment: '',
  vars: {},
  requiredSecrets: [],
  durableObjects: new Map(),
  rateLimits: new Map(),
  version: null,
  placement: null,
  routes: [],
  isOnWorkersDev: true,
};
const WITH_ENV = `name = "a"
route = "a.test/*"
workers_dev = true
[vars]
A = "1"
[[ratelimits]]
name = "R"
namespace_id = "1"
simple = { limit = 2, period = 10 }
[env.gz]
vars = { B = { c = 1 } }
secrets = { required = ["S"] }
durable_objects.bindings = [{ name = "D", class_name = "C" }]
version_metadata = { binding = "V" }
placement = { hostname = "bcc.gz.baidubce.com" }
`;

describe('the configuration of Wrangler', () => {
  it('must be a file, because Wrangler takes a missing one for an empty one', async () => {
    const failureOf = async (file: string) => readWranglerConfig({ folder, env: {} }, file);
    expect(await failureOf('absent.toml')).toEqual({ ok: false, failure: 'absent.toml does not exist.' });
    expect(await failureOf('.')).toEqual({ ok: false, failure: '. cannot be read (EISDIR).' });
  });

  it('has what the Worker needs, in this repository', async () => {
    const config = await readWranglerConfig({ folder: '/', env: {} });
    expect(config).toMatchObject({
      ok: true,
      value: {
        vars: { DELETIONS: 'enabled', PROTECTED_IMAGES: '[]' },
        requiredSecrets: ['BCE_ACCESS_KEY_ID', 'BCE_SECRET_ACCESS_KEY', 'CALLERS'],
        durableObjects: new Map([['LEDGER', 'Ledger']]),
        version: 'VERSION',
        placement: 'bcc.bj.baidubce.com',
        routes: [],
        isOnWorkersDev: false,
      },
    });
    const { burst } = RATE_LIMITS;
    const limits = config.ok ? config.value.rateLimits : new Map();
    expect(limits.get(burst.binding)).toMatchObject({ requests: burst.requests, periodS: burst.periodS });
    expect(limits.size).toBe(2);
  });

  it('may lack everything; a Worker without routes is then on workers.dev', async () => {
    expect(await read('name = "a"')).toEqual({ ok: true, value: EMPTY });
    expect(await read('name = "a"\nworkers_dev = false')).toMatchObject({ value: { isOnWorkersDev: false } });
  });

  it.each([
    [undefined, {}, 'a (the top-level environment)'],
    ['', { CLOUDFLARE_ENV: 'gz' }, 'a (the top-level environment)'],
    [undefined, { CLOUDFLARE_ENV: 'gz' }, 'a-gz (environment gz)'],
    ['gz', { CLOUDFLARE_ENV: 'other' }, 'a-gz (environment gz)'],
  ])('is that of the environment %j with the variables %j: %s', async (env, variables, name) => {
    // The reader must ignore the variables of this process, which in a job may name another environment.
    process.env['CLOUDFLARE_ENV'] = 'nowhere';
    const config = await read(WITH_ENV, env, variables);
    delete process.env['CLOUDFLARE_ENV'];
    expect(config.ok && deploymentOf(config.value)).toBe(name);
  });

  it('has routes in several forms', async () => {
    const routes = 'routes = ["a.test/*", { pattern = "b.test", custom_domain = true }]';
    expect(await read(`name = "a"\n${routes}`)).toMatchObject({
      value: { routes: ['a.test/*', 'b.test'], isOnWorkersDev: false },
    });
  });

  it('gives an environment what Wrangler gives it: routes are inherited, variables and bindings are not', async () => {
    expect(await read(WITH_ENV, 'gz')).toEqual({
      ok: true,
      value: {
        ...EMPTY,
        name: 'a-gz',
        environment: 'gz',
        vars: { B: { c: 1 } },
        requiredSecrets: ['S'],
        durableObjects: new Map([['D', 'C']]),
        rateLimits: new Map(),
        version: 'V',
        placement: 'bcc.gz.baidubce.com',
        routes: ['a.test/*'],
        isOnWorkersDev: true,
      },
    });
    expect(await read(WITH_ENV)).toMatchObject({
      value: { vars: { A: '1' }, rateLimits: new Map([['R', { namespaceId: '1', requests: 2, periodS: 10 }]]) },
    });
  });

  it("is refused with Wrangler's message", async () => {
    expect(await read('name = "a"\nb = c')).toEqual({
      ok: false,
      failure: 'w.toml: Invalid TOML document: invalid value (line 2)',
    });
    expect(await read('name = "a"\nworkers_dev = 1')).toMatchObject({
      failure: expect.stringContaining('Expected "workers_dev" to be of type boolean'),
    });
    expect(await readWranglerConfig({ folder, env: {} }, 'absent.toml')).toMatchObject({
      failure: expect.stringMatching(/^absent\.toml does not exist\./),
    });
  });

  it('is refused if it lacks the environment, even if it has no environments', async () => {
    expect(await read(WITH_ENV, 'bj')).toMatchObject({
      failure: expect.stringContaining('No environment found in configuration with name "bj"'),
    });
    expect(await read('name = "a"', 'bj')).toEqual({
      ok: false,
      failure: 'w.toml: unknown environment',
    });
  });
});
