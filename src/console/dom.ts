/** The steps that the parts of the console share. Promises: what comes from the API becomes text, never HTML. */
import type { Item, Problem } from './api.ts';
import { textOf, wordsOf } from './summary.ts';

type Child = string | Node;

/** @throws Error if the page has no such element */
export function find<T extends Element>(root: ParentNode, selector: string, kind: new () => T): T {
  const found = root.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`The page has no ${selector}.`);
}

export function element(tag: string, attributes: Readonly<Record<string, string>>, ...children: Child[]): HTMLElement {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Puts rows into the table below `root`. The first cell of each names its row. */
export function fillTable(root: ParentNode, headings: readonly string[], rows: readonly (readonly Child[])[]): void {
  const table = find(root, 'table', HTMLTableElement);
  const heads = headings.map((heading) => element('th', { scope: 'col' }, heading));
  const lines = rows.map(([first = '', ...cells]) =>
    element('tr', {}, element('th', { scope: 'row' }, first), ...cells.map((cell) => element('td', {}, cell))),
  );
  const parts = [element('thead', {}, element('tr', {}, ...heads)), element('tbody', {}, ...lines)];
  table.replaceChildren(...[table.caption ?? '', ...parts]);
  // So that it scrolls by keyboard, too, where it is too wide.
  find(root, 'figure', HTMLElement).tabIndex = 0;
}

/** Shows the members of an object below `root`. */
export function fillList(root: ParentNode, item: Item): void {
  const entries = Object.entries(item).map(([name, value]) =>
    element('div', {}, element('dt', {}, wordsOf(name)), element('dd', {}, textOf(value) || '–')),
  );
  find(root, 'dl', HTMLElement).replaceChildren(...entries);
}

/** Says a problem below `root`, or takes away what stands there. */
export function showProblem(root: ParentNode, problem: Problem | null): void {
  const lines = problem?.problems.map((text) => element('p', {}, text)) ?? [];
  const told = problem === null ? [] : [element('strong', {}, problem.title), ` ${problem.detail}`, ...lines];
  find(root, '.problem', HTMLElement).replaceChildren(...told);
}

export function announce(text: string): void {
  find(document, '#status', HTMLElement).textContent = text;
}
