/** What the global setup provides to the tests. */
declare module 'vitest' {
  export interface ProvidedContext {
    /** The address of the emulator. */
    emulatorUrl: string;
    /** The address of the local issuer. */
    issuerUrl: string;
  }
}

export {};
