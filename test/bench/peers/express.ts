/** What a team would write today: Express and the official SDK. Arguments: port, upstream. */
import { createHash, timingSafeEqual } from 'node:crypto';
import sdk from '@baiducloud/sdk';
import express from 'express';

const [port, endpoint = ''] = process.argv.slice(2);
const digest = (text: string) => createHash('sha256').update(text).digest();
const expected = digest('bcg_bench');
const client = new sdk.BccClient({ endpoint, credentials: { ak: 'a'.repeat(32), sk: 'b'.repeat(32) } });

const app = express();
app.get('/healthz', (_request, response) => response.json({ status: 'ok' }));
app.delete('/images/:id', async (request, response) => {
  const key = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  if (!timingSafeEqual(digest(key), expected)) return void response.status(401).json({ error: 'unauthenticated' });
  if (!/^m-\w+$/.test(request.params.id)) return void response.status(400).json({ error: 'id' });
  try {
    await client.sendRequest('DELETE', `/v2/image/${request.params.id}`, {});
    response.json({ id: request.params.id, outcome: 'deleted' });
  } catch (error) {
    response.status(502).json({ error: String(error) });
  }
});
app.listen(Number(port), '127.0.0.1');
