/**
 * `npm run words`: lists words and phrases that this repository does not use, and sentences of more than thirty words, a semicolon
 * ending one. Part of `npm run check`.
 *
 * It reads pages, comments, and texts in code: test titles, messages, descriptions. It passes over what stands between backticks, and
 * over names in code. Names that 1.0.0 promises on the wire, in logs, metrics and settings are in `PROMISED`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf, plain } from './markdown.ts';
import { files, ROOT } from './pages.ts';
import { sentencesOf, wordsOf } from './readability.ts';

/** What is not used, and what to use instead. */
const BANNED: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\bproofs?\b/i, 'credential; or evidence'],
  [/\bfates?\b/i, 'final outcome'],
  [/\bwhole\b(?! (?:number|second|day|minute|hour|period)s?\b)/i, 'valid, complete, entire'],
  [/\btold\b(?! (?:apart|from)\b)/i, 'response, report'],
  [/\b(?:a|the|each|every|one|no|next|last|first|planned|later|failed) looks?\b(?!-up)/i, 'check'],
  [/\bparts? of the (?:table|callers)\b/i, 'shard'],
  [/\bbear(?:s|ing)?\b|\bborne\b/i, 'has, carries'],
  [/\bwhoever\b|\bwhosoever\b/i, 'anyone who; or name the person'],
  [/\bof which\b/i, 'split the sentence'],
  [/\b(?:of|and|or|is|are) ours\b/i, 'our …'],
  [/\bthat there (?:is|are|was) (?:not?|none)\b/i, 'unknown, no such …'],
  [/\b(?:came|become|becomes|became|comes) of\b/i, 'outcome, result'],
  [/\bmends?\b|\bmended\b/i, 'fix'],
  [/\btoo many\.$|\ban? \w+ too many\b/i, 'Too many …'],
  [/\bhas an? \w+ that does not exist\b/i, 'unknown …'],
  [/\bin the place of\b/i, 'in place of'],
  [/\bgoes? by\b/i, 'uses, follows'],
  [/\bshall\b/i, 'must, should'],
  [/\b(?:is|are|was|be) at fault\b|\bwithout a fault\b/i, 'is invalid, is valid'],
  [/\bstand-in for (?:Baidu|`bcc)/i, 'emulator'],
];

const MAX_SENTENCE_WORDS = 30;

/** Names that 1.0.0 promises. They are removed from a text before it is searched. */
const PROMISED: readonly RegExp[] = [/caller\.proof/g, /looked_at/g];

/** Files whose text is not ours or is data. */
const NOT_OURS =
  /^test\/client\/1\.0\.0\/|^test\/browser\/node_modules|vectors\.json$|package(?:-lock)?\.json$|\.png$|LICENSE$|^test\/local\/prose(?:\/words|\.test)\.ts$|zh-CN/;

interface Text {
  readonly text: string;
  readonly line: number;
}

interface Finding {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

const TOKEN =
  /\/\*[\s\S]*?\*\/|(?<!:)\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|(?<=[=(,:[!&|?{};\n] *)\/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g;

/** What people read in a code file: its comments, and its strings of more than one word. */
export function textsOfCode(code: string): readonly Text[] {
  const texts: Text[] = [];
  for (const { 0: token, index } of code.matchAll(TOKEN)) {
    const line = code.slice(0, index).split('\n').length;
    if (token.startsWith('//') || token.startsWith('/*')) texts.push({ text: commentText(token), line });
    else if (/^["'`]/.test(token) && /\w [a-z]/i.test(token)) texts.push({ text: token.slice(1, -1), line });
  }
  return joined(texts);
}

/** `//` comments on consecutive lines are one text. */
function joined(texts: readonly Text[]): readonly Text[] {
  const result: Text[] = [];
  let end = -1;
  for (const { text, line } of texts) {
    const last = result.at(-1);
    if (text.startsWith('//') && last?.text.startsWith('//') && line === end + 1) {
      result[result.length - 1] = { ...last, text: `${last.text} ${text.slice(2).trim()}` };
    } else result.push({ text, line });
    end = line;
  }
  return result;
}

function commentText(token: string): string {
  return token.replaceAll(/^\/\*\*?|\*\/$/g, '').replaceAll(/\n\s*\* ?/g, '\n');
}

function textsOf(file: string, content: string): readonly Text[] {
  if (file.endsWith('.md')) {
    return blocksOf(content)
      .filter(({ kind }) => kind !== 'code')
      .map(({ text, line }) => ({ text: plain(text), line }));
  }
  if (/\.[jt]s$/.test(file)) return textsOfCode(content);
  return textsOfConfiguration(content);
}

/** Comments after `#` or `//` on consecutive lines are one text. Any other line is a text of its own. */
function textsOfConfiguration(content: string): readonly Text[] {
  const texts: Text[] = [];
  let isOpen = false;
  content.split('\n').forEach((each, index) => {
    const [, comment] = /^\s*(?:#|\/\/) ?(.*)$/.exec(each) ?? [];
    const last = texts.at(-1);
    if (comment !== undefined && isOpen && last !== undefined)
      texts[texts.length - 1] = { ...last, text: `${last.text}\n${comment}` };
    else texts.push({ text: comment ?? each, line: index + 1 });
    isOpen = comment !== undefined && comment.trim() !== '';
  });
  return texts;
}

export function findingsIn(file: string, content: string): readonly Finding[] {
  return textsOf(file, content).flatMap(({ text, line }) => {
    const prose = PROMISED.reduce((left, promised) => left.replaceAll(promised, ''), text).replaceAll(
      /`[^`]*`|\$\{[^}]*\}/g,
      '`…`',
    );
    const words = BANNED.flatMap(([pattern, instead]) => {
      const [found] = pattern.exec(prose.replaceAll(/\s+/g, ' ')) ?? [];
      return found === undefined ? [] : [{ file, line, what: `"${found}": ${instead}` }];
    });
    const isProse = file.endsWith('.md') ? !text.startsWith('|') : !/[{}<>|]|=>/.test(prose);
    const long = (isProse ? prose.split(/\n\s*\n|\n(?=\s*[-*@#|]|\s{2})/) : [])
      .flatMap((paragraph) =>
        sentencesOf(paragraph.replaceAll(/\s+/g, ' ')).flatMap((sentence) => sentence.split('; ')),
      )
      .filter((sentence) => wordsOf(sentence).length > MAX_SENTENCE_WORDS)
      .map((sentence) => ({ file, line, what: `${wordsOf(sentence).length} words: ${sentence.slice(0, 60)}…` }));
    return [...words, ...long];
  });
}

export function allFindings(): readonly Finding[] {
  return files()
    .filter((file) => /\.(?:md|[jt]s|ya?ml|toml|sh|py|go|html)$/.test(file) && !NOT_OURS.test(file))
    .flatMap((file) => findingsIn(file, readFileSync(join(ROOT, file), 'utf8')));
}

if (import.meta.main) {
  const findings = allFindings();
  for (const { file, line, what } of findings) console.error(`${file}:${line}: ${what}`);
  if (findings.length > 0) process.exitCode = 1;
  console.log(
    findings.length === 0 ? 'No banned word, and no sentence over thirty words.' : `${findings.length} findings`,
  );
}
