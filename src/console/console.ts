/**
 * The parts of the console, each with its question to the API.
 *
 * Promises: asks only what the caller may; of two answers for one part, shows that to the later question; says a problem where the
 * data would stand, and leaves at a 401.
 */
import { isRecord, listOf } from '../worker/json.ts';
import { ROW_OUTCOMES } from '../worker/outcome.ts';
import { type Get, type Item, objectIn, type Page, type Path, type Problem } from './api.ts';
import { announce, element, fillList, fillTable, find, showProblem } from './dom.ts';
import { plotIn } from './plot.ts';
import { budgetsIn, countByDay, type Day, describe, lastDays, textOf, wordsOf } from './summary.ts';

const DAYS = 30;
/** With the other requests of a load 11, of the 20 that a caller has in ten seconds. */
const MAX_PAGES = 8;
const ROWS_TO_COUNT = 500;
const ROWS_TO_SHOW = 50;

export class Console {
  readonly #root: HTMLElement;
  readonly #get: Get;
  readonly #leave: (problem: Problem | null) => void;
  readonly #ready: Item;
  readonly #draw: (days: readonly Day[]) => void;
  readonly #latest = new Map<string, symbol>();
  /** The queries of the pages of the history up to the one that is shown, and of the one after it. */
  #pages: readonly string[] = [];
  #next = '';

  constructor(root: HTMLElement, get: Get, leave: (problem: Problem | null) => void, ready: Item) {
    this.#root = root;
    this.#get = get;
    this.#leave = leave;
    this.#ready = ready;
    this.#draw = plotIn(root);
    for (const place of root.querySelectorAll<HTMLElement>('[data-scope]')) {
      place.hidden = !this.#may(place.dataset['scope']);
    }
    const options = ROW_OUTCOMES.map((outcome) => element('option', { value: outcome }, wordsOf(outcome)));
    find(root, 'select', HTMLSelectElement).append(...options);
    fillList(this.#part('gateway'), ready);
    this.#on('#probe', 'click', () => this.#probe());
    this.#on('#reload', 'click', () => this.load());
    this.#on('#leave', 'click', () => leave(null));
    this.#on('#newer', 'click', () => this.#turn(this.#pages.slice(0, -1)));
    this.#on('#older', 'click', () => this.#turn([...this.#pages, this.#next]));
    this.#on('#history form', 'submit', () => this.#turn([this.#filter()]));
    this.#on('#image form', 'submit', () => this.#preview());
    const image = find(root, '#image input', HTMLInputElement);
    root.addEventListener('click', ({ target }) => {
      // In the tables, an image is a button whose value is its id.
      if (!(target instanceof HTMLButtonElement) || target.value === '') return;
      image.value = target.value;
      image.focus();
      void this.#preview();
    });
  }

  /** Loads every part again. */
  async load(): Promise<void> {
    announce('Loading');
    await Promise.all([this.#showBudgets(), this.#showDays(), this.#showUnresolved(), this.#turn([this.#filter()])]);
    announce('Loaded');
  }

  async #probe(): Promise<void> {
    announce('Asking Baidu');
    const page = await this.#ask('gateway', '/readyz', 'upstream=true');
    fillList(this.#part('gateway'), page === null ? this.#ready : objectIn(page.text));
    announce(page === null ? '' : 'Baidu accepts the credential');
  }

  async #showBudgets(): Promise<void> {
    if (this.#part('budgets').hidden) return;
    const page = await this.#ask('budgets', '/metrics');
    const rows = budgetsIn(page?.text ?? '').map(({ caller, used, limit }) => {
      const name = caller || 'All callers';
      const scale = { max: `${Math.max(limit, 1)}`, high: `${limit * 0.8}`, optimum: '0' };
      const bar = element('meter', { ...scale, value: `${used}`, 'aria-label': `Used by ${name}` });
      return [name, bar, `${used} of ${limit}`];
    });
    fillTable(this.#part('budgets'), ['Caller', 'Share', 'Used'], rows);
  }

  async #showDays(): Promise<void> {
    const days = lastDays(DAYS, Date.now());
    const rows: Item[] = [];
    let query: string | null = `since=${days[0]}T00:00:00Z&limit=${ROWS_TO_COUNT}`;
    for (let pages = 0; query !== null && pages < MAX_PAGES; pages++) {
      const page = await this.#ask('days', '/deletions', query);
      if (page === null) return;
      rows.push(...rowsIn(page));
      query = page.next;
    }
    const counted = countByDay(rows, days);
    const whose = this.#may('deletions:read') ? 'of all callers' : 'of this caller';
    const cut = ` There are more than ${rows.length}; those before ${textOf(rows.at(-1)?.['reservedAt'])} are left out.`;
    const summary = `The last ${DAYS} days ${whose}: ${describe(counted)}.${query === null ? '' : cut}`;
    find(this.#root, '#days-summary', HTMLElement).textContent = summary;
    this.#draw(counted);
    const table = counted.map(({ day, counts }) => [day, ...counts.map(String)]);
    fillTable(this.#part('days'), ['Day', ...ROW_OUTCOMES.map(wordsOf)], table.reverse());
  }

  async #showUnresolved(): Promise<void> {
    const page = await this.#ask('unresolved', '/deletions', 'outcome=unknown&limit=100');
    if (page === null) return;
    const count = page.next === null ? `${rowsIn(page).length}` : `more than ${rowsIn(page).length}`;
    find(this.#root, '#unresolved p', HTMLElement).textContent = `Deletions: ${count}`;
    this.#fillRows('unresolved', page);
  }

  /** Shows the last of these pages of the history. */
  async #turn(pages: readonly string[]): Promise<void> {
    const page = await this.#ask('history', '/deletions', pages.at(-1));
    if (page === null) return;
    this.#pages = pages;
    this.#next = page.next ?? '';
    find(this.#root, '#newer', HTMLButtonElement).disabled = pages.length === 1;
    find(this.#root, '#older', HTMLButtonElement).disabled = page.next === null;
    const text = `Page ${pages.length}, deletions: ${rowsIn(page).length}`;
    find(this.#root, '#page', HTMLElement).textContent = text;
    this.#fillRows('history', page);
    announce(text);
  }

  /** The query of the first page. A time that a person enters is UTC. */
  #filter(): string {
    const query = new URLSearchParams({ limit: `${ROWS_TO_SHOW}` });
    for (const [name, value] of new FormData(find(this.#root, '#history form', HTMLFormElement))) {
      const text = String(value).trim();
      const isTime = name === 'since' || name === 'until';
      if (text !== '') query.set(name, isTime ? new Date(`${text}Z`).toISOString() : text);
    }
    return String(query);
  }

  async #preview(): Promise<void> {
    fillList(this.#part('image'), {});
    const { value } = find(this.#root, '#image input', HTMLInputElement);
    const page = await this.#ask('image', `/images/${encodeURIComponent(value)}`);
    if (page !== null) fillList(this.#part('image'), objectIn(page.text));
  }

  #fillRows(id: string, page: Page): void {
    const table = find(this.#part(id), 'table', HTMLElement);
    const columns = table.dataset['columns']?.split(' ') ?? [];
    const isLinked = !this.#part('image').hidden;
    const cells = rowsIn(page).map((row) =>
      columns.map((column) => {
        const text = textOf(row[column]);
        const swatch = element('span', { class: `swatch ${text}` });
        if (column === 'outcome') return element('span', {}, swatch, wordsOf(text));
        return column === 'imageId' && isLinked ? element('button', { type: 'button', value: text }, text) : text;
      }),
    );
    fillTable(this.#part(id), columns.map(wordsOf), cells);
  }

  /** `null`: there is nothing to show, because of a problem, which is said, or because something newer was asked. */
  async #ask(part: string, path: Path, query?: string): Promise<Page | null> {
    const question = Symbol();
    this.#latest.set(part, question);
    const answer = await this.#get(path, query);
    if (this.#latest.get(part) !== question) return null;
    showProblem(this.#part(part), answer.ok ? null : answer.failure);
    if (answer.ok) return answer.value;
    if (answer.failure.status === 401) this.#leave(answer.failure);
    return null;
  }

  #may(scope: unknown): boolean {
    return listOf(this.#ready['scopes']).includes(scope);
  }

  #part(id: string): HTMLElement {
    return find(this.#root, `#${id}`, HTMLElement);
  }

  #on(selector: string, type: 'click' | 'submit', act: () => unknown): void {
    find(this.#root, selector, HTMLElement).addEventListener(type, (event) => {
      event.preventDefault();
      act();
    });
  }
}

function rowsIn({ text }: Page): readonly Item[] {
  return listOf(objectIn(text)['deletions']).filter(isRecord);
}
