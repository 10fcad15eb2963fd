/** The cost of deciding whether a request's text may be recorded. The real code, in Node.js. */
import { keptBeside } from '../../src/worker/kept-text.ts';
import { interleaved, micro, nsPerCall, printTable, seriesOf } from './measure.ts';

const CALLS = 2_000;
const TOKEN_CHARS = 8 * 1024;
/** RS256 with a 4096-bit key. */
const SIGNATURE_CHARS = 683;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_';

const random = (chars: number) =>
  Array.from({ length: chars }, () => LETTERS[Math.floor(Math.random() * LETTERS.length)]).join('');
const tokenOf = (signatureChars: number) =>
  `eyJ${random(100)}.eyJ${random(TOKEN_CHARS - signatureChars - 108)}.${random(signatureChars)}`;

/** The texts of a failing request: request id, image id, path and host. */
const textsOf = () => {
  const id = `m-${random(8)}`;
  return [random(36), id, `/images/${id}`, 'images.internal.example.com'];
};

const CREDENTIALS: Readonly<Record<string, () => string>> = {
  'a key': () => `Bearer bcg_${random(43)}`,
  'a token of 8 KB, with a signature of 683 characters': () => `Bearer ${tokenOf(SIGNATURE_CHARS)}`,
  'a token of 8 KB that is all signature': () => `Bearer ${tokenOf(TOKEN_CHARS - 200)}`,
};

export async function benchKeptText(rounds: number) {
  const subjects = Object.fromEntries(
    Object.entries(CREDENTIALS).map(([name, create]) => {
      const requests = Array.from({ length: 64 }, () => ({ authorization: create(), texts: textsOf() }));
      let n = 0;
      const decide = () => {
        const { authorization, texts } = requests[n++ % requests.length] ?? { authorization: '', texts: [] };
        const mayKeep = keptBeside(['authorization', 'cf-access-jwt-assertion', 'cookie'], (header) =>
          header === 'authorization' ? authorization : undefined,
        );
        if (!texts.every(mayKeep)) throw new Error('Random texts have eight characters in common.');
      };
      return [name, () => nsPerCall(decide, CALLS)];
    }),
  );
  const results = Object.entries(await interleaved(subjects, rounds)).map(([name, ns]) => ({ name, ns: seriesOf(ns) }));
  printTable(
    'What may be recorded',
    ['beside', 'four texts of one request'],
    results.map(({ name, ns }) => [name, micro(ns.median)]),
  );
  return results;
}
