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
  reader: 'bcg_reader-key-Zq8xC2vB5nM1aS4dF7gH0jK3lP6oI9uY2tR5eW8qT1z',
};

/** `CALLERS` for the keys above: the digests were made with `sha256sum`, not with our own code. */
export const CALLERS = {
  cleaner: {
    keySha256: ['bddc1d360d17b4197a7bbc5ca64b29cb12393bf46de370c202e10fc06b979771'],
    scopes: ['images:delete'],
  },
  reader: { keySha256: ['95a2a05f4bd047d8d575a2d8889eec902732c807a6f324b432d24751bf64cf85'], scopes: ['images:read'] },
};
