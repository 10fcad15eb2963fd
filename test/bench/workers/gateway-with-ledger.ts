/** The gateway with its ledger: a Durable Object for each caller, on disk. */
import { createGateway } from './gateway.ts';

export { Ledger } from '../../../src/ledger.ts';
export default createGateway();
