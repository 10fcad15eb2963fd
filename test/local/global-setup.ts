/** Starts the emulator once for all tests in workerd, which cannot start a server themselves. */
import type { TestProject } from 'vitest/node';
import { startEmulator } from './stack.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    emulatorUrl: string;
  }
}

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const emulator = await startEmulator(0);
  provide('emulatorUrl', emulator.url);
  return () => emulator.stop();
}
