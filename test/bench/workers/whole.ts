/** Exactly what is deployed. */
export { default, Ledger } from '../../../src/worker/index.ts';
