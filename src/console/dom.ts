/** DOM helpers of the console. Promises: outside data becomes visible text, never HTML. */
import { visible } from './shown.ts';
import { isTextKey, type Notice, type Texts } from './texts.ts';

export type Child = string | Node;
export type Entry = readonly [name: string, value: Child];

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

/** A text from outside, isolated from the direction of the surrounding text. */
export function foreign(text: string): HTMLElement {
  return element('bdi', {}, visible(text));
}

/** Fills each element below `root` that has a text key, or the attribute that it names. */
export function fillTexts(root: ParentNode, texts: Texts): void {
  for (const place of root.querySelectorAll<HTMLElement>('[data-text]')) {
    const [key = '', attribute] = place.dataset['text']?.split(' ') ?? [];
    if (!isTextKey(key)) throw new Error(`There is no text ${key}.`);
    const text = texts.say(key);
    if (attribute === undefined) place.textContent = text;
    else place.setAttribute(attribute, text);
  }
}

/** Fills the table below `root`. The first cell of each row is its header. */
export function fillTable(root: ParentNode, headings: readonly string[], rows: readonly (readonly Child[])[]): void {
  const table = find(root, 'table', HTMLTableElement);
  const heads = headings.map((heading) => element('th', { scope: 'col' }, heading));
  const lines = rows.map(([first = '', ...cells]) =>
    element('tr', {}, element('th', { scope: 'row' }, first), ...cells.map((cell) => element('td', {}, cell))),
  );
  const parts = [element('thead', {}, element('tr', {}, ...heads)), element('tbody', {}, ...lines)];
  table.replaceChildren(...[table.caption ?? '', ...parts]);
  // Makes a table that is too wide scrollable by keyboard.
  find(root, '.table', HTMLElement).tabIndex = 0;
}

/** Fills the list below `root`. */
export function fillList(root: ParentNode, entries: readonly Entry[]): void {
  find(root, 'dl', HTMLElement).replaceChildren(...listOf(entries));
}

export function listOf(entries: readonly Entry[]): HTMLElement[] {
  return entries.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value)));
}

/** Shows a notice below `root`, or removes the current one. Texts from the API are English. */
export function showNotice(root: ParentNode, notice: Notice | null, texts: Texts): void {
  const place = find(root, '.notice', HTMLElement);
  place.replaceChildren();
  if (notice === null) return;
  const { title, detail, wait, faults = [], requestId } = notice;
  const english = requestId === undefined ? {} : { lang: 'en' };
  const request =
    requestId === undefined ? [] : [element('p', { class: 'quiet' }, texts.say('problem_request', { id: requestId }))];
  place.append(
    element('p', {}, element('strong', {}, foreign(title))),
    element('p', english, foreign(detail)),
    ...faults.map((fault) => element('p', { lang: 'en' }, foreign(fault))),
    ...(wait === undefined ? [] : [element('p', {}, wait)]),
    ...request,
  );
}

export function announce(text: string): void {
  find(document, '#status', HTMLElement).textContent = text;
}
