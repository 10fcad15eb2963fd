/** What is deployed, to the letter. It takes its ledger from `DurableObject`s. */
export { default, Ledger } from '../../../src/index.ts';
