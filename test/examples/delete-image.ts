/**
 * Deletes a custom image through the gateway, with the client package. Needs Node.js 22.18 or later, which runs TypeScript directly.
 * An older version exits with 1 and sends nothing.
 *
 *   GATEWAY_URL=https://images.internal.example.com GATEWAY_TOKEN=… node delete-image.ts m-nky7qeom
 *
 * Exit status 0: the image is gone. 3: it was not deleted. Any other: the outcome is unknown, so do not delete again, but query
 * `GET /deletions?imageId=…` later. PATIENCE_S: how many seconds to wait for an unknown outcome, or for a retry (default: 300).
 *
 * The client does the rest. It checks the form of the token before it sends anything, retries only calls that certainly changed
 * nothing, and queries the ledger if an outcome is unknown.
 */
import { ImageGateway, ImageGatewayError } from 'bcc-image-gateway-client';

const { GATEWAY_URL = '', GATEWAY_TOKEN = '', PATIENCE_S = '300' } = process.env;
const [image = ''] = process.argv.slice(2);

function connect(): ImageGateway {
  try {
    return new ImageGateway({ baseUrl: GATEWAY_URL, token: GATEWAY_TOKEN, patienceMs: Number(PATIENCE_S) * 1000 });
  } catch (error) {
    console.error(`not_attempted: ${error instanceof Error ? error.message : 'the options are invalid'}`);
    process.exit(3);
  }
}

// An invalid image id may be a key, so it is never printed.
if (!/^m-[A-Za-z0-9]{6,32}$/.test(image)) {
  console.error('not_attempted: the image id is malformed: it must be m- followed by 6 to 32 ASCII letters or digits');
  process.exit(3);
}
try {
  const { outcome, requestId } = await connect().deleteImage(image, { allowMissing: true });
  console.log(`${image}: ${outcome} (request ${requestId})`);
} catch (error) {
  if (!(error instanceof ImageGatewayError)) throw error;
  console.error(`${image}: ${error.outcome}. ${error.message}`);
  process.exitCode = error.outcome === 'unknown' ? 1 : 3;
}
