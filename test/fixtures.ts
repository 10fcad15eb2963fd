/** Who and what the tests work with. These credentials are worth nothing outside the emulator. */
import type { Account } from './emulator/bce-auth.ts';

/** As `emulator/wrangler.toml` has them. */
export const EMULATOR_CREDENTIALS = {
  accessKeyId: 'emulator-access-key-id',
  secretAccessKey: 'emulator-secret-access-key',
} satisfies Account;

/** Bearer keys of the callers below. */
export const KEYS = {
  cleaner: 'bcg_cleaner-key-4N1mT0bYw5g0yJmJc2u8VdE6r9aXq3Lk7sZtHhPfWiQ',
  auditor: 'bcg_auditor-key-h7Gf5Dd3Ss1Aa9Pp8Oo6Ii4Uu2Yy0TtRrEeWwQqZzXx',
  both: 'bcg_both-key-M3nB5vC7xZ9lK1jH2gF4dS6aP8oI0uY1tR3eW5qA7s',
  named: 'bcg_named-key-Q9wE7rT5yU3iO1pA0sD2fG4hJ6kL8zX1cV3bN5m',
  reader: 'bcg_reader-key-Zq8xC2vB5nM1aS4dF7gH0jK3lP6oI9uY2tR5eW8qT1z',
};

/** `CALLERS` for the keys above: the digests were made with `sha256sum`, not with our own code. */
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
    names: ['ci-*', 'tmp-?'],
    dailyDeletions: 2,
  },
};
