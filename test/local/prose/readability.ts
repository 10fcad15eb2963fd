/**
 * How much there is to read, and how hard it is: `npm run readability -- [FILE…]`, by default every page of this repository.
 *
 * Words are counted as `wc -w` does, code and tables included. Paragraphs and sentences are those of the prose, an item of a list
 * being a paragraph. The last column is Flesch's reading ease, whose syllables are estimated from groups of vowels, so it compares
 * pages and says little about one.
 *
 * Source: R. Flesch, "A new readability yardstick", Journal of Applied Psychology 32 (1948).
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { argv } from 'node:process';
import { blocksOf, plain } from './markdown.ts';
import { pages, ROOT } from './pages.ts';

export interface Readability {
  readonly words: number;
  readonly paragraphs: number;
  readonly wordsPerParagraph: number;
  readonly longestParagraph: number;
  readonly wordsPerSentence: number;
  readonly longestSentence: number;
  /** 0 to 100 for most texts; higher is easier. `NaN` without prose in the Latin alphabet. */
  readonly flesch: number;
}

export function readabilityOf(page: string): Readability {
  const paragraphs = blocksOf(page)
    .filter(({ kind }) => kind === 'prose')
    .map(({ text }) => plain(text))
    .filter((text) => text !== '');
  const sentences = paragraphs.flatMap(sentencesOf);
  const lengths = paragraphs.map((text) => wordsOf(text).length);
  const sentenceLengths = sentences.map((text) => wordsOf(text).length);
  const spoken = sentences.flatMap((text) => text.match(/[A-Za-z]+(?:'[a-z]+)?/g) ?? []);
  const syllables = spoken.reduce((sum, word) => sum + syllablesOf(word), 0);
  const perSentence = spoken.length / sentences.length;
  return {
    words: wordsOf(page).length,
    paragraphs: paragraphs.length,
    wordsPerParagraph: sumOf(lengths) / lengths.length,
    longestParagraph: Math.max(...lengths),
    wordsPerSentence: sumOf(sentenceLengths) / sentences.length,
    longestSentence: Math.max(...sentenceLengths),
    flesch: 206.835 - 1.015 * perSentence - 84.6 * (syllables / spoken.length),
  };
}

/** The sentences of a paragraph. A colon or a semicolon ends none. */
export function sentencesOf(paragraph: string): readonly string[] {
  return paragraph.split(/(?<=[.!?]["”)*]?)\s+(?=[A-Z"“`(*[0-9])/).filter((text) => /\p{L}/u.test(text));
}

export function wordsOf(text: string): readonly string[] {
  return text.split(/\s+/).filter(Boolean);
}

function syllablesOf(word: string): number {
  const groups = word
    .toLowerCase()
    .replace(/(?:[^laeiouy]es|ed|[^laeiouy]e)$/, '')
    .match(/[aeiouy]+/g);
  return Math.max(groups?.length ?? 0, 1);
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

if (import.meta.main) {
  const files = argv.slice(2);
  console.log('| page | words | paragraphs | words a paragraph, longest | words a sentence, longest | Flesch |');
  console.log('|---|---|---|---|---|---|');
  for (const file of files.length > 0 ? files : pages()) {
    const r = readabilityOf(readFileSync(resolve(ROOT, file), 'utf8'));
    const flesch = Number.isFinite(r.flesch) ? r.flesch.toFixed(0) : '';
    const [paragraph, sentence] = [r.wordsPerParagraph, r.wordsPerSentence].map((mean) => mean.toFixed(0));
    console.log(
      `| ${file} | ${r.words} | ${r.paragraphs} | ${paragraph}, ${r.longestParagraph} | ${sentence}, ${r.longestSentence} | ${flesch} |`,
    );
  }
}
