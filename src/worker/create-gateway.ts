/** Builds the `Gateway` that all requests share from a valid configuration and the runtime. */
import { BceClient } from './baidu/client.ts';
import { createImageApi } from './baidu/images.ts';
import type { Config } from './config.ts';
import type { Gateway } from './deletions/gateway.ts';
import { LedgerStub } from './deletions/ledger-stub.ts';
import { UpstreamProbe } from './deletions/probe.ts';
import { isImageId } from './image-id.ts';
import type { Runtime } from './runtime.ts';

export function createGateway(config: Config, runtime: Runtime): Gateway {
  const { endpoint, attemptTimeoutMs, policy, rateLimiters, deadlineMs, dailyDeletions, dailyDeletionsTotal } = config;
  const client = new BceClient(config.credentials, runtime);
  const upstreamHost = new URL(endpoint).host;
  const images = createImageApi(endpoint, { client, attemptTimeoutMs, runtime });
  const controlId = [...policy.protectedImages].find(isImageId) ?? null;
  return {
    images,
    probe: new UpstreamProbe(images, controlId, deadlineMs, runtime),
    policy,
    rateLimiters,
    deadlineMs,
    now: runtime.now,
    keyFingerprint: client.keyFingerprint,
    upstreamHost,
    ledger: new LedgerStub(config.ledger, upstreamHost, runtime),
    budgetsOf: (caller) => ({ caller: caller.dailyDeletions ?? dailyDeletions, account: dailyDeletionsTotal }),
  };
}
