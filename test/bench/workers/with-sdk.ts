/** What is deployed, with the official SDK in the bundle. */
import sdk from '@baiducloud/sdk';

export { default, Ledger } from '../../../src/worker/index.ts';
// Used, so that the bundler keeps it.
export const client = () => new sdk.BccClient({ endpoint: 'http://localhost', credentials: { ak: 'a', sk: 'b' } });
