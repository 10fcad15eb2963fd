/** The scripts that read this repository's prose: how they find sentences, commands, anchors, texts and banned words. */
import { describe, expect, it } from 'vitest';
import { anchorsOf, blocksOf, commandsOf, linksOf } from './prose/markdown.ts';
import { readabilityOf } from './prose/readability.ts';
import { allFindings, findingsIn, textsOfCode } from './prose/words.ts';

const PAGE = `# A page, of \`two\` sections

One sentence. Another [link](other.md#there), and
its end.

- an item
- a second item

## A page, of \`two\` sections

\`\`\`console
$ curl https://a.test | \\
    jq .                     # a remark
{"not":"a command"}
$ true
\`\`\`

| a | table |
`;
const whats = (file: string, content: string) => findingsIn(file, content).map(({ line, what }) => [line, what]);

describe('a page', () => {
  it('consists of blocks, one for each list item', () => {
    expect(blocksOf(PAGE).map(({ kind, line }) => [kind, line])).toEqual([
      ['heading', 1],
      ['prose', 3],
      ['prose', 6],
      ['prose', 7],
      ['heading', 9],
      ['code', 11],
      ['table', 18],
    ]);
  });

  it('has an anchor for each heading, with a number if headings are equal', () => {
    expect(anchorsOf(PAGE)).toEqual(['a-page-of-two-sections', 'a-page-of-two-sections-1']);
  });

  it('has links outside of code', () => {
    expect(linksOf(PAGE)).toEqual([{ target: 'other.md#there', line: 3 }]);
  });

  it('has commands, with continuation lines and without comments', () => {
    expect(commandsOf(PAGE).map(({ text }) => text.trim())).toEqual(['curl https://a.test | \\\njq .', 'true']);
  });

  it('is measured in words, paragraphs and sentences', () => {
    expect(readabilityOf('One two three. Four five.\n\n- Six\n')).toMatchObject({
      words: 7,
      paragraphs: 2,
      wordsPerParagraph: 3,
      longestParagraph: 5,
      wordsPerSentence: 2,
      longestSentence: 3,
    });
  });
});

describe('a banned word', () => {
  it.each([
    ['page.md', 'The whole truth.'],
    ['page.md', 'What came\nof it.'],
    ['code.ts', '/** Its fate. */'],
    ['code.ts', "it('is told nothing', () => {});"],
    ['code.ts', 'const text = `has a field that does not exist`;'],
    ['settings.toml', 'a = 1 # a proof'],
  ])('is found in %s: %s', (file, content) => {
    expect(findingsIn(file, content)).toHaveLength(1);
  });

  it.each([
    ['page.md', 'A whole number of seconds, and `whole`.'],
    ['page.md', '```ts\nconst whole = 1;\n```'],
    ['code.ts', 'const whole = proof.fate;'],
    ['code.ts', "const kind = 'proof';"],
    ['code.ts', `const text = \`is a $\{proof}\`;`],
    ['code.ts', '/** The field caller.proof, which 1.0.0 promises. */'],
  ])('is ignored in %s: %s', (file, content) => {
    expect(findingsIn(file, content)).toEqual([]);
  });
});

describe('a sentence', () => {
  const words = (count: number) => `Some ${'word '.repeat(count - 2)}end.`;

  it('is found if it has more than thirty words', () => {
    expect(whats('page.md', `${words(30)} ${words(31)}`)).toEqual([[1, expect.stringMatching(/^31 words: Some/)]]);
    expect(whats('code.ts', `/** ${words(31)} */`)).toHaveLength(1);
    expect(whats('code.ts', `// ${words(20)}\n// ${words(20)}`)).toEqual([]);
    expect(whats('code.ts', `// ${words(20).slice(0, -1)}\n// ${words(20)}`)).toHaveLength(1);
  });
});

describe('the texts of code', () => {
  it('are comments and strings of more than one word, but not names or patterns', () => {
    const code = "// One.\nconst a = 'name', b = 'two words', c = /'not \" a text'/, d = `more words`; /* End */";
    expect(textsOfCode(code).map(({ text }) => text.trim())).toEqual(['// One.', 'two words', 'more words', 'End']);
  });
});

describe('this repository', () => {
  it('has no findings', () => {
    expect(allFindings()).toEqual([]);
  });
});
