/** A gateway that runs the code under search, for one deletion or check. */
import type { Gateway } from '../../../src/worker/deletions/gateway.ts';
import type { ImageId } from '../../../src/worker/image-id.ts';
import type { Ledger } from '../../../src/worker/ledger/rows.ts';
import type { Runtime } from '../../../src/worker/runtime.ts';
import { EMULATOR_CREDENTIALS } from '../../fixtures.ts';
import type { Code } from './code.ts';

export const START_MS = 1_700_000_000_000;
export const IMAGE_ID = 'm-custom01' as ImageId;

const MAX_DEADLINE_MS = 20_000;
const PASS = { limit: async () => ({ success: true }) };
const never = () => new Promise<never>(() => undefined);

/** @param ledger the calls that the run needs */
export function gatewayOf(
  { createGateway }: Code,
  runtime: Runtime,
  { deadlineMs = MAX_DEADLINE_MS, ledger = {} }: { deadlineMs?: number; ledger?: Partial<Ledger> } = {},
): Gateway {
  const calls = {
    reserve: never,
    settle: never,
    cancel: never,
    peek: never,
    history: never,
    metrics: never,
    ...ledger,
  };
  const config = {
    credentials: EMULATOR_CREDENTIALS,
    endpoint: 'https://bcc.bj.baidubce.com',
    attemptTimeoutMs: deadlineMs,
    deadlineMs,
    policy: { deletionsEnabled: true, protectedImages: new Set<string>(), protectedNames: [] },
    dailyDeletions: 1,
    dailyDeletionsTotal: 1,
    rateLimiters: { burst: PASS, sustained: PASS },
    ledger: { getByName: () => calls },
  };
  return createGateway(config, runtime);
}
