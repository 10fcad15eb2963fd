/** What is deployed, with the official SDK bundled in beside it. */
import sdk from '@baiducloud/sdk';

export { default, Ledger } from '../../../src/worker/index.ts';
// Named, so that the bundler keeps it.
export const client = () => new sdk.BccClient({ endpoint: 'http://localhost', credentials: { ak: 'a', sk: 'b' } });
