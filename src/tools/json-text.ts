/**
 * Parses a JSON object that a person wrote.
 *
 * Promises: errors give line and column and never quote the text, which may be a key. A duplicate name in an object is an error;
 * `JSON.parse` would keep the last.
 *
 * Source: RFC 8259.
 */
import { isRecord, outlineOf, parseJson } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';

/** A string, a punctuation mark, or what stands between two of them. */
const TOKEN = /"(?:[^"\\\n]|\\.)*"|[{}[\],:"]|[^ \t\n\r{}[\],:"]+/g;
/** One of these completes any valid beginning, once its brackets are closed. The name is one that nobody uses. */
const ENDINGS = ['', '0', ':0', '"\\u0000":0'];

/** The object, or the end of a sentence that says what is wrong. */
export function parseObject(text: string): Result<Readonly<Record<string, unknown>>, string> {
  const value = parseJson(text);
  const place = placeOfFault(text);
  if (place !== null)
    return failed(value === undefined ? `is not valid JSON at ${place}` : `has a duplicate name at ${place}`);
  if (value === undefined) return failed('ends before its JSON is complete');
  return isRecord(value) ? ok(value) : failed('is not a JSON object');
}

/** The value if it is a JSON object, or else an empty object. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

/** An index as `line 3, column 5`. */
export function placeOf(text: string, index: number): string {
  const lines = text.slice(0, index).split('\n');
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

/** The place of the first token that makes the text invalid, by binary search: no valid text starts with an invalid beginning. */
function placeOfFault(text: string): string | null {
  const tokens = [...text.matchAll(TOKEN)];
  if (isBeginning(text, tokens)) return null;
  let [good, bad] = [0, tokens.length];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (isBeginning(text, tokens.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return placeOf(text, tokens[good]?.index ?? 0);
}

function isBeginning(text: string, tokens: readonly RegExpExecArray[]): boolean {
  const last = tokens.at(-1);
  const begun = text.slice(0, (last?.index ?? 0) + (last?.[0].length ?? 0));
  let closing = '';
  for (const [token] of tokens) {
    if (/^[{[]/.test(token)) closing = (token === '{' ? '}' : ']') + closing;
    if (/^[}\]]/.test(token)) closing = closing.slice(1);
  }
  const texts = ENDINGS.map((ending) => begun + ending + closing);
  return texts.some((each) => parseJson(each) !== undefined && outlineOf(each).repeated.length === 0);
}
