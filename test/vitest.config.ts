/**
 * Two projects: `workerd` runs the Worker's tests in the runtime it is deployed to; `local` runs real servers and programs
 * from Node.js.
 */
import { availableParallelism } from 'node:os';
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { requireBuild } from './built.ts';
import { BOUND_CALLER, CALLERS, EMULATOR_CREDENTIALS } from './fixtures.ts';

const root = new URL('..', import.meta.url).pathname;

requireBuild();

export default defineConfig({
  root,
  test: {
    silent: 'passed-only',
    // On two cores Vitest would run one file at a time, and many tests only wait for timers.
    ...(availableParallelism() < 3 && { maxWorkers: 2 }),
    coverage: {
      provider: 'istanbul',
      include: ['src/**/*.ts'],
      exclude: ['src/tools/**', 'src/worker/env.d.ts', 'src/console/{cells,chart,console,dom,entries,main}.ts'],
      reporter: ['text'],
    },
    projects: [
      {
        root,
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: `${root}wrangler.toml` },
            miniflare: {
              // Set here, so that a developer's .dev.vars has no effect.
              bindings: {
                BCC_ENDPOINT: inject('emulatorUrl'),
                BCE_ACCESS_KEY_ID: EMULATOR_CREDENTIALS.accessKeyId,
                BCE_SECRET_ACCESS_KEY: EMULATOR_CREDENTIALS.secretAccessKey,
                CALLERS: JSON.stringify({ ...CALLERS, ...BOUND_CALLER }),
              },
            },
          })),
        ],
        test: {
          name: 'workerd',
          include: ['test/**/*.test.ts'],
          exclude: [
            '**/node_modules/**',
            'test/local/**',
            'test/bench/**',
            'test/browser/**',
            'test/prometheus/**',
            'test/tools/**',
          ],
          globalSetup: ['test/local/global-setup.ts'],
        },
      },
      {
        root,
        test: {
          name: 'local',
          include: ['test/local/**/*.test.ts', 'test/tools/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
