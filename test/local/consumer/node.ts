/** One call of the client from the command line. Prints what it returned or threw, and what keeps the process alive. */
import { parseArgs } from 'node:util';
import { ImageGateway, ImageGatewayError } from 'bcc-image-gateway-client';

const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'base-url': text, token: text, 'patience-ms': text, 'request-id': text },
});
const [call, subject = ''] = positionals;
const controller = new AbortController();
process.once('SIGINT', () => controller.abort('interrupted'));
const images = new ImageGateway({
  baseUrl: values['base-url'] ?? '',
  token: async () => values.token ?? '',
  patienceMs: Number(values['patience-ms'] ?? 60_000),
});

async function run(): Promise<unknown> {
  const requestId = values['request-id'];
  const { signal } = controller;
  switch (call) {
    // A second request, which may reuse the connection of the first.
    case 'preview_and_delete':
      await images.previewImage(subject);
      return images.deleteImage(subject);
    case 'delete':
      return images.deleteImage(subject, { ...(requestId !== undefined && { requestId }), signal });
    case 'preview':
      return images.previewImage(subject);
    case 'deletion':
      return images.deletion(subject);
    default: {
      const rows = [];
      for await (const row of images.deletions({ imageId: subject })) rows.push(row);
      return rows;
    }
  }
}

const end = await run().then(
  (value) => ({ value }),
  (error: unknown) => {
    if (!(error instanceof ImageGatewayError)) throw error;
    return { error: { ...error, message: error.message, reason: String(error.cause) } };
  },
);
// Only Node.js can report what keeps it alive.
const resources = 'Deno' in globalThis || 'Bun' in globalThis ? [] : process.getActiveResourcesInfo();
const alive = resources.filter((resource) => resource === 'Timeout');
console.log(JSON.stringify({ ...end, alive, version: process.version }));
