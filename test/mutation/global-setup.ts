/** Starts the issuer for the tests in Node.js. */
import type { TestProject } from 'vitest/node';
import '../provided.ts';
import { startIssuer } from '../local/issuer.ts';

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const issuer = await startIssuer();
  provide('issuerUrl', issuer.url);
  return () => issuer.stop();
}
