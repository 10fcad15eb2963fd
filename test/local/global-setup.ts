/** Starts the emulator and the issuer once for all tests in workerd, which cannot start servers themselves. */
import type { TestProject } from 'vitest/node';
import '../provided.ts';
import { startIssuer } from './issuer.ts';
import { startEmulator } from './stack.ts';

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const emulator = await startEmulator(0);
  const issuer = await startIssuer();
  provide('emulatorUrl', emulator.url);
  provide('issuerUrl', issuer.url);
  return async () => {
    await Promise.all([emulator.stop(), issuer.stop()]);
  };
}
