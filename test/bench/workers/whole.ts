/** What is deployed, to the letter. */
export { default, Ledger } from '../../../src/index.ts';
