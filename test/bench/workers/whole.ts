/** Exactly what is deployed. */
export { default, Ledger } from '../../../src/index.ts';
