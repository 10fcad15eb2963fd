/** Reads Markdown, in the forms that the pages of this repository use. */

export interface Block {
  readonly kind: 'heading' | 'prose' | 'code' | 'table';
  /** Without the block's marks or, for code, its fences. */
  readonly text: string;
  /** For code: the word after the opening fence, such as `console`. */
  readonly language: string;
  /** The number of its first line, from 1. */
  readonly line: number;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

export interface Command {
  readonly text: string;
  readonly line: number;
}

const FENCE = /^ *```(\w*)$/;

/** Headings, paragraphs, list items, tables and code, in order. Each list item is a block. */
export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { kind: Block['kind']; language: string; line: number; lines: string[] } | null = null;
  const close = () => {
    if (open !== null) {
      const { lines, ...block } = open;
      blocks.push({ ...block, text: lines.join('\n') });
    }
    open = null;
  };
  const begin = (kind: Block['kind'], line: number, language = '') => {
    close();
    open = { kind, language, line, lines: [] };
    return open;
  };
  page.split('\n').forEach((text, index) => {
    const line = index + 1;
    const [, language] = FENCE.exec(text) ?? [];
    if (open?.kind === 'code') {
      if (language === undefined) open.lines.push(text);
      else close();
      return;
    }
    if (language !== undefined) begin('code', line, language);
    else if (text.trim() === '') close();
    else if (/^#+ /.test(text)) begin('heading', line).lines.push(text.replace(/^#+ /, ''));
    else if (text.startsWith('|')) (open?.kind === 'table' ? open : begin('table', line)).lines.push(text);
    else {
      const isItem = /^ *(?:[-*]|\d+\.) /.test(text);
      const block = open?.kind === 'prose' && !isItem ? open : begin('prose', line);
      block.lines.push(text.replace(/^ *(?:(?:[-*]|\d+\.) )?/, ''));
    }
  });
  close();
  return blocks;
}

/** Every link and image outside of code. */
export function linksOf(page: string): readonly Link[] {
  return blocksOf(page)
    .filter(({ kind }) => kind !== 'code')
    .flatMap(({ text, line }) =>
      [...text.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = ''], _index) => ({ target, line })),
    );
}

/** The anchors of a page's headings, as on GitHub. */
export function anchorsOf(page: string): readonly string[] {
  const counts = new Map<string, number>();
  return blocksOf(page)
    .filter(({ kind }) => kind === 'heading')
    .map(({ text }) => {
      const slug = text
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-');
      const count = counts.get(slug) ?? 0;
      counts.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    });
}

/** The commands after a `$` in `console` blocks, with continuation lines and without trailing comments. */
export function commandsOf(page: string): readonly Command[] {
  return blocksOf(page)
    .filter(({ kind, language }) => kind === 'code' && language === 'console')
    .flatMap(({ text, line }) => {
      const lines = text.split('\n');
      const starts = lines.flatMap((each, index) => (/^ *\$ /.test(each) ? [index] : []));
      return starts.map((start) => {
        const first = (lines[start] ?? '').replace(/^ *\$ /, '');
        const more: string[] = [];
        for (let next = start + 1; /\\$|[|&]$/.test(more.at(-1) ?? first) && next < lines.length; next++) {
          more.push((lines[next] ?? '').trim());
        }
        return { text: [first, ...more].join('\n').replaceAll(/ +# .*$/gm, ''), line: line + 1 + start };
      });
    });
}

/** The text of a block as it is rendered: the text of links, and no marks. */
export function plain(text: string): string {
  return text
    .replaceAll(/!\[[^\]]*\]\([^)]*\)/g, '')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll('**', '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
