/** Answers a deletion as Baidu does, after a delay. Arguments: port, delay and its jitter (±), in milliseconds. */
import { createServer } from 'node:http';

const [port, delayMs = 0, jitterMs = 0] = process.argv.slice(2).map(Number);
const headers = {
  'content-length': '0',
  'content-type': 'application/json;charset=UTF-8',
  'x-bce-request-id': '1214cca7-4ad5-451d-9215-71cb844c0a50',
};

createServer((_request, response) => {
  const answer = () => response.writeHead(200, headers).end();
  if (delayMs > 0) setTimeout(answer, delayMs + jitterMs * (2 * Math.random() - 1));
  else answer();
}).listen(port, '127.0.0.1');
