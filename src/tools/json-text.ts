/**
 * A JSON text as somebody wrote it: where it is broken, and what its outermost object holds to the letter.
 *
 * Promises: a place in the text is told by line and column and never by a quotation, because what stands there may be a key. Members
 * keep their order and their repetitions; `JSON.parse` keeps neither.
 *
 * Source: RFC 8259.
 */
import { parseJson } from '../worker/json.ts';
import { failed, ok, type Result } from '../worker/result.ts';

/** A member of an object: its name, and the text of its value. */
export interface Member {
  readonly name: string;
  readonly json: string;
}

/** What may come next. */
type Expected = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | ', or end' | 'nothing';

const SPACE = /[ \t\n\r]*/y;
const TOKEN =
  /"(?:[^"\\\n]|\\.)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)|[{}[\],:]/y;

/** The members of the outermost object, or one sentence about why there is none. */
export function membersOf(text: string): Result<readonly Member[], string> {
  const members: Member[] = [];
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let name = '';
  let valueAt = 0;
  for (let at = skip(SPACE, text, 0); at < text.length; at = skip(SPACE, text, at)) {
    const end = skip(TOKEN, text, at);
    const token = text.slice(at, end);
    const isOutermost = open.length === 1;
    const next = step(token, expected, open);
    if (next === null) return failed(`is not JSON from ${placeOf(text, at)} on`);
    if (isOutermost && next === ':') name = String(parseJson(token));
    if (isOutermost && expected === ':') valueAt = skip(SPACE, text, end);
    if (open.length === 1 && next === ', or end') members.push({ name, json: text.slice(valueAt, end) });
    expected = next;
    at = end;
  }
  if (expected !== 'nothing') return failed('ends before its JSON does');
  return text.trimStart().startsWith('{') ? ok(members) : failed('is not a JSON object');
}

/** `line 3, column 5` of an index. */
export function placeOf(text: string, index: number): string {
  const lines = text.slice(0, index).split('\n');
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

/** Where the pattern, which is sticky, stops matching. */
function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return at + (pattern.exec(text)?.[0].length ?? 0);
}

/** What may follow the token, or `null` if the token may not stand here. Opens and closes brackets in `open`. */
function step(token: string, expected: Expected, open: ('{' | '[')[]): Expected | null {
  const isString = token.startsWith('"') && parseJson(token) !== undefined;
  const after = () => (open.length === 0 ? 'nothing' : ', or end');
  const close = (bracket: '{' | '[') => {
    if (open.at(-1) !== bracket) return null;
    open.pop();
    return after();
  };
  if (expected === ', or end') {
    if (token === ',') return open.at(-1) === '{' ? 'name' : 'value';
    if (token === '}') return close('{');
    return token === ']' ? close('[') : null;
  }
  if (expected === 'name' || expected === 'name or }') {
    if (isString) return ':';
    return token === '}' && expected === 'name or }' ? close('{') : null;
  }
  if (expected === ':') return token === ':' ? 'value' : null;
  if (expected === 'nothing') return null;
  if (token === '{' || token === '[') {
    open.push(token);
    return token === '{' ? 'name or }' : 'value or ]';
  }
  if (token === ']' && expected === 'value or ]') return close('[');
  return isString || /^[-\dtfn]/.test(token) ? after() : null;
}
