/** The real `Runtime`. Only the entry points, `index.ts` and `ledger-object.ts`, import it. */
import type { Runtime } from './runtime.ts';

export const platformRuntime: Runtime = {
  now: () => Date.now(),
  random: () => Math.random(),
  randomUUID: () => crypto.randomUUID(),
  sleep: (ms) => scheduler.wait(ms),
  startTimer: (ms, ring) => {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
  },
  fetch: (url, request) => fetch(url, request),
  log: (severity, line) => (severity === 'ERROR' ? console.error(line) : console.log(line)),
};
